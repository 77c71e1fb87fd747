"""Sign-in links that come back from outside: masked before they are stored, and spent, by whatever way they come."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from core.alerts import open_alerts, raise_alert
from core.db import Connection
from core.runtime import Runtime
from core.sign_in_links import MASK
from messaging.outbox.history import find_history
from muster.operator import operator
from staff.account_messages import queue_sign_in_link
from staff.quoted_links import document_without_links, without_links
from staff.sign_in import end_access, link_works, make_sign_in_link, use_link
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, add_person, add_unit
from tests.support.inbound_rows import NUMBER, PHONE, look, serve
from tests.support.mail_rows import MailroomSetup, open_room
from tests.support.question_pages import tap, write
from tests.support.questions import add_question, ask
from tests.support.staff_accounts import EVERYDAY_ROLE
from tests.support.traces import found_in
from tests.support.twilio_requests import INBOUND, NEW, SID, STATUS, send, status
from webhooks import process_inbound
from webhooks.inbound_log.inbound_log import Intake, store_malformed

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOSS = "boss@union.test"


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    update = {"twilio_auth_token": (SecretStr(NEW),), "public_url": "https://muster.test"}
    here = replace(runtime, settings=runtime.settings.model_copy(update=update))
    async with open_room(here, db, FixedClock(NOON)) as room:
        yield room


async def made(db: Connection, at: datetime = NOON) -> tuple[str, str]:
    """A link for a member of staff, and its token."""
    path = await make_sign_in_link(db, email=BOSS, now=at, by=operator("olga"), create_as=EVERYDAY_ROLE)
    return f"https://muster.test{path}", path.rpartition("/")[2]


async def assert_spent(db: Connection, token: str, at: datetime = NOON) -> None:
    """It stands nowhere, not even a part of it, opens nothing, and staff are told."""
    pieces = tuple(token[at : at + 20] for at in range(24))
    assert await found_in(db, (*pieces, *(piece.encode().hex() for piece in pieces))) == set()
    assert not await link_works(db, token, now=at)
    assert [alert.title for alert in await open_alerts(db) if alert.key.startswith("sign-in:")] == [
        f"A sign-in link for {BOSS} came back from outside, and no longer works."
    ]
    assert await db.fetchval("select count(*) from audit_shown where action = 'staff.link_revoked'") == 1


@pytest.mark.parametrize(
    "said",
    [
        "Liked “Sign in to The Union on Muster: {link} It works once.”", "What is {token}?", "Who sent me {part}",
        "it says {blanks}", "{hyphens}", "{lines}", "{base64}", "{capitals}",
    ],
)  # fmt: skip
async def test_a_text_that_quotes_one(room: MailroomSetup, db: Connection, said: str) -> None:
    link, token = await made(db)
    _, other = await made(db)
    apart = [token[at : at + 6] for at in range(0, 43, 6)]
    text = said.format(
        link=link, token=token, part=token[8:36].lower(), blanks=" ".join(apart), hyphens="-".join(apart),
        lines="\n".join(apart), base64=base64.b64encode(token.encode()).decode(), capitals=". ".join(apart).upper(),
    )  # fmt: skip
    async with serve(room.runtime) as client:
        form = {"MessageSid": SID, "From": PHONE, "To": NUMBER, "Body": text, "NumMedia": "0"}
        assert (await send(client, INBOUND, form)).status == 200
    await process_inbound(room.runtime, 10)
    stored = await db.fetchval("select text from reply")
    assert not any(piece.lower() in stored.lower() for piece in apart[:-1])
    await assert_spent(db, token)
    assert await link_works(db, other, now=NOON), "nobody has sent the other one back"
    await made(db)
    assert not await open_alerts(db), "with another link there is nothing left to do"


@pytest.mark.parametrize("ended", ["quoted before", "used", "signed out", "expired"])
async def test_a_link_that_works_no_longer_is_masked_without_another_warning(db: Connection, ended: str) -> None:
    _, token = await made(db)
    said, at = f"it says {' '.join(token[at : at + 5] for at in range(0, 43, 5))} ?", NOON
    if ended == "quoted before":
        await without_links(db, said, now=at)
    elif ended == "used":
        assert await use_link(db, token, now=at) is not None
    elif ended == "signed out":
        assert await end_access(db, await db.fetchval("select staff_id from staff"), now=at) == (0, 1)
    else:
        at += timedelta(hours=30)
    noted = await db.fetchval("select count(*) from audit_shown where action = 'staff.link_revoked'")
    assert await without_links(db, said, now=at) == "it says •••••• ?"
    assert await db.fetchval("select count(*) from audit_shown where action = 'staff.link_revoked'") == noted
    assert not await link_works(db, token, now=at)


async def test_a_receipt_whose_words_name_one(room: MailroomSetup, db: Connection) -> None:
    link, token = await made(db)
    recipient = await room.campaign.ask(sms=PHONE)
    await db.execute("update message set provider_id = $1 where message_id = $2", SID, recipient.message_id)
    async with serve(room.runtime) as client:
        form = status("undelivered", ErrorCode="30007", ErrorMessage=f"Filtered: {link.replace('https', 'hxxp')}")
        assert (await send(client, STATUS, form)).status == 204
    await process_inbound(room.runtime, 10)
    assert [event.code for event in await find_history(db, recipient.message_id)][-1] == "30007"
    await assert_spent(db, token)


async def test_receipts_beside_one_that_names_a_link_stay_as_they_came(
    room: MailroomSetup, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await made(db)
    looked_up = list[object]()

    async def look_up(db: Connection, document: object, *, now: datetime) -> object:
        looked_up.append(document)
        return await document_without_links(db, document, now=now)

    monkeypatch.setattr("webhooks.inbound_log.inbound_log.document_without_links", look_up)
    intake, sids = Intake(), [f"SM{number:032x}" for number in range(0x5A6B7C8D9E0F << 80, (0x5A6B7C8D9E0F << 80) + 9)]
    said = {sid: f"it says {token}" if sid == sids[4] else "delivered" for sid in sids}
    await asyncio.gather(
        *(
            intake.store(
                room.runtime, source=STATUS, dedupe_key=sid, subject=f"twilio:{sid}",
                payload={"form": {"MessageSid": sid, "MessageStatus": words}},
            )
            for sid, words in said.items()
        )
    )  # fmt: skip
    kept = {
        row["subject"]: row["payload"]["form"]["MessageStatus"] for row in await db.fetch("select * from inbound_log")
    }
    assert kept == {f"twilio:{sid}": words.replace(token, MASK) for sid, words in said.items()}
    assert looked_up == [[(f"twilio:{sids[4]}", {"form": {"MessageSid": sids[4], "MessageStatus": said[sids[4]]}})]]


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
async def test_a_bounce_that_holds_one(room: MailroomSetup, db: Connection, encoding: str) -> None:
    link, token = await made(db)
    message_id = await queue_sign_in_link(
        db, room.runtime.settings, channel="email", sender="U <ballot@union.test>", address=BOSS, name="Boss",
        link=link, minutes=15, until=NOON, by="root", now=NOON,
    )  # fmt: skip
    await db.execute("update message set state = 'sent', wire_at = $1, sent_at = $1", NOON)
    body = f"Hello Boss,\n\nsign in here:\n\n{link}\n\nThe link works once.\n".encode()
    if encoding == "base64":
        body = base64.encodebytes(body)
    elif encoding == "quoted-printable":
        cut = len(link) // 2
        body = f"Hello Boss, sign in here: {link[:cut]}=\n{link[cut:]}\n".encode()
    raw = (
        b"From: MAILER-DAEMON@x.test\nSubject: Undelivered\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=X\n\n--X\nContent-Type: text/plain\n\n"
        b"It failed.\n--X\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; "
        + BOSS.encode() + b"\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no " + link.encode()
        + b"\n--X\nContent-Type: message/rfc822\n\nSubject: Sign in\nContent-Transfer-Encoding: "
        + encoding.encode() + b"\n\n" + body + b"--X--\n"
    )  # fmt: skip
    await room.hand_over(raw.replace(b"\n", b"\r\n"), room.bounce_address(message_id), "")
    await process_inbound(room.runtime, 10)
    assert await db.fetchval("select state from message where message_id = $1", message_id) == "bounced"
    await assert_spent(db, token)


async def test_a_mail_that_quotes_one_to_a_reply_address(room: MailroomSetup, db: Connection) -> None:
    link, token = await made(db)
    recipient = await room.campaign.ask(email=BOSS)
    raw = f"From: {BOSS}\r\nSubject: What is this\r\n\r\nWho sent me this? {link}\r\n".encode()
    await room.hand_over(raw, room.bounce_address(recipient.message_id), BOSS)
    await process_inbound(room.runtime, 10)
    await assert_spent(db, token)


async def test_a_body_that_cannot_be_read(room: MailroomSetup, db: Connection) -> None:
    link, token = await made(db)
    await store_malformed(room.runtime, source="t", problem=f"not JSON: {link}", body=b"{" * 9000 + link.encode())
    await assert_spent(db, token)


async def test_a_comment_on_a_page(runtime: Runtime, db: Connection) -> None:
    ann = await add_person(db, "R1", unit=await add_unit(db, "Leeds"), sms="+447400900001", email="ann@example.org")
    asked, clock = await ask(runtime, db, await add_question(db)), FixedClock(NOW)
    link, token = await made(db, NOW)
    async with serve(replace(asked.runtime, clock=clock)) as client:
        path = await asked.link_to(ann)
        page = await tap(client, clock, path, await look(client, path), "answer_poor")
        await write(client, clock, path, page, f"Waited. What is {link} ?")
    assert await db.fetchval("select comment from response_comment") == (
        "Waited. What is https://muster.test/console/sign-in/•••••• ?"
    )
    await assert_spent(db, token, clock())


async def test_an_alert_with_the_words_of_a_provider(db: Connection) -> None:
    link, token = await made(db)
    await raise_alert(
        db, key="k", severity="warning", title=f"The provider: 421 {link}", remedy="Wait.", detail={"said": [token]}
    )
    (alert,) = await open_alerts(db)
    assert alert.title == "The provider: 421 https://muster.test/console/sign-in/••••••"
    assert alert.detail == {"said": ["••••••"]}
