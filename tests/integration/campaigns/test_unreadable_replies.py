"""Mails without readable words: named as such, and kept until staff have closed the reply."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from campaigns.replies.reclassify import reclassify
from campaigns.replies.reply_inbox import close_reply
from core.db import Connection
from core.runtime import Runtime
from core.settings import Settings
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.command import muster
from tests.support.inbound_rows import Recipient
from tests.support.mail_rows import ANN, REPLIES, MailroomSetup, open_room
from webhooks import delete_stale_rows, process_inbound

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEAD = f"From: Ann Jones <{ANN}>\r\nSubject: Re: Have you posted your ballot paper?\r\nMIME-Version: 1.0\r\n"
PICTURE = 'Content-Type: image/jpeg; name="posted.jpg"\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/4AAQ\r\n'
SENT_FROM = "Content-Type: text/plain\r\n\r\nSent from my iPhone\r\n"
TNEF = 'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgEBAAA='
SMIME = 'Content-Type: application/pkcs7-mime; name="smime.p7m"'
PGP = (
    "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n",
    'Content-Type: application/octet-stream; name="encrypted.asc"\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n',
)


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(runtime, db, FixedClock(NOON)) as room:
        yield room


def multipart(*parts: str, kind: str = "mixed") -> str:
    whole = "".join(f"--xx\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="xx"\r\n\r\n{whole}--xx--\r\n'


async def write(room: MailroomSetup, recipient: Recipient, body: str, **headers: str) -> dict[str, Any]:
    """Ann sends a mail of any form; the reply it became."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + HEAD
    to = f"r+{room.sign_id(recipient, 'reply')}@{REPLIES}"
    assert await room.hand_over((head + body).encode(), to, ANN) == 250
    await process_inbound(room.runtime, 10)
    row = await room.campaign.db.fetchrow("select * from reply order by reply_id desc limit 1")
    return dict(row) if row else {}


@pytest.mark.parametrize(("body", "called"), [
    (PICTURE, "a picture (posted.jpg)"),
    (multipart(SENT_FROM, PICTURE), "a picture (posted.jpg)"),
    (PICTURE.replace("posted.jpg", "=?utf-8?B?w6kuanBn?="), "a picture (é.jpg)"),
    (PICTURE.replace("posted.jpg", "é\x1b[2J.jpg"), "a picture (\ufffd\ufffd.jpg)"),
    (TNEF, "a mail in Outlook's own format (winmail.dat)"),
    ("Content-Type: text/rtf\r\n\r\n{\\rtf1\\ansi STOP\\par}\r\n", "a text in the format RTF"),
    (multipart(*PGP, kind="encrypted"), "an encrypted mail"),
    (f"{SMIME}; smime-type=enveloped-data\r\n\r\nMIIB", "an encrypted mail (smime.p7m)"),
    (f"{SMIME}; smime-type=signed-data\r\n\r\nMIIB", "a signed mail (smime.p7m)"),
])  # fmt: skip
async def test_a_mail_without_readable_words_is_named_and_kept_until_its_reply_is_closed(
    room: MailroomSetup, db: Connection, body: str, called: str
) -> None:
    reply = await write(room, await room.campaign.ask(email=ANN), body)
    assert (reply["reading"], reply["why_open"]) == ("unclear", "unclear")
    assert f"only {called}." in reply["note"]
    later = NOON + timedelta(days=90)
    await delete_stale_rows(db, later - timedelta(days=30), now=later)
    raw = await db.fetchval("select raw from inbound_mail where inbound_id = $1", reply["inbound_id"])
    assert message_from_bytes(raw)["From"] == f"Ann Jones <{ANN}>"
    await close_reply(db, reply["reply_id"], actor=operator("eve"), at=later)
    await delete_stale_rows(db, later - timedelta(days=30), now=later)
    assert await db.fetchval("select count(*) from inbound_mail") == 0
    assert await db.fetchval("select count(*) from inbound_log") == 0, "and its row goes like every other"


