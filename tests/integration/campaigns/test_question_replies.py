"""Replies to a question become responses; what is unclear, low or an opt-out goes where it belongs."""

from __future__ import annotations

import pytest

from campaigns.replies.answer_history import answers_by
from campaigns.replies.reclassify import reclassify
from campaigns.replies.reply_inbox import open_replies, read_by_staff, reply_thread
from core.db import Connection
from core.errors import Conflict, InputError
from core.runtime import Runtime
from messaging.suppression import active_suppressions
from muster.operator import operator
from services.questions.counts import answer_counts
from tests.support.electorate import NOW, add_person, add_unit
from tests.support.question_replies import PHONE, asked_back
from tests.support.questions import AskedQuestion, add_question, ask


@pytest.fixture
async def ann(db: Connection) -> int:
    return await add_person(db, "R1", unit=await add_unit(db, "Leeds"), sms=PHONE, email="ann@example.org")


@pytest.fixture
async def room(runtime: Runtime, db: Connection, ann: int) -> AskedQuestion:
    return await ask(runtime, db, await add_question(db))


@pytest.mark.parametrize(
    ("text", "answer", "comment", "why"),
    [
        ("1", "good", None, None),
        ("1 nice staff", "good", "nice staff", None),
        ("Very good thanks", "good", None, None),
        ("da iawn, diolch", "good", None, None),
        ("2", "fair", None, None),
        ("2 please call me", "fair", "please call me", "call_me"),
        ("1 why is the car park shut?", "good", "why is the car park shut?", "comment"),
        ("3", "poor", None, "low_answer"),
        ("3 - waited two hours", "poor", "waited two hours", "low_answer"),
        (
            "3 but the man never wiped his feet, please ring me",
            "poor",
            "but the man never wiped his feet, please ring me",
            "call_me",
        ),
        ("terrible - ring me", "poor", "ring me", "call_me"),
        ("sorry, I meant 2", "fair", None, None),
        ("terrible", "poor", None, "low_answer"),
        ("7", None, None, None),
        ("10 minutes late", None, None, "unclear"),
        ("I'll be half an hour late", None, None, "unclear"),
        ("what time?", None, None, "unclear"),
        ("9 out of 10", None, None, None),
        ("voted", None, None, None),
        ("1 or 2", None, None, None),
        ("please call me", None, None, "call_me"),
        ("wrong number", None, None, "wrong_number"),
        ("1 wrong number", None, None, None),
        ("HELP", None, None, "help"),
    ],
)
async def test_a_text_becomes_an_answer_or_an_open_reply(
    room: AskedQuestion, ann: int, text: str, answer: str | None, comment: str | None, why: str | None
) -> None:
    answered = await room.says(text, PHONE)
    assert (await room.answer_of(ann), answered.why_open) == ((answer, comment), why)
    met = await room.db.fetchval("select count(*) from goal_met where goal_id = $1", room.question.goal_id)
    assert met == (answer is not None)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("STOP", None),
        ("stop texting me", None),
        ("1 STOP", "good"),
        ("STOP 1", "good"),
        ("3 stop texting me", "poor"),
        ("good but stop texting me", "good"),
        ("unsubscribe", None),
        ("Stopiwch", None),
    ],
)
async def test_stop_in_any_form_wins_and_an_answer_beside_it_counts(
    room: AskedQuestion, ann: int, text: str, answer: str | None
) -> None:
    answered = await room.says(text, PHONE)
    assert answered.reading == "opt_out"
    assert [suppression.reason for suppression in await active_suppressions(room.db, channel="sms", address=PHONE)] == [
        "opted_out"
    ]
    assert (await room.answer_of(ann))[0] == answer


@pytest.mark.parametrize("text", ["2 no bus stop near you", "1 the staff could not stop helping", "3 cancel my visit"])
async def test_a_word_of_opting_out_that_is_none_is_a_comment_or_waits(
    room: AskedQuestion, ann: int, text: str
) -> None:
    answered = await room.says(text, PHONE)
    assert not await active_suppressions(room.db, channel="sms", address=PHONE)
    assert answered.reading in {"good", "fair", "poor"} or answered.why_open in {"unclear", "cancel"}
    assert await asked_back(room) == []


async def test_cancel_alone_is_obeyed_and_shown(room: AskedQuestion, ann: int) -> None:
    answered = await room.says("CANCEL", PHONE)
    assert (answered.reading, answered.why_open) == ("opt_out", "cancel")
    assert [suppression.reason for suppression in await active_suppressions(room.db, channel="sms", address=PHONE)] == [
        "opted_out"
    ]
    assert [reply.text for reply in await open_replies(room.db)] == ["CANCEL"]


@pytest.mark.parametrize("text", ["please cancel", "I need to cancel my appointment", "1 cancel my appointment"])
async def test_who_asks_to_cancel_stays_opted_in_and_a_person_sees_it(room: AskedQuestion, ann: int, text: str) -> None:
    answered = await room.says(text, PHONE)
    assert (answered.reading, answered.why_open) == ("unclear", "cancel")
    assert not await active_suppressions(room.db, channel="sms", address=PHONE)
    assert (await asked_back(room), await room.answer_of(ann)) == ([], (None, None))


