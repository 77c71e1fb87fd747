"""Asking back: who is asked, once, and what they take back or correct."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.replies.presses import answer_link
from campaigns.replies.reply_inbox import count_asked, follow_up_asked, open_replies, read_by_staff
from core.db import Connection
from core.runtime import Runtime
from messaging.suppression import active_suppressions
from muster.operator import operator
from tests.support.electorate import NOW, add_person, add_unit
from tests.support.question_replies import PHONE, asked_back
from tests.support.questions import AskedQuestion, add_question, ask


@pytest.fixture
async def ann(db: Connection) -> int:
    return await add_person(db, "R1", unit=await add_unit(db, "Leeds"), sms=PHONE, email="ann@example.org")


@pytest.fixture
async def room(runtime: Runtime, db: Connection, ann: int) -> AskedQuestion:
    return await ask(runtime, db, await add_question(db))


async def test_an_unclear_text_is_asked_back_once_and_the_next_waits_for_a_person(
    room: AskedQuestion, ann: int
) -> None:
    first = await room.says("not sure yet", PHONE)
    assert (first.reading, first.why_open) == ("unclear", None)
    text = "Sorry, we could not read your answer. How did we do when you visited us? Reply 1 Good, 2 Fair, 3 Poor."
    assert await asked_back(room) == [(PHONE, f"Leeds Council: {text}")]
    again = await room.says("as I said, on Monday", PHONE)
    assert again.why_open == "unclear"
    assert len(await asked_back(room)) == 1
    await room.says("2", PHONE)
    assert (await room.answer_of(ann))[0] == "fair", "what we asked back is no message that is answered"


_ASKED = "Leeds Council: Sorry, we could not read your answer. How did we do when you visited us? Reply 1 Good, 2 Fair"

_STOPPED = "Leeds Council: you will get no more texts from us. Text START if you want them again."

_STOPIWYD = "Leeds Council: ni chewch ragor o negeseuon testun gennym. Tecstiwch START os ydych am eu cael eto."


@pytest.mark.parametrize("text", [
    f"\U0001f44d to \u201c{_ASKED}, 3 Poor.\u201d", f"Liked \u201c{_ASKED}, 3 Poor.\u201d",
    f"\u2764\ufe0f i \u201c{_STOPIWYD}\u201d", f"\U0001f44d to \u201c{_STOPPED}\u201d",
])  # fmt: skip
async def test_a_reaction_to_what_we_text_by_ourselves_is_one(room: AskedQuestion, ann: int, text: str) -> None:
    answered = await room.says(text, PHONE)
    assert (answered.reading, answered.why_open) == ("reaction", None)


@pytest.mark.parametrize("text", [_STOPPED, _STOPIWYD])
async def test_our_own_confirmation_that_comes_back_stops_nothing(room: AskedQuestion, ann: int, text: str) -> None:
    answered = await room.says(text, PHONE)
    assert (answered.reading, answered.why_open) == ("unclear", "unclear")
    assert not await active_suppressions(room.db, channel="sms", address=PHONE)


@pytest.mark.parametrize("text", [f"{_ASKED}, 3 Poor.\n2", f"> {_ASKED}, 3 Poor.\n\n2", f"2\n\n{_ASKED}, 3 Poor."])
async def test_an_answer_beside_what_we_asked_back_counts(room: AskedQuestion, ann: int, text: str) -> None:
    await room.says("I was there on Monday", PHONE)
    await room.says(text, PHONE)
    assert await room.answer_of(ann) == ("fair", "I was there on Monday"), "our own words are no comment, theirs are"


async def test_doing_it_again_asks_nobody_twice(room: AskedQuestion, ann: int) -> None:
    for _ in range(2):
        await room.says("not sure yet", PHONE, inbound_id=7_000)
    assert len(await asked_back(room)) == 1


async def test_a_mail_is_asked_back_by_mail_in_the_language_of_its_reader(runtime: Runtime, db: Connection) -> None:
    carys = await add_person(db, "R3", email="carys@example.org")
    await db.execute("update person set language = 'cy' where person_id = $1", carys)
    room = await ask(runtime, db, await add_question(db))
    message_id = await room.message_to(carys)
    unclear = await room.says("Roeddwn i yno ddydd Llun", "carys@example.org", "email", message_id=message_id)
    assert unclear.why_open == "unclear", "no attempt at an answer: somebody reads it as well"
    ((address, text),) = await asked_back(room)
    assert address == "carys@example.org"
    assert text == (
        "Mae’n ddrwg gennym, ni allem ddarllen eich ateb. Sut wnaethom ni pan ddaethoch chi atom? Atebwch ag un o’r"
        " rhain: Da, Gweddol, Gwael.\n\nLeeds Council"
    )


async def test_who_is_asked_back_and_does_not_answer_is_listed_and_waits_for_a_person_after_two_hours_awake(
    room: AskedQuestion, ann: int
) -> None:
    await room.says("not sure yet", PHONE, at=NOW.replace(hour=20, minute=30))
    assert (await open_replies(room.db), await count_asked(room.db)) == ([], 1)
    (asked,) = await open_replies(room.db, why="asked_back")
    assert (asked.text, asked.why_open) == ("not sure yet", "asked_back")

    morning = (NOW + timedelta(days=1)).replace(hour=9)  # half an hour of the evening, one and a half of the morning
    await follow_up_asked(room.db, morning.replace(minute=29))
    assert await count_asked(room.db) == 1
    await follow_up_asked(room.db, morning.replace(minute=30))
    assert [reply.why_open for reply in await open_replies(room.db)] == ["unclear"]
    assert await count_asked(room.db) == 0


@pytest.mark.parametrize("by", ["a text", "the page"])
async def test_who_answers_after_being_asked_back_waits_for_nobody(room: AskedQuestion, ann: int, by: str) -> None:
    await room.says("not sure yet", PHONE)
    if by == "a text":
        await room.says("2", PHONE)
    else:
        await answer_link(
            room.db, message_id=await room.message_to(ann), press="answer_fair", confidence=0.95, inbound_id=1, at=NOW
        )
    await follow_up_asked(room.db, NOW + timedelta(days=2))
    assert (await open_replies(room.db), await count_asked(room.db)) == ([], 0)


@pytest.mark.parametrize(
    ("text", "comment"), [("the lift was out again", "the lift was out again"), ("1 or 2", None), ("good?", None)]
)
@pytest.mark.parametrize("by", ["a text", "the page"])
async def test_the_words_that_were_asked_back_are_the_comment_of_the_answer(
    room: AskedQuestion, ann: int, text: str, comment: str | None, by: str
) -> None:
    await room.says(text, PHONE)
    if by == "a text":
        await room.says("2 sadly", PHONE)
        assert await room.answer_of(ann) == ("fair", f"{comment} / sadly" if comment else "sadly")
    else:
        message_id = await room.message_to(ann)
        await answer_link(room.db, message_id=message_id, press="answer_fair", confidence=0.95, inbound_id=1, at=NOW)
        assert await room.answer_of(ann) == ("fair", comment)
    await room.says("3", PHONE)
    assert await room.answer_of(ann) == ("poor", None), "they are used once"


async def test_the_words_that_were_asked_back_are_kept_though_their_author_was_unclear_again(
    room: AskedQuestion, ann: int
) -> None:
    await room.says("the lift was out again", PHONE)
    await room.says("it was on Monday", PHONE)
    await follow_up_asked(room.db, NOW)
    await room.says("2", PHONE)
    assert await room.answer_of(ann) == ("fair", "the lift was out again")


@pytest.mark.parametrize("text", ["undo", "Sorry, I take that back", "please ignore my last text", "camgymeriad"])
async def test_an_answer_is_taken_back_by_a_text_which_is_answered(room: AskedQuestion, ann: int, text: str) -> None:
    await room.says("3 nobody came", PHONE)
    taken = await room.says(text, PHONE)
    assert (taken.reading, await room.answer_of(ann)) == ("take_back", (None, None))
    assert await open_replies(room.db) == []
    asks = "How did we do when you visited us? Reply 1 Good, 2 Fair, 3 Poor."
    assert await asked_back(room) == [(PHONE, f"Leeds Council: We have taken your answer back. {asks}")]


async def test_the_answer_before_counts_again_and_the_sender_reads_so(room: AskedQuestion, ann: int) -> None:
    await room.says("1", PHONE)
    await room.says("3", PHONE)
    await room.says("undo that", PHONE)
    assert await room.answer_of(ann) == ("good", None)
    ((_, said),) = await asked_back(room)
    assert said == "Leeds Council: We have taken that back. Your answer before it counts again: “Good”."


async def test_the_same_answer_twice_is_taken_back_as_one(room: AskedQuestion, ann: int) -> None:
    for text in ("3", "1", "1 thanks", "1 nice staff", "undo"):
        await room.says(text, PHONE)
    assert await room.answer_of(ann) == ("poor", None)
    ((_, said),) = await asked_back(room)
    assert said == "Leeds Council: We have taken that back. Your answer before it counts again: “Poor”."
    assert not await room.db.fetchval("select count(*) from response_comment"), "all words beside it are taken back"
    await room.says("undo", PHONE)
    assert await room.answer_of(ann) == (None, None)


async def test_a_correction_replaces_the_answer(room: AskedQuestion, ann: int) -> None:
    await room.says("3", PHONE)
    await room.says("sorry i meant 1", PHONE)
    assert await room.answer_of(ann) == ("good", None)


async def test_what_may_take_an_answer_back_waits_for_a_person_and_the_sender_reads_so_once(
    room: AskedQuestion, ann: int
) -> None:
    await room.says("1", PHONE)
    maybe = await room.says("I think I pressed the wrong thing there, what now", PHONE)
    assert (maybe.why_open, await room.answer_of(ann)) == ("unclear", ("good", None))
    said = "Leeds Council: Somebody will read your message. Until then your answer “Good” counts."
    assert await asked_back(room) == [(PHONE, said)]
    await room.says("it is all a mistake I tell you", PHONE)
    assert len(await asked_back(room)) == 1


async def test_undo_without_an_answer_is_asked_back(room: AskedQuestion, ann: int) -> None:
    nothing = await room.says("undo", PHONE)
    assert (nothing.reading, nothing.why_open) == ("unclear", None)
    ((_, said),) = await asked_back(room)
    assert said.startswith("Leeds Council: There is no answer of yours to take back. How did we do")
    await room.says("2", PHONE)
    assert await room.answer_of(ann) == ("fair", None), "undo is no comment"


@pytest.mark.parametrize(
    ("text", "comment"),
    [("7", None), ("7 nobody came", "nobody came"), ("sorry i meant 8", None), ("it was grim", "it was grim")],
)
async def test_staff_who_read_a_digit_make_no_comment_of_it(
    room: AskedQuestion, ann: int, text: str, comment: str | None
) -> None:
    unclear = await room.says(text, PHONE)
    assert unclear.reply_id is not None
    await read_by_staff(room.db, unclear.reply_id, reading="poor", actor=operator("olga"), at=NOW)
    assert await room.answer_of(ann) == ("poor", comment)


@pytest.mark.parametrize("text", ["1 please don't contact me about STOP signs", ""])
async def test_a_possible_opt_out_or_an_empty_reply_is_not_asked_back(room: AskedQuestion, ann: int, text: str) -> None:
    await room.says(text, PHONE, media=0 if text else 1)
    assert await asked_back(room) == []


async def test_nobody_is_asked_back_when_the_question_is_closed(room: AskedQuestion, ann: int) -> None:
    await room.db.execute("update question set closes_at = $1", NOW)
    late = await room.says("on Monday", PHONE)
    assert (late.why_open, await asked_back(room)) == ("unclear", [])
