"""Erasing one of those who share a mailbox takes no opt-out from the others, whether it was said before or after."""

from __future__ import annotations

import base64
import quopri
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.replies.reply_inbox import read_by_staff
from campaigns.retention import delete_unreachable_places
from core.addresses import normalise_email
from core.db import Connection
from core.errors import Conflict, NotFound
from core.runtime import Runtime
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.reasons import Reason
from messaging.states import State
from messaging.suppression_digests import DigestKeys
from muster import erasure
from muster.operator import operator
from people.lists.suppression_lookup import find_suppression
from tests.support.clocks import FixedClock
from tests.support.electorate import add_person
from tests.support.inbound_rows import Forms, Recipient, look, read, serve
from tests.support.mail_replies import letter, reply_address
from tests.support.mail_rows import ANN, REPLIES, MailroomSetup, open_room
from tests.support.traces import found_in
from webhooks import process_inbound
from webhooks.email.inbound_mail.mail_texts import texts_of

BEA = "bea@member.test"
OPT_OUT = ("email", ANN, "opted_out")


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    """A mailroom; `P1` shares the mailbox of `BOB`, if the test adds him."""
    async with open_room(runtime, db, FixedClock(datetime.now(UTC))) as room:
        yield room


async def erase(room: MailroomSetup, who: str = "P1", *, may_return: bool = False) -> None:
    traces = await erasure.look_for(room.runtime, who)
    await erasure.erase(room.runtime, traces, actor=operator("olga"), may_return=may_return)


def farewell_address(room: MailroomSetup, recipient: Recipient) -> str:
    return f"u+{room.sign_id(recipient, 'unsubscribe')}@{REPLIES}"


def places(room: MailroomSetup, recipient: Recipient) -> dict[str, str]:
    return {"r": reply_address(room, recipient), "u": farewell_address(room, recipient)}


