"""Replies to a question become responses; what is unclear, low or an opt-out goes where it belongs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.replies.answer_history import answers_by
from campaigns.replies.presses import answer_link
from campaigns.replies.reclassify import reclassify
from campaigns.replies.reply_inbox import count_asked, follow_up_asked, open_replies, read_by_staff, reply_thread
from core.db import Connection
from core.errors import Conflict, InputError, SpecError
from core.runtime import Runtime
from messaging.suppression import active_suppressions
from muster.operator import operator
from services.questions.counts import answer_counts
from tests.support.electorate import NOW, add_ballot, add_person, add_unit
from tests.support.questions import AskedQuestion, add_question, ask

PHONE = "+447400900001"


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
    assert [one.reason for one in await active_suppressions(room.db, channel="sms", address=PHONE)] == ["opted_out"]
    assert [one.text for one in await open_replies(room.db)] == ["CANCEL"]


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


async def asked_back(room: AskedQuestion) -> list[tuple[str, str]]:
    """Where we asked back, and in which words."""
    rows = await room.db.fetch(
        "select address, content ->> 'text' as text from message join transactional using (message_id)"
        " order by message_id"
    )
    return [(row["address"], row["text"]) for row in rows]


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
    assert await room.answer_of(ann) == ("fair", None)


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
    assert [one.why_open for one in await open_replies(room.db)] == ["unclear"]
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


# ---- taken back and corrected


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
    assert (nothing.reading, nothing.why_open, len(await asked_back(room))) == ("unclear", None, 1)


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


# ---- two questions open to one phone


@pytest.fixture
async def second(room: AskedQuestion) -> AskedQuestion:
    """Another question, asked of everybody who was asked the first."""
    return await ask(room.runtime, room.db, await add_question(room.db, name="phone", title="your call"), name="calls")


async def test_the_second_question_to_a_phone_offers_its_letter(
    room: AskedQuestion, ann: int, second: AskedQuestion
) -> None:
    assert (room.question.letter, second.question.letter) == ("A", "B")
    assert "Reply 1 good, 2 fair, 3 poor" in await room.text_to(ann)
    assert "Reply 1B good, 2B fair, 3B poor" in await second.text_to(ann)


async def test_a_phone_with_one_open_question_gets_no_letter(
    runtime: Runtime, db: Connection, room: AskedQuestion
) -> None:
    await room.says("1", PHONE)
    bob = await add_person(db, "R2", sms="+447400900002")
    second = await ask(runtime, db, await add_question(db, name="phone", title="your call"), name="calls")
    ann = await db.fetchval("select person_id from person where external_id = 'R1'")
    for person in (ann, bob):
        assert "Reply 1 good, 2 fair" in await second.text_to(person), "the other one is answered, or was not asked"


@pytest.mark.parametrize(
    ("text", "first", "other"), [("1a", "good", None), ("3B late", None, "poor"), ("B 2", None, None)]
)
async def test_a_letter_says_which_question_is_answered(
    room: AskedQuestion, ann: int, second: AskedQuestion, text: str, first: str | None, other: str | None
) -> None:
    await second.says(text, PHONE)
    assert ((await room.answer_of(ann))[0], (await second.answer_of(ann))[0]) == (first, other)


async def test_a_digit_alone_that_could_answer_two_counts_for_neither(
    room: AskedQuestion, ann: int, second: AskedQuestion
) -> None:
    answered = await second.says("1", PHONE)
    assert (answered.reading, answered.answer_id) == ("unclear", None)
    assert await room.db.fetchval("select rule from reply") == "which_message"
    both = "About your call: 1B Good, 2B Fair, 3B Poor. About your visit: 1A Good, 2A Fair, 3A Poor."
    text = f"Leeds Council: Sorry, we do not know what your answer is about. {both}"
    assert await asked_back(room) == [(PHONE, text)]
    stop = await second.says("STOP 1", PHONE)
    assert stop.reading == "opt_out"
    assert [await one.answer_of(ann) for one in (room, second)] == [(None, None), (None, None)]


async def test_once_one_is_answered_a_digit_alone_answers_the_other(
    room: AskedQuestion, ann: int, second: AskedQuestion
) -> None:
    await second.says("3B", PHONE)
    await second.says("1", PHONE)
    assert [(await one.answer_of(ann))[0] for one in (room, second)] == ["good", "poor"]
    await second.says("2", PHONE)
    assert [(await one.answer_of(ann))[0] for one in (room, second)] == ["good", "fair"], "the latest, once both are"


async def test_words_that_fit_one_question_answer_that(
    runtime: Runtime, db: Connection, room: AskedQuestion, ann: int
) -> None:
    answers = [
        {"name": "will_attend", "label": "I will come", "digit": 1},
        {"name": "change_appointment", "label": "Another day", "digit": 2, "low": True},
    ]
    await db.execute("insert into attribute (name, label) values ('appointment_at', 'x'), ('place', 'y')")
    other = await add_question(db, name="next", title="your next visit", answers=answers, translations={})
    second = await ask(runtime, db, other, name="next", template="appointment-reminder")
    assert "Reply 1B if you will come, 2B to change it" in await second.text_to(ann)
    await second.says("good", PHONE)
    await second.says("another day please", PHONE)
    assert [(await one.answer_of(ann))[0] for one in (room, second)] == ["good", "change_appointment"]


async def test_a_ballot_beside_a_question_is_not_answered_by_chance(
    runtime: Runtime, db: Connection, room: AskedQuestion, ann: int
) -> None:
    ballot_id = await add_ballot(db, "pay")
    await db.execute("insert into elector (ballot_id, person_id) values ($1, $2)", ballot_id, ann)
    await ask(runtime, db, room.question, name="nudges", about={"ballot": "pay"}, template="ballot-reminder")
    answered = await room.says("1", PHONE)
    assert (answered.reading, answered.answer_id, answered.why_open) == ("unclear", None, "unclear")
    assert await asked_back(room) == []
    assert (await room.says("1A", PHONE)).reading == "good"
    assert (await room.says("1", PHONE)).reading == "voted", "the question is answered"


# ---- what a campaign refuses


async def test_a_menu_that_the_question_does_not_know_is_refused(runtime: Runtime, db: Connection, ann: int) -> None:
    answers = [{"name": "fine", "label": "Fine", "digit": 1}, {"name": "poor", "label": "Poor", "digit": 3}]
    question = await add_question(db, answers=answers, translations={})
    with pytest.raises(SpecError) as error:
        await ask(runtime, db, question)
    assert (
        "campaign.steps[1].template: the template feedback-request offers 1 for good, which is no answer to visit;"
        " it has fine, poor"
    ) in error.value.problems


async def test_words_that_every_reply_reads_otherwise_are_refused(runtime: Runtime, db: Connection, ann: int) -> None:
    answers = [
        {"name": "more", "label": "More visits", "digit": 1, "words": ["call me"]},
        {"name": "fewer", "label": "Please stop", "digit": 2},
    ]
    question = await add_question(db, answers=answers, translations={})
    with pytest.raises(SpecError) as error:
        await ask(runtime, db, question)
    assert error.value.problems == (
        "question.answers: “call me” (more) is read as call me in every reply; choose other words",
        "question.answers: “please stop” (fewer) is read as opt out in every reply; choose other words",
    )


async def test_a_digit_with_another_meaning_is_refused(runtime: Runtime, db: Connection, ann: int) -> None:
    answers = [
        {"name": "poor", "label": "Poor", "digit": 1}, {"name": "fair", "label": "Fair", "digit": 2},
        {"name": "good", "label": "Good", "digit": 3},
    ]  # fmt: skip
    question = await add_question(db, answers=answers, translations={})
    with pytest.raises(SpecError) as error:
        await ask(runtime, db, question)
    assert any("offers 1 for good, and in visit 1 is poor" in line for line in error.value.problems)


async def test_an_audience_by_answers(runtime: Runtime, db: Connection, room: AskedQuestion, ann: int) -> None:
    await add_person(db, "R2", sms="+447400900002")
    await room.says("3", PHONE)
    with pytest.raises(SpecError) as error:
        await ask(runtime, db, room.question, name="x", audience={"answered": ["voted"]})
    assert any("'voted' is no answer to visit, which has good, fair, poor" in line for line in error.value.problems)
    others = await ask(runtime, db, room.question, name="others", audience={"not": {"answered": ["poor"]}})
    numbers = await db.fetch(
        "select external_id from message join person using (person_id) where campaign_id = $1", others.campaign_id
    )
    assert [row["external_id"] for row in numbers] == ["R2"]
