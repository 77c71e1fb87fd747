"""Replies to messages without a campaign: the last thing written to somebody decides what their words answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.replies.answers import AnswerResult, Inbound, answer_reply
from campaigns.replies.reclassify import reclassify
from campaigns.replies.reply_inbox import read_by_staff, reply_thread
from campaigns.replies.staff_replies import MailThread, send_staff_reply
from core.db import Connection
from core.errors import Conflict
from core.runtime import Runtime
from messaging.outbox.concealment import Contents
from messaging.outbox.transactional import KEEPS_MENU, MessageKind, NewMessage, confirm_opt_out, send_to
from messaging.reasons import Reason
from messaging.suppression import active_suppressions, suppress
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, add_person
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, Recipient, make_campaign
from tests.support.mail_replies import answer, reply_address
from tests.support.mail_rows import ANN, BOUNCES, REPLIES, MailroomSetup, open_room
from tests.support.questions import add_question, ask
from tests.support.rows import row_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEFORE = NOON - timedelta(minutes=10)


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection) -> Campaign:
    return await make_campaign(runtime, db, now=NOON)


@pytest.fixture
async def ann(campaign: Campaign) -> Recipient:
    return await campaign.ask(sms=PHONE)


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(runtime, db, FixedClock(NOON)) as room:
        yield room


async def write(campaign: Campaign, asked: Recipient, kind: MessageKind) -> int:
    """Write to the phone, and have it sent ten minutes before the replies come."""
    new = NewMessage(kind, "sms", PHONE, campaign.sms_id, Contents("Words."), "olga", asked.person_id)
    if kind is MessageKind.OPT_OUT_CONFIRMED:
        await suppress(campaign.db, channel="sms", address=PHONE, reason=Reason.OPTED_OUT, source="staff")
        message_id = await confirm_opt_out(campaign.db, new, at=BEFORE)
        assert message_id is not None
    else:
        message_id = await send_to(campaign.db, new, at=BEFORE)
    await sent(campaign.db, message_id)
    return message_id


async def sent(db: Connection, message_id: int, at: datetime = BEFORE) -> None:
    await db.execute(
        "update message set state = 'sent', sent_at = $2, wire_at = $2 where message_id = $1", message_id, at
    )


async def says(campaign: Campaign, text: str, number: int = 1, at: datetime = NOON) -> AnswerResult:
    async with campaign.db.transaction():
        return await answer_reply(campaign.db, Inbound(number, "sms", PHONE, (NUMBER,), text, at))


@pytest.mark.parametrize("kind", MessageKind)
async def test_a_digit_answers_the_campaign_only_if_nothing_else_was_said_since(
    campaign: Campaign, ann: Recipient, kind: MessageKind
) -> None:
    written = await write(campaign, ann, kind)
    answered = await says(campaign, "1")
    reply = await row_of(campaign.db, "select message_id, person_id from reply")
    if kind in KEEPS_MENU:
        assert (answered.reading, answered.why_open) == ("voted", None)
        assert await campaign.status(ann) == "voted"
        assert tuple(reply) == (ann.message_id, ann.person_id)
    else:
        assert (answered.reading, answered.why_open) == ("unclear", "unclear")
        assert await campaign.status(ann) is None
        assert tuple(reply) == (written, ann.person_id)


@pytest.mark.parametrize("text", ["1", "yes", "Yes.", "thanks", "I have voted", "3", "not yet", "👍"])
async def test_words_of_thanks_to_an_answer_by_hand_are_no_vote(campaign: Campaign, ann: Recipient, text: str) -> None:
    await write(campaign, ann, MessageKind.STAFF_REPLY)
    answered = await says(campaign, text)
    assert answered.answer_id is None
    assert (answered.reading, answered.why_open) == ("unclear", "unclear")
    await campaign.db.execute("update reply set rule_version = 'older'")
    looked, otherwise = await reclassify(campaign.db, actor=operator("olga"), at=NOON)
    assert (looked, otherwise) == (1, [])
    assert await campaign.status(ann) is None


@pytest.mark.parametrize(
    ("text", "reading", "why"),
    [
        ("STOP", "opt_out", None),
        ("thanks, but stop texting me", "opt_out", None),
        ("please call me", "call_me", "call_me"),
        ("wrong number", "wrong_number", "wrong_number"),
    ],
)
async def test_stop_and_requests_mean_what_they_always_do(
    campaign: Campaign, ann: Recipient, text: str, reading: str, why: str | None
) -> None:
    await write(campaign, ann, MessageKind.STAFF_REPLY)
    answered = await says(campaign, text)
    assert (answered.reading, answered.why_open) == (reading, why)
    stopped = await active_suppressions(campaign.db, channel="sms", address=PHONE)
    assert bool(stopped) == (reading in {"opt_out", "wrong_number"})


async def test_before_the_answer_was_sent_and_after_the_next_message_digits_count(
    campaign: Campaign, ann: Recipient
) -> None:
    await write(campaign, ann, MessageKind.STAFF_REPLY)
    assert (await says(campaign, "2", 1, BEFORE - timedelta(minutes=1))).reading == "not_voted"
    assert (await says(campaign, "1", 2)).answer_id is None
    later = await campaign.db.fetchval(
        "select message_id from message where step_id = $1 and person_id = $2", campaign.later_id, ann.person_id
    )
    await sent(campaign.db, later, NOON)
    assert (await says(campaign, "1", 3, NOON + timedelta(minutes=1))).reading == "voted"
    assert await campaign.status(ann) == "voted"


async def test_staff_read_a_vote_in_the_conversation_that_their_answer_belongs_to(
    runtime: Runtime, campaign: Campaign, ann: Recipient
) -> None:
    db = campaign.db
    first = await says(campaign, "how do I vote, and by when?")
    assert first.reply_id is not None
    by_hand = await send_staff_reply(
        db,
        runtime.settings,
        first.reply_id,
        "By post. Have you done it?",
        thread=MailThread(),
        actor=operator("olga"),
        at=BEFORE,
    )
    await sent(db, by_hand.message_id)
    second = await says(campaign, "yes", 2)
    assert (second.why_open, second.answer_id) == ("unclear", None)
    assert second.reply_id is not None
    shown = (await reply_thread(db, second.reply_id)).reply
    assert (shown.message_id, shown.about) == (by_hand.message_id, "the ballot pay-2026")
    again = await send_staff_reply(
        db, runtime.settings, second.reply_id, "Thank you!", thread=MailThread(), actor=operator("olga"), at=BEFORE
    )
    about = await db.fetchval("select about from transactional where message_id = $1", again.message_id)
    assert about == ann.message_id, "the conversation began with the campaign's message"

    assert await read_by_staff(db, second.reply_id, reading="voted", actor=operator("olga"), at=NOON)
    assert await campaign.status(ann) == "voted"
    assert await db.fetchval("select message_id from claim") == ann.message_id


async def test_a_reply_to_a_sign_in_text_is_about_nothing(campaign: Campaign, ann: Recipient) -> None:
    await write(campaign, ann, MessageKind.SIGN_IN)
    answered = await says(campaign, "yes")
    assert answered.reply_id is not None
    assert (await reply_thread(campaign.db, answered.reply_id)).reply.about == ""
    with pytest.raises(Conflict, match="no message of a campaign"):
        await read_by_staff(campaign.db, answered.reply_id, reading="voted", actor=operator("olga"), at=NOON)


async def test_who_was_unknown_is_still_unknown_when_answered(runtime: Runtime, campaign: Campaign) -> None:
    first = await says(campaign, "who are you?")
    assert (first.why_open, first.reply_id is None) == ("unknown_sender", False)
    assert first.reply_id is not None
    by_hand = await send_staff_reply(
        campaign.db,
        runtime.settings,
        first.reply_id,
        "Your union.",
        thread=MailThread(),
        actor=operator("olga"),
        at=BEFORE,
    )
    await sent(campaign.db, by_hand.message_id)
    assert (await says(campaign, "1", 2)).why_open == "unknown_sender"
    # it may be known by now whose phone it is
    bob = await add_person(campaign.db, "B1", unit=campaign.unit_id, sms=PHONE)
    assert (await says(campaign, "1", 3)).why_open == "unclear"
    assert await campaign.db.fetchval("select person_id from reply order by reply_id desc limit 1") == bob


# ---- email


async def test_a_mail_to_an_answer_by_hand_is_no_vote(room: MailroomSetup) -> None:
    asked = await room.campaign.ask(email=ANN)
    first = await answer(room, reply_address(room, asked), "What is this ballot about?")
    by_hand = await send_staff_reply(
        room.campaign.db, room.runtime.settings, first["reply_id"], "Pay. Have you voted?",
        thread=MailThread(), actor=operator("olga"), at=BEFORE,
    )  # fmt: skip
    ours = [f"<{room.sign_id(number, 'bounce')}@{BOUNCES}>" for number in (asked.message_id, by_hand.message_id)]
    by_address = await answer(room, f"r+{room.sign_id(by_hand.message_id, 'reply')}@{REPLIES}", "I have voted")
    inbox = "ballot@union.test"
    by_thread = await answer(room, inbox, "I have voted", In_Reply_To=ours[1], References=" ".join(ours))
    by_references = await answer(room, inbox, "I have voted", References=" ".join(ours))
    for reply in (by_address, by_thread, by_references):
        assert (reply["reading"], reply["why_open"]) == ("unclear", "unclear")
        assert (reply["message_id"], reply["person_id"]) == (by_hand.message_id, asked.person_id)
    assert await room.campaign.status(asked) is None
    # whoever takes up the first mail again answers that
    assert (await answer(room, inbox, "I have voted", In_Reply_To=ours[0]))["reading"] == "voted"
    assert await room.campaign.status(asked) == "voted"


async def test_a_mail_in_answer_to_what_we_asked_back_answers_the_question(runtime: Runtime, db: Connection) -> None:
    ann = await add_person(db, "R2", email="ann@example.org")
    asked = await ask(runtime, db, await add_question(db))
    message_id = await asked.message_to(ann)
    unclear = await asked.says("Hmm, so so", "ann@example.org", "email", message_id=message_id)
    assert unclear.why_open is None
    asked_back = await db.fetchval("select message_id from message where step_id is null")
    await sent(db, asked_back, NOW)
    answered = await asked.says("Good", "ann@example.org", "email", message_id=asked_back)
    assert answered.why_open is None
    assert (await asked.answer_of(ann))[0] == "good"
    assert await db.fetchval("select message_id from reply order by reply_id desc limit 1") == message_id
