"""Two people with one phone, both asked: no reply counts for either until somebody says whose it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from campaigns.date_changes import follow_dates
from campaigns.replies.presses import answer_link
from campaigns.replies.reply_inbox import open_replies, read_by_staff, reply_thread
from console import attention
from core.db import Connection
from core.runtime import Runtime
from messaging.suppression import active_suppressions
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, add_person
from tests.support.questions import AskedQuestion, add_question, ask

PHONE, MAILBOX = "+447400900001", "home@example.org"
AFTER = {"template": "feedback-request", "channels": ["sms"], "when": {"after": "1 hour", "of": "appointment_at"}}


@pytest.fixture
async def ann(db: Connection) -> int:
    return await add_person(db, "P1", sms=PHONE, first_name="Ann", appointment_at="2026-11-22 11:30")


@pytest.fixture
async def kit(db: Connection) -> int:
    return await add_person(db, "P2", sms=PHONE, first_name="Kit", appointment_at="2026-11-22 12:00")


@pytest.fixture
async def room(runtime: Runtime, db: Connection, ann: int, kit: int) -> AskedQuestion:
    room = await ask(runtime, db, await add_question(db), steps=[AFTER])
    assert await db.fetchval("select count(*) from message where state = 'delivered' and address = $1", PHONE) == 2
    return room


@pytest.mark.parametrize("text", ["1", "3 waited two hours", "Very good, thanks", "3B", "1 Kit", "Kit: 3", "7", "undo"])
async def test_no_reply_counts_for_either_and_staff_see_both_names(
    room: AskedQuestion, ann: int, kit: int, text: str
) -> None:
    answered = await room.says(text, PHONE)
    assert [await room.answer_of(person) for person in (ann, kit)] == [(None, None)] * 2
    assert await room.db.fetchval("select count(*) from goal_met") == 0
    assert answered.why_open == "shared_address"
    [reply] = await open_replies(room.db)
    assert (reply.person_id, reply.holders, reply.holder_names) == (None, ("P1", "P2"), ("Ann Lee", "Kit Lee"))
    assert (await attention.find_waiting_replies(room.db)).shown[0].who == "Ann L. or Kit L., who share this address"


async def test_it_counts_for_whom_staff_name_and_for_nobody_else(room: AskedQuestion, ann: int, kit: int) -> None:
    answered = await room.says("3 waited two hours", PHONE)
    assert answered.reply_id is not None
    await read_by_staff(room.db, answered.reply_id, reading="poor", actor=operator("eve"), at=NOW, person_id=kit)
    assert [(await room.answer_of(person))[0] for person in (ann, kit)] == [None, "poor"]
    assert (await reply_thread(room.db, answered.reply_id)).state == "closed"


async def test_what_one_of_them_answered_is_taken_back_and_corrected_by_no_text(
    room: AskedQuestion, ann: int, kit: int
) -> None:
    for person, press in ((ann, "answer_good"), (kit, "answer_poor")):
        said_by = await room.message_to(person)
        async with room.db.transaction():
            await answer_link(room.db, message_id=said_by, press=press, confidence=0.95, inbound_id=said_by, at=NOW)
    for text in ("undo", "sorry, I meant 2", "2"):
        assert (await room.says(text, PHONE)).why_open == "shared_address"
    assert [(await room.answer_of(person))[0] for person in (ann, kit)] == ["good", "poor"]


async def test_stop_stops_the_phone_for_both_and_its_digit_counts_for_nobody(
    room: AskedQuestion, ann: int, kit: int
) -> None:
    await room.says("1 STOP", PHONE)
    assert [suppression.reason for suppression in await active_suppressions(room.db, channel="sms", address=PHONE)] == [
        "opted_out"
    ]
    assert [await room.answer_of(person) for person in (ann, kit)] == [(None, None)] * 2


async def test_two_questions_with_letters_at_one_phone_tell_no_people_apart(
    runtime: Runtime, db: Connection, ann: int, kit: int
) -> None:
    first = await ask(runtime, db, await add_question(db), audience={"members": ["P1"]})
    second = await ask(runtime, db, await add_question(db, name="stay"), name="other", audience={"members": ["P2"]})
    assert "1B" in await second.text_to(kit)
    for text in ("1A", "1B", "1"):
        assert (await first.says(text, PHONE)).why_open == "shared_address"
    assert (await first.answer_of(ann), await second.answer_of(kit)) == ((None, None), (None, None))


async def test_a_phone_that_was_passed_on_answers_for_nobody_who_had_it(
    room: AskedQuestion, ann: int, kit: int
) -> None:
    await room.db.execute("delete from address")
    await add_person(room.db, "P3", sms=PHONE, first_name="Lee")
    assert (await room.says("1", PHONE)).why_open == "shared_address"
    assert [await room.answer_of(person) for person in (ann, kit)] == [(None, None)] * 2


@pytest.mark.parametrize("named", ["P1", "P2"])
async def test_an_answer_by_staff_is_about_the_date_of_whom_they_name(
    runtime: Runtime, db: Connection, ann: int, kit: int, named: str
) -> None:
    dates = {"P1": "2026-11-23 11:00", "P2": "2026-11-23 12:00"}
    for number, date in dates.items():
        await move(db, number, date)
    room = await ask(
        runtime, db, await add_question(db), steps=[{**AFTER, "when": {"before": "1 day", "of": "appointment_at"}}]
    )
    answered = await room.says("1", PHONE)
    assert answered.reply_id is not None
    whose = {"P1": ann, "P2": kit}[named]
    await read_by_staff(db, answered.reply_id, reading="good", actor=operator("eve"), at=NOW, person_id=whose)
    assert (await room.answer_of(whose))[0] == "good"
    answers = []
    for hours, date in enumerate(["2026-11-23 15:00", dates[named]], 2):
        await move(db, named, date)
        await follow_dates(replace(room.runtime, clock=FixedClock(NOW + timedelta(hours=hours))))
        answers.append((await room.answer_of(whose))[0])
    assert answers == [None, "good"], "it is about the date that they were told"


async def move(db: Connection, number: str, date: str) -> None:
    await db.execute(
        "update person set attributes = jsonb_build_object('appointment_at', $2::text) where external_id = $1",
        number, date,
    )  # fmt: skip
