"""A question that closes later: answers count, links live and messages leave until then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from campaigns.extension import extend_subject
from core.db import Connection
from core.errors import Conflict, NotFound
from core.runtime import Runtime
from core.settings import Settings
from muster.operator import operator
from services.questions.questions import get_question
from tests.support.clocks import FixedClock
from tests.support.command import run_commands
from tests.support.electorate import NOW, add_person
from tests.support.inbound_rows import look, serve
from tests.support.questions import add_question, ask
from tests.support.rows import row_of

PHONE = "+447400900001"
LATER = NOW + timedelta(days=30)


async def test_everything_that_ended_with_the_close_ends_later(runtime: Runtime, db: Connection) -> None:
    ann = await add_person(db, "R1", sms=PHONE)
    question = await add_question(db)
    own = {"template": "feedback-request", "channels": ["sms"], "send_before": "2026-12-01", "when": {"after": "1 day"}}
    again: dict[str, Any] = {"template": "feedback-request", "channels": ["sms"], "when": {"after": "2 days"}}
    room = await ask(runtime, db, question, steps=[{"template": "feedback-request", "channels": ["sms"]}, own, again])
    link = await room.link_to(ann)
    before = await db.fetch("select * from step order by position")

    done = await extend_subject(db, runtime.settings, "question", "visit", LATER, actor=operator("olga"), now=NOW)
    assert (done.closed, done.subject.closes_at) == (question.closes_at, LATER)
    assert (done.deadlines, done.renewed, done.started) == (2, 2, 1)
    first, with_deadline, last = await db.fetch("select * from step order by position")
    assert (first["send_before"], last["send_before"]) == (LATER, LATER)
    assert with_deadline["send_before"] == before[1]["send_before"]
    assert first["constants"] == before[0]["constants"], "what has gone out stays as it was said"
    for step in (with_deadline, last):
        assert step["constants"]["question"]["closes"] == done.subject.local(LATER) != ""
    noted = await row_of(db, "select actor, subject, detail from audit_shown where action = 'subject.extended'")
    assert (noted["actor"], noted["subject"]) == ("olga", "question visit")
    assert noted["detail"] == {"from": question.closes_at.isoformat(), "to": LATER.isoformat()}

    after = question.closes_at + timedelta(days=1)
    assert (await room.says("1", PHONE, at=after)).why_open is None
    assert (await room.answer_of(ann))[0] == "good"
    for now, shown in (
        (after, "You have answered “Good”."),
        (LATER + timedelta(days=59), "The time to answer is over."),
    ):
        async with serve(replace(runtime, clock=FixedClock(now))) as client:
            assert shown in (await look(client, link)).words, "links live for 60 days after the close"


async def test_only_an_open_question_is_extended_and_never_shortened(runtime: Runtime, db: Connection) -> None:
    question = await add_question(db)
    with pytest.raises(Conflict, match="which is not earlier"):
        await extend_subject(
            db, runtime.settings, "question", "visit", question.closes_at, actor=operator("olga"), now=NOW
        )
    with pytest.raises(Conflict, match="closed Monday 7 December") as error:
        await extend_subject(
            db, runtime.settings, "question", "visit", LATER, actor=operator("olga"), now=question.closes_at
        )
    assert "another name" in (error.value.remedy or "")
    with pytest.raises(NotFound):
        await extend_subject(db, runtime.settings, "question", "visits", LATER, actor=operator("olga"), now=NOW)
    assert (await get_question(db, "visit")).closes_at == question.closes_at


async def test_the_command_takes_a_day_or_a_local_time(settings: Settings, db: Connection) -> None:
    await add_question(db, closes="2126-12-07T12:00:00")
    day, time, wrong, back = run_commands(
        settings, "question extend visit --closes 2126-12-09 --json", "question extend visit --closes 2126-12-24T12:00",
        "question extend visit --closes soon", "question extend visit --closes 2126-12-08",
    )  # fmt: skip
    assert day.json()["closes"] == "2126-12-09T23:59:59+00:00"
    assert "visit closes Tuesday 24 December" in time.out
    assert (wrong.code, "write a date such as" in wrong.err) == (2, True)
    assert (back.code, "which is not earlier" in back.err) == (1, True)
