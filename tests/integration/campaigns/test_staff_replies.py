"""Answers by hand: where the reply came from and went to, once, in its thread, and not to people who have opted out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from campaigns.replies.answers import Inbound, answer_reply
from campaigns.replies.confidence import PRESSED_ONCE
from campaigns.replies.presses import answer_link
from campaigns.replies.reply_inbox import open_replies
from campaigns.replies.staff_replies import reopen_unanswered
from core.clock import system_clock
from core.db import Connection
from core.runtime import Runtime
from core.settings import Settings
from messaging.outbox.history import message_status
from messaging.suppression import active_suppressions
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.clocks import FixedClock
from tests.support.command import muster
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, make_campaign
from tests.support.mail_replies import answer, reply_address
from tests.support.mail_rows import ANN, MailroomSetup, open_room
from tests.support.outbox_rows import deliver, with_sandbox

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def here(runtime: Runtime, sandbox: Sandbox) -> Runtime:
    return replace(runtime, settings=with_sandbox(runtime.settings, sandbox))


@pytest.fixture
async def campaign(here: Runtime, db: Connection) -> Campaign:
    return await make_campaign(here, db, now=NOON)


@pytest.fixture
async def room(here: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(here, db, FixedClock(NOON)) as room:
        yield room


async def test_a_text_is_answered_from_the_number_it_came_to(
    campaign: Campaign, settings: Settings, sandbox: Sandbox
) -> None:
    ann = await campaign.ask(sms=PHONE)
    answered = await answer_reply(campaign.db, Inbound(1, "sms", PHONE, (NUMBER,), "can someone ring me", NOON))
    number = str(answered.reply_id)
    words = "We ring you at six – is that right?"
    for _ in range(2):
        told = muster(settings, "replies", "answer", number, words, "--actor", "olga", status=0)
    message_id = await campaign.db.fetchval("select message_id from message where step_id is null")
    assert told.stdout == f"It goes out as message {message_id}, and reply {number} is closed.\n"
    await deliver(campaign.runtime)
    [sent] = [message for message in sandbox.twilio.messages if message.direction == "outbound-api"]
    assert (sent.to, sent.sender, sent.body) == (PHONE, NUMBER, "We ring you at six - is that right?")
    status = await message_status(campaign.db, message_id)
    assert (status.person_id, status.kind, status.asked_by, status.says) == (
        ann.person_id,
        "staff_reply",
        "olga",
        words,
    )
    shown = muster(settings, "replies", "show", number, status=0).stdout
    assert f"olga answered, message {message_id} (accepted): {words}" in shown
    assert "Closed by olga" in shown
    muster(settings, "replies", "answer", number, "-", said=b"Another word.\n", status=0)
    assert await campaign.db.fetchval("select count(*) from message where step_id is null") == 2


@pytest.mark.parametrize("words", ["x" * 1601, "ŵ" * 1601, "…" * 534])
async def test_a_text_longer_than_any_provider_takes_is_refused(
    campaign: Campaign, settings: Settings, words: str
) -> None:
    await campaign.ask(sms=PHONE)
    said = await answer_reply(campaign.db, Inbound(1, "sms", PHONE, (NUMBER,), "can someone ring me", NOON))
    refused = muster(settings, "replies", "answer", str(said.reply_id), words, status=1)
    assert "no provider takes a text of more than 1,600" in refused.stderr
    assert [reply.reply_id for reply in await open_replies(campaign.db)] == [said.reply_id]
    muster(
        settings, "replies", "answer", str(said.reply_id), words[:1600] if len(words) > 1600 else words[:-1], status=0
    )
    assert await open_replies(campaign.db) == []


async def test_a_reply_whose_answer_fails_opens_again_and_says_why(campaign: Campaign, settings: Settings) -> None:
    db = campaign.db
    await campaign.ask(sms=PHONE)
    said = await answer_reply(db, Inbound(1, "sms", PHONE, (NUMBER,), "can someone ring me", NOON))
    number = str(said.reply_id)
    muster(settings, "replies", "answer", number, "We ring you at six.", status=0)
    assert await reopen_unanswered(db) == 0
    await db.execute(
        "update message set state = 'failed', reason = 'content_refused', changed_at = clock_timestamp()"
        " where step_id is null"
    )
    assert (await reopen_unanswered(db), await reopen_unanswered(db)) == (1, 0)
    [shown] = await open_replies(db)
    assert (shown.why_open, shown.reply_id) == ("staff_reply_failed", said.reply_id)
    assert "did not arrive. The provider refused the text of the message." in str(shown.note)
    muster(settings, "replies", "close", number, status=0)
    assert await reopen_unanswered(db) == 0, "staff have dealt with it since"


async def test_a_person_who_has_opted_out_is_not_answered(campaign: Campaign, settings: Settings) -> None:
    await campaign.ask(sms=PHONE)
    answered = await answer_reply(campaign.db, Inbound(1, "sms", PHONE, (NUMBER,), "STOP, and call me", NOON))
    refused = muster(settings, "replies", "answer", str(answered.reply_id), "Sorry.", status=1)
    assert f"Nothing is sent to {PHONE}. They asked not to receive these messages." in refused.stderr
    assert f"muster replies read {answered.reply_id} opt_in" in refused.stderr
    for nothing in (" ", "\u200b", "\u2060\n\u00ad", "\u3164"):
        assert "is empty" in muster(settings, "replies", "answer", str(answered.reply_id), nothing, status=1).stderr
    assert "no reply 99" in muster(settings, "replies", "answer", "99", "Hello", status=1).stderr
    assert await campaign.db.fetchval("select count(*) from message where step_id is null") == 0


async def test_a_mail_is_answered_in_its_thread(room: MailroomSetup, sandbox: Sandbox, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    came = await answer(
        room, reply_address(room, recipient), "What is this ballot about?", Subject="Re: Have you voted?",
        Message_ID="<their-own@member.test>", References="<first@union.test> <second@member.test>",
    )  # fmt: skip
    settings = room.runtime.settings
    muster(
        settings, "replies", "answer", str(came["reply_id"]), "It is about pay.\n\nOlga", "--actor", "olga", status=0
    )
    await deliver(replace(room.runtime, clock=system_clock))
    (mail,) = sandbox.mailbox
    parsed = mail.parse()
    assert (parsed["To"], parsed["Subject"]) == (ANN, "Re: Have you voted?")
    assert parsed["In-Reply-To"] == "<their-own@member.test>"
    assert parsed["References"].split() == ["<first@union.test>", "<second@member.test>", "<their-own@member.test>"]
    assert parsed["Auto-Submitted"] is None
    body = parsed.get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == ["It", "is", "about", "pay.", "Olga"]
    # and a STOP in answer to that is obeyed where we wrote, though it is about no campaign
    await answer(room, str(parsed["Reply-To"]).rpartition("<")[2].rstrip(">"), "stop", sender="Ann <ann@work.test>")
    assert [suppression.reason for suppression in await active_suppressions(db, channel="email", address=ANN)] == [
        "opted_out"
    ]


async def test_a_button_whose_message_is_no_longer_kept_is_not_answered(
    campaign: Campaign, settings: Settings, db: Connection, superuser: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    pressed = await answer_link(
        db, message_id=ann.message_id, press="call_me", confidence=PRESSED_ONCE, inbound_id=1, at=NOON
    )
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute("delete from message where message_id = $1", ann.message_id)
    refused = muster(
        settings, "replies", "answer", str(pressed.reply_id), "We ring you at six", "--actor", "olga", status=1
    )
    assert refused.stderr == (
        "Error: The message with this button is no longer kept.\n"
        f"Answer in another way, and then: muster replies close {pressed.reply_id}\n"
    )