@pytest.mark.parametrize("to", ["r", "u"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_stop_from_a_shared_mailbox_is_obeyed(room: MailroomSetup, db: Connection, to: str, when: str) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await add_person(db, "BOB", email=ANN)
    mail = letter("STOP", Subject="unsubscribe")
    if when == "before":  # and nobody has read it when the erasure begins
        assert await room.hand_over(mail, places(room, recipient)[to], ANN) == 250
        await erase(room)
    else:
        await erase(room)
        assert await room.hand_over(mail, places(room, recipient)[to], ANN) == 250
        await process_inbound(room.runtime, 10)
    assert OPT_OUT in await room.campaign.suppressed()
    assert not await db.fetchval("select exists (select from inbound_log where state = 'new')")
    value = await db.fetchval("select message_id from suppression_event where address = $1", ANN)
    assert value == (recipient.message_id if when == "before" else None), "the ledger ties nobody to whoever was erased"


@pytest.mark.parametrize("may_return", [True, False])
async def test_an_unprocessed_stop_outlasts_its_writers_erasure(
    room: MailroomSetup, db: Connection, may_return: bool
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    assert await room.hand_over(letter("STOP"), reply_address(room, recipient), ANN) == 250
    await db.execute("update inbound_log set next_try_at = now() + interval '1 day'")  # it failed before, and waits
    await erase(room, may_return=may_return)
    keys = DigestKeys(room.runtime.settings.secret_key)
    known = await find_suppression(db, ANN, region="GB", keys=keys)
    assert [suppression.reason for suppression in known.active_suppressions] == ["opted_out"]
    assert await found_in(db, (ANN,)) == set()


async def test_an_unreadable_item_is_kept_until_it_can_be_read(
    room: MailroomSetup, db: Connection, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    assert await room.hand_over(letter("STOP"), reply_address(room, recipient), ANN) == 250
    await owner.execute("alter table suppression rename to away")  # so that nothing can be done about it
    with pytest.raises(Conflict, match="may be an opt-out"):
        await erase_only_reading(room)
    await owner.execute("alter table away rename to suppression")
    assert await db.fetchval("select state from inbound_log") == "new"
    await erase(room)
    assert await db.fetchval("select reason from suppression_digest where channel = 'email'") == "opted_out"


async def erase_only_reading(room: MailroomSetup) -> None:
    """As an erasure does with what waits."""
    async with room.runtime.pool.acquire() as db:
        ids = [row["inbound_id"] for row in await db.fetch("select inbound_id from inbound_log")]
        await erasure.process_inbound(room.runtime, db, ids)


async def test_the_button_of_a_message_in_a_shared_mailbox_still_stops_it(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN, first_name="Quackenbush")
    await add_person(db, "BOB", email=ANN)
    await erase(room)
    async with serve(room.runtime) as client:
        page = await look(client, recipient.unsubscribe)
        assert page.shown == ["stop"], "one button: nobody knows whose everything would be"
        assert "Quackenbush" not in page.words
        for path in (recipient.confirm, recipient.preferences, f"/p{recipient.unsubscribe.removeprefix('/u')}"):
            assert (await client.get(path)).status == 404, path
        response = await client.post(recipient.unsubscribe, data={"List-Unsubscribe": "One-Click"})
        assert response.status == 200
        done: Forms = await read(response)
        assert "undo_stop" not in done.buttons
        undo = await client.post(recipient.unsubscribe, data={**done.fields, "answer": "undo_stop"})
        assert undo.status == 200
    assert OPT_OUT in await room.campaign.suppressed()
    person = await db.fetchval("select reason from suppression where channel = 'person'")
    assert person == "erased", "whoever pressed was not the one who was erased"


async def test_a_complaint_about_a_message_in_a_shared_mailbox_counts(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await add_person(db, "BOB", email=ANN)
    await erase(room)
    receipt = Receipt(recipient.message_id, None, State.COMPLAINED, "ses", None, room.clock(), reason=Reason.COMPLAINED)
    await apply_receipts(db, [receipt])
    assert ("email", ANN, "complained") in await room.campaign.suppressed()


async def test_an_opt_out_read_by_staff_counts(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await add_person(db, "BOB", email=ANN)
    await erase(room)
    assert await room.hand_over(letter("enough already with these"), reply_address(room, recipient), ANN) == 250
    await process_inbound(room.runtime, 10)
    reply_id = await db.fetchval("select max(reply_id) from reply")
    await read_by_staff(db, reply_id, reading="opt_out", actor=operator("eve"), at=room.clock())
    assert OPT_OUT in await room.campaign.suppressed()


async def test_a_wish_from_an_unshared_mailbox_is_shown_to_staff(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await erase(room, may_return=True)
    async with serve(room.runtime) as client:
        assert (await client.post(recipient.unsubscribe, data={"List-Unsubscribe": "One-Click"})).status == 404
    assert await room.hand_over(letter("", Subject="unsubscribe"), farewell_address(room, recipient), ANN) == 250
    await process_inbound(room.runtime, 10)
    row = await db.fetchrow("select address, state, why_open, note from reply")
    assert row is not None
    assert (row["address"], row["state"], row["why_open"]) == (ANN, "open", "unknown_sender")
    assert "read it as an opt-out" in row["note"]
    assert OPT_OUT not in await room.campaign.suppressed(), "anybody can write a From line"


async def test_the_last_holder_of_a_shared_mailbox_takes_it_along(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await add_person(db, "BOB", email=ANN)
    await erase(room)
    assert await found_in(db, (ANN,)) == {"address", "erased_place"}
    await erase(room, "BOB")
    assert await found_in(db, (ANN,)) == set()
    async with serve(room.runtime) as client:
        assert (await client.get(recipient.unsubscribe)).status == 404


async def test_a_person_known_only_by_a_shared_address_is_found(room: MailroomSetup, db: Connection) -> None:
    await room.campaign.ask(email=ANN)
    bob = await add_person(db, "BOB", email=ANN)
    await erase(room)
    await db.execute("delete from address where person_id = $1", bob)  # a member file has another one now
    assert await found_in(db, (ANN,)) == {"erased_place"}
    await erase(room, normalise_email(ANN))
    assert await found_in(db, (ANN,)) == set()
    with pytest.raises(NotFound):
        await erasure.look_for(room.runtime, ANN)


async def test_a_kept_address_is_forgotten_when_links_expire(room: MailroomSetup, db: Connection) -> None:
    await room.campaign.ask(email=ANN)
    await add_person(db, "BOB", email=ANN)
    await erase(room)
    kept = "select count(*) from erased_place"
    closes = await db.fetchval("select closes_at from ballot")
    await delete_unreachable_places(db, closes + timedelta(days=60))
    assert await db.fetchval(kept) == 2, "the message, and the one that was queued"
    await delete_unreachable_places(db, closes + timedelta(days=62))
    assert await db.fetchval(kept) == 0


def written(words: str, how: str) -> bytes:
    """A neighbour's mail that names somebody, in one encoding or another."""
    head, body = f"From: Bea <{BEA}>\r\nSubject: Re: x\r\nMIME-Version: 1.0\r\n", words.encode()
    text = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
    match how:
        case "base64":
            return f"{head}{text}base64\r\n\r\n".encode() + base64.encodebytes(body).replace(b"\n", b"\r\n")
        case "soft break":
            broken = quopri.encodestring(body).replace(b"anna@x.exam", b"anna@x.exam=\r\n")
            assert b"anna@x.example" not in broken
            return f"{head}{text}quoted-printable\r\n\r\n".encode() + broken
        case "html":
            marked = words.replace("@", "<wbr>&#64;")
            return f"{head}Content-Type: text/html; charset=utf-8\r\n\r\n<p>{marked}</p>\r\n".encode()
        case "utf-16":
            text = text.replace("utf-8", "utf-16le")
            return f"{head}{text}base64\r\n\r\n".encode() + base64.encodebytes(words.encode("utf-16-le"))
    return f"{head}{text}8bit\r\n\r\n".encode() + body


@pytest.mark.parametrize("how", ["plain", "base64", "soft break", "html", "utf-16"])
async def test_a_neighbours_mail_is_read_without_the_address_however_it_is_written(
    room: MailroomSetup, db: Connection, how: str
) -> None:
    recipient = await room.campaign.ask(email=BEA)
    await add_person(db, "Z1", email="anna@x.example")
    raw = written("Please write to anna@x.example instead, zoë.", how)
    assert await room.hand_over(raw, reply_address(room, recipient), BEA) == 250
    await erase(room, "Z1")
    text = await db.fetchval("select text from reply")
    assert text == "Subject: x\n\nPlease write to erased instead, zoë."
    assert not await db.fetchval("select exists (select from inbound_mail)")
    assert await db.fetchval("select payload ->> 'sender' from inbound_log") == BEA


@pytest.mark.parametrize("read", [True, False])
async def test_the_writer_of_a_mail_is_known_by_a_folded_header(
    room: MailroomSetup, db: Connection, read: bool
) -> None:
    await room.campaign.ask(email=BEA)
    await add_person(db, "Z1", email="anna@x.example")
    name = "Dr Anna Constantinopolitanischer-Dudelsackpfeifer of the Branch"
    raw = f"From: {name}\r\n <anna@x.example>\r\nSubject: x\r\n\r\nturquoise\r\n".encode()
    assert await room.hand_over(raw, "ballot@union.test", "bounces+17@relay.example") == 250
    if read:
        await process_inbound(room.runtime, 10)
    await erase(room, "Z1")
    assert await found_in(db, ("anna@x", "turquoise", "dudelsack")) == set()


@pytest.mark.parametrize(
    "mail", [b"", b"\xff\xfe\x00", b"From: x\r\n" + b"(" * 9000, b"Subject: =?x?b?a?=\r\n\r\n" + b"\xe9"]
)
def test_an_unreadable_mail_is_searched_as_it_came(mail: bytes) -> None:
    assert not any("ANNA@X" in found.text for found in texts_of(mail))
    named = [found for found in texts_of(mail + b"\r\n\r\n ANNA@X") if "ANNA@X" in found.text]
    assert {text.by_writer for text in named} == {False}
