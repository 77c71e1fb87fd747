"""Two questions that are open to one phone, and what no question may offer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.campaigns import create_campaign
from campaigns.launch_plan import StepPlan
from campaigns.preview import plan_launch
from campaigns.replies.reply_inbox import count_asked, follow_up_asked, open_replies
from campaigns.replies.staff_replies import MailThread, send_staff_reply
from campaigns.spec import CampaignSpec
from core.db import Connection
from core.errors import SpecError
from core.runtime import Runtime
from muster.operator import operator
from tests.support.electorate import NOW, add_ballot, add_person, add_unit, at_noon
from tests.support.question_replies import PHONE, asked_back
from tests.support.questions import AskedQuestion, add_question, ask


@pytest.fixture
async def ann(db: Connection) -> int:
    return await add_person(db, "R1", unit=await add_unit(db, "Leeds"), sms=PHONE, email="ann@example.org")


@pytest.fixture
async def room(runtime: Runtime, db: Connection, ann: int) -> AskedQuestion:
    return await ask(runtime, db, await add_question(db))


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


async def test_the_plan_shows_and_counts_the_letter_that_is_sent(
    runtime: Runtime, db: Connection, room: AskedQuestion
) -> None:
    await room.says("1", PHONE)
    await add_person(db, "R2", sms="+447400900002")
    organisation = "Leeds Council"
    for name in ("short", "long"):
        question = await add_question(db, name=name, title="your call", organisation=organisation)
        given = {
            "name": name, "title": "Calls", "about": {"question": name}, "audience": {"members": ["R2"]},
            "steps": [{"template": "feedback-request", "channels": ["sms"]}], "quiet_hours": "none",
        }  # fmt: skip
        campaign = await create_campaign(at_noon(runtime), CampaignSpec.model_validate(given), operator("olga"))

        async def planned(campaign_id: int = campaign.campaign_id) -> StepPlan:
            plan = await plan_launch(db, campaign_id, public_url="https://m.test", now=NOW)
            return plan.steps[0]

        before = await planned()
        assert "Reply 1 good, 2 fair" in before.examples[0].text
        assert before.segments == 1
        organisation += "x" * (160 - len(before.examples[0].text))
    assert len(before.examples[0].text) == 160
    await ask(runtime, db, room.question, name="others", audience={"members": ["R2"]})
    after = await planned()
    assert f"Reply 1{question.letter} good, 2{question.letter} fair" in after.examples[0].text
    assert after.segments == 2, "as many as are sent"


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
    assert [await asked_in.answer_of(ann) for asked_in in (room, second)] == [(None, None), (None, None)]


async def test_once_one_is_answered_a_digit_alone_answers_the_other(
    room: AskedQuestion, ann: int, second: AskedQuestion
) -> None:
    await second.says("3B", PHONE)
    await second.says("1", PHONE)
    assert [(await asked_in.answer_of(ann))[0] for asked_in in (room, second)] == ["good", "poor"]
    await second.says("2", PHONE)
    assert [(await asked_in.answer_of(ann))[0] for asked_in in (room, second)] == ["good", "fair"], (
        "the latest, once both are"
    )


@pytest.mark.parametrize("text", ["undo", "sorry, I take that back"])
async def test_undo_takes_back_the_only_answer_whichever_text_came_last(
    room: AskedQuestion, ann: int, second: AskedQuestion, text: str
) -> None:
    await room.says("3A waited", PHONE)
    taken = await room.says(text, PHONE)
    assert (taken.reading, await room.answer_of(ann)) == ("take_back", (None, None))
    ((_, said),) = await asked_back(room)
    assert said.startswith("Leeds Council: We have taken your answer back. How did we do when you visited us?")


async def test_undo_reaches_the_answer_behind_a_notice(room: AskedQuestion, ann: int, second: AskedQuestion) -> None:
    await room.says("1A", PHONE)
    await room.db.execute(
        "with bins as ("
        "  insert into notice (name, title, time_zone) values ('bins', 'Bin days', 'Europe/London') returning notice_id"
        ") update campaign set subject_kind = 'notice', subject_id = notice_id from bins where campaign_id = $1",
        second.campaign_id,
    )
    taken = await room.says("undo", PHONE)
    assert (taken.reading, await room.answer_of(ann)) == ("take_back", (None, None))


async def test_where_two_answers_could_be_meant_the_letter_says_which(
    room: AskedQuestion, ann: int, second: AskedQuestion
) -> None:
    await room.says("1A", PHONE)
    await room.says("3B", PHONE)
    unclear = await room.says("undo", PHONE)
    assert (unclear.reading, unclear.why_open) == ("unclear", None)
    which = "About your call: reply UNDO B. About your visit: reply UNDO A."
    assert await asked_back(room) == [
        (PHONE, f"Leeds Council: Sorry, we do not know which of your answers you take back. {which}")
    ]
    await follow_up_asked(room.db, NOW)
    assert await count_asked(room.db) == 1, "that they have answered is no answer to this"
    assert (await room.says("Undo C", PHONE)).reading == "unclear"
    assert [(await asked_in.answer_of(ann))[0] for asked_in in (room, second)] == ["good", "poor"]
    assert (await room.says("Undo A", PHONE)).reading == "take_back"
    assert [(await asked_in.answer_of(ann))[0] for asked_in in (room, second)] == [None, "poor"]


@pytest.mark.parametrize(("text", "answer"), [("1B thanks", "good"), ("sorry, I meant 2b", "fair"), ("1", None)])
async def test_after_an_answer_by_hand_a_digit_counts_with_its_letter_only(
    room: AskedQuestion, ann: int, second: AskedQuestion, text: str, answer: str | None
) -> None:
    first = await room.says("what do you mean?", PHONE)
    assert first.reply_id is not None
    by_hand = await send_staff_reply(
        room.db, room.runtime.settings, first.reply_id, "We meant your call.",
        thread=MailThread(), actor=operator("olga"), at=NOW - timedelta(minutes=2),
    )  # fmt: skip
    await room.db.execute(
        "update message set state = 'delivered', sent_at = $2, wire_at = $2 where message_id = $1",
        by_hand.message_id, NOW - timedelta(minutes=1),
    )  # fmt: skip
    said = await room.says(text, PHONE)
    assert ((await room.answer_of(ann))[0], (await second.answer_of(ann))[0]) == (None, answer)
    assert said.reading == (answer or "unclear")


async def test_the_words_of_a_reply_that_was_asked_back_belong_to_the_answer(
    room: AskedQuestion, ann: int, second: AskedQuestion
) -> None:
    await second.says("3 waited two hours", PHONE)
    await second.says("3a", PHONE)
    assert await room.answer_of(ann) == ("poor", "waited two hours")
    (low,) = await open_replies(room.db)
    assert (low.text, low.note) == ("3a", "Before, they wrote: “waited two hours”")
    await second.says("1b", PHONE)
    assert await second.answer_of(ann) == ("good", None), "they are used once"


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
    assert [(await asked_in.answer_of(ann))[0] for asked_in in (room, second)] == ["good", "change_appointment"]


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
        {"name": "fewer", "label": "Remove me", "digit": 2},
    ]
    question = await add_question(db, answers=answers, translations={})
    with pytest.raises(SpecError) as error:
        await ask(runtime, db, question)
    assert error.value.problems == (
        "question.answers: “call me” (more) is read as call me in every reply; choose other words",
        "question.answers: “remove me” (fewer) is read as opt out in every reply; choose other words",
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