async def test_our_own_words_in_a_reply_are_no_comment(room: AskedQuestion, ann: int) -> None:
    ours = await room.text_to(ann)
    assert "Reply 1 good, 2 fair, 3 poor" in ours
    await room.says(f"2 lift was out\n\n{ours}", PHONE)
    assert await room.answer_of(ann) == ("fair", "lift was out")
    only_ours = await room.says(ours, PHONE)
    assert (only_ours.reading, only_ours.why_open) == ("unclear", "unclear")


async def test_the_last_answer_counts_and_is_counted_for_its_campaign(room: AskedQuestion, ann: int) -> None:
    await room.says("1", PHONE)
    await room.says("3 changed my mind", PHONE)
    assert await answer_counts(room.db, room.question, room.campaign_id) == {"good": 0, "fair": 0, "poor": 1}
    assert await answer_counts(room.db, room.question, room.campaign_id + 1) == {"good": 0, "fair": 0, "poor": 0}


async def test_an_answer_by_email_is_read_like_a_text(room: AskedQuestion, ann: int) -> None:
    only_mail = await add_person(room.db, "R2", email="bob@example.org")
    later = await ask(room.runtime, room.db, room.question, name="again", audience={"members": ["R2"]})
    answered = await later.says(
        "Good, but the lift is broken.", "bob@example.org", "email", message_id=await later.message_to(only_mail)
    )
    assert answered.why_open is None
    assert await later.answer_of(only_mail) == ("good", "but the lift is broken.")
    unclear = await later.says(
        "I was there on Monday.", "bob@example.org", "email", message_id=await later.message_to(only_mail)
    )
    assert unclear.why_open == "unclear", "who has answered is not asked back"


async def test_low_answers_are_shown_with_the_answer_beside(room: AskedQuestion, ann: int) -> None:
    await room.says("3 waited two hours", PHONE)
    (shown,) = await open_replies(room.db)
    assert (shown.why_open, shown.answer, shown.text, shown.about) == (
        "low_answer", "Poor", "3 waited two hours", "the question visit",
    )  # fmt: skip


async def test_a_low_answer_that_was_changed_since_says_so(room: AskedQuestion, ann: int) -> None:
    low = await room.says("3", PHONE)
    assert [reply.answer_since for reply in await open_replies(room.db)] == ["Poor"]
    await room.says("1", PHONE)
    assert [reply.answer_since for reply in await open_replies(room.db)] == ["Poor, changed to Good since"]
    assert low.reply_id is not None
    await room.db.execute("delete from response_status")  # as where their appointment was moved
    assert (await reply_thread(room.db, low.reply_id)).reply.answer_since == "Poor, not counted since"


async def test_staff_read_an_unclear_reply_as_an_answer_and_its_words_are_kept(room: AskedQuestion, ann: int) -> None:
    unclear = await room.says("It was not good, to be honest", PHONE)
    assert unclear.reply_id is not None
    assert unclear.why_open is None, "they are asked back first"
    with pytest.raises(InputError, match="is not a reading") as error:
        await read_by_staff(room.db, unclear.reply_id, reading="awful", actor=operator("olga"), at=NOW)
    assert "fair, good" in (error.value.remedy or "")
    with pytest.raises(Conflict, match="no answer to the question visit"):
        await read_by_staff(room.db, unclear.reply_id, reading="voted", actor=operator("olga"), at=NOW)

    assert await read_by_staff(room.db, unclear.reply_id, reading="poor", actor=operator("olga"), at=NOW)
    assert await room.answer_of(ann) == ("poor", "It was not good, to be honest")
    assert (await reply_thread(room.db, unclear.reply_id)).reply.answer == "Poor"

    await read_by_staff(room.db, unclear.reply_id, reading="unclear", actor=operator("olga"), at=NOW)
    assert await room.answer_of(ann) == (None, None)


async def test_reclassifying_reads_the_same_again(room: AskedQuestion, ann: int) -> None:
    await room.says("1 nice staff", PHONE)
    await room.says("what a mess", PHONE)
    await room.db.execute("update reply set rule_version = 'older'")
    looked, otherwise = await reclassify(room.db, actor=operator("olga"), at=NOW)
    assert (looked, otherwise) == (2, [])
    assert await room.answer_of(ann) == ("good", "nice staff")


async def test_the_history_of_a_person_says_what_they_answered(room: AskedQuestion, ann: int) -> None:
    first = await room.says("1", PHONE)
    assert first.reply_id is not None
    await read_by_staff(room.db, first.reply_id, reading="unclear", actor=operator("olga"), at=NOW)
    answers = [answer.words for answer in await answers_by(room.db, [ann], [])]
    assert "In the question visit they are counted as: Good (from a text)." in answers
    assert "In the question visit they are no longer counted as: Good (taken back from a text)." in answers


# ---- asked back


# ---- taken back and corrected


# ---- two questions open to one phone


# ---- what a campaign refuses