async def test_a_mail_of_readable_words_leaves_no_attachment(room: MailroomSetup, db: Connection) -> None:
    reply = await write(
        room, await room.campaign.ask(email=ANN), multipart(SENT_FROM.replace("Sent", "Voted\r\n\r\nSent"), PICTURE)
    )
    assert (reply["reading"], reply["note"]) == ("voted", "1 attachment was not kept: Muster takes words only.")
    assert await db.fetchval("select count(*) from inbound_mail") == 0
    own = await write(room, await room.campaign.ask(email="bo@member.test"), PICTURE, Subject="STOP")
    assert (own["reading"], own["state"]) == ("opt_out", "closed")
    assert await db.fetchval("select count(*) from inbound_mail") == 0, "nobody has to look at it"


def signed(content: bytes) -> str:
    """A mail inside its own signature, as Outlook signs."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ann Jones")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(NOON).not_valid_after(NOON + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())
    der = builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    return (
        'Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(der).decode()
    )


async def test_words_inside_a_signature_are_read(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    text = b"Content-Type: text/plain; charset=utf-8\r\n\r\nSTOP\r\n"
    reply = await write(room, recipient, signed(text))
    assert (reply["text"], reply["reading"], reply["note"]) == ("STOP", "opt_out", None)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    with_footer = multipart(
        signed(text.replace(b"STOP", b"I have voted")), "Content-Type: text/plain\r\n\r\n-- \r\nAnn"
    )
    reply = await write(room, await room.campaign.ask(email="bo@member.test"), with_footer)
    assert reply["text"] == "I have voted"
    forwarded = multipart("Content-Type: text/plain\r\n\r\nSee what came", signed(text))
    reply = await write(room, await room.campaign.ask(email="cy@member.test"), forwarded)
    assert (reply["text"], reply["reading"]) == ("See what came", "unclear"), "somebody else's words"


async def test_a_reaction_is_known_by_its_part_in_any_language(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    marked = multipart(
        "Content-Type: text/plain; charset=utf-8\r\n\r\n👍\r\n\r\nReaguje Ania przez Gmaila",
        'Content-Type: text/vnd.google.email-reaction+json\r\n\r\n{"emoji":"👍","version":1}',
        "Content-Type: text/html; charset=utf-8\r\n\r\n<p>👍</p><p>Reaguje Ania przez Gmaila</p>",
        kind="alternative",
    )
    reply = await write(room, recipient, marked)
    assert (reply["reading"], reply["state"], reply["note"]) == ("reaction", "closed", None)
    await db.execute("update reply set rule_version = 'older'")
    assert await reclassify(db, actor=operator("eve"), at=NOON) == (0, []), (
        "no rule read it, so none reads it otherwise"
    )
    assert await room.campaign.status(recipient) is None


async def test_staff_can_export_a_mail_as_it_came(room: MailroomSetup, settings: Settings, tmp_path: Path) -> None:
    db = room.campaign.db
    reply = await write(room, await room.campaign.ask(email=ANN), PICTURE)
    number, file = str(reply["reply_id"]), tmp_path / "ann.eml"

    listed = muster(settings, "replies", "list").stdout
    assert "No words of their own" in " ".join(listed.split())
    assert "(pressed on their page)" not in listed
    shown = muster(settings, "replies", "show", number).stdout
    assert "only a picture (posted.jpg)" in shown
    assert f"muster replies mail {number} FILE.eml" in shown
    assert orjson.loads(muster(settings, "replies", "show", number, "--json").stdout)["has_mail"]
    assert muster(settings, "replies", "mail", number, str(file), "--actor", "eve").returncode == 0
    assert b"/9j/4AAQ" in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    assert await db.fetchval("select actor from audit_shown where action = 'reply.mail_exported'") == "eve"
    await close_reply(db, reply["reply_id"], actor=operator("eve"), at=NOON)
    await delete_stale_rows(db, NOON - timedelta(days=30), now=NOON)
    gone = muster(settings, "replies", "mail", number, str(tmp_path / "again.eml"))
    assert gone.returncode == 1
    assert not (tmp_path / "again.eml").exists()
