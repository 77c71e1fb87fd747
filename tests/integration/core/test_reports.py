"""The login of reports reads three views of totals, and learns from them about no single person."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from core.db import Connection
from core.db.logins import Login, address_as
from tests.support.electorate import add_ballot, add_unit
from tests.support.outbox_rows import add_messages, add_step
from tests.support.questions import add_question

VIEWS = {"report_answers", "report_messages", "report_turnout"}
SMALLEST = 10
"""Fewest people of a unit whose figures are shown."""


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(address_as(database_url, Login.REPORTS))
    yield connection
    await connection.close()


async def test_reports_read_the_views_and_nothing_else(db: Connection) -> None:
    readable = await db.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')"
        " and has_any_column_privilege($1, oid, 'select, insert, update, references')", Login.REPORTS,
    )  # fmt: skip
    own = {row["relname"] for row in readable if not row["relname"].startswith("pg_")}
    assert own == VIEWS


async def test_turnout_adds_up_and_small_units_are_left_out(db: Connection, reports: asyncpg.Connection) -> None:
    ballot = await add_ballot(db)
    region = await add_unit(db, "North", "region")
    large, small = [await add_unit(db, name, "branch", region) for name in ("Leeds", "Whitby")]
    await db.executemany(
        "insert into count_change (ballot_id, unit_id, measure, n) values ($1, $2, $3, $4)",
        [
            (ballot, large, "electorate", SMALLEST), (ballot, large, "voted", 4),
            (ballot, small, "electorate", SMALLEST - 1), (ballot, small, "voted", 3),
            (ballot, None, "electorate", 1), (ballot, None, "voted", 1),
        ],
    )  # fmt: skip
    rows = await reports.fetch("select unit, n from report_turnout where measure = 'voted'")
    assert {row["unit"]: row["n"] for row in rows} == {None: 8, "North": 7, "North / Leeds": 4}


async def test_answers_of_few_people_are_left_out(db: Connection, reports: asyncpg.Connection) -> None:
    question = await add_question(db)
    large, small = [await add_unit(db, name) for name in ("Leeds", "Whitby")]
    first, second = await db.fetch(
        "select name, label from question_answer where question_id = $1 order by position limit 2", question.question_id
    )
    await db.executemany(
        "insert into response_count (question_id, unit_id, answer, n) values ($1, $2, $3, $4)",
        [
            (question.question_id, large, first["name"], SMALLEST - 2),
            (question.question_id, large, second["name"], 2),
            (question.question_id, small, first["name"], SMALLEST - 1),
        ],
    )
    rows = await reports.fetch("select unit, answer, n from report_answers")
    assert {(row["unit"], row["answer"]): row["n"] for row in rows} == {
        (None, first["label"]): 2 * SMALLEST - 3,
        (None, second["label"]): 2,
        ("Leeds", first["label"]): SMALLEST - 2,
        ("Leeds", second["label"]): 2,
    }


async def test_messages_are_counted_by_step_and_state(db: Connection, reports: asyncpg.Connection) -> None:
    step = await add_step(db)
    await db.execute(
        "insert into campaign (campaign_id, name, title, subject_kind, subject_id, audience, spec, created_by)"
        " overriding system value values ($1, 'pay', 'Pay', 'ballot', $2, '{}', '{}', 'ada')",
        step.campaign_id, await add_ballot(db),
    )  # fmt: skip
    await add_messages(db, step, "email", ["a@x.test", "b@x.test"])
    await db.execute(
        "insert into step_total values ($1, 'email', 'queued', null, false, 3, 0, 0),"
        " ($1, 'email', 'accepted', null, true, 1, 0, 0)",
        step.step_id,
    )
    rows = await reports.fetch("select channel, state, n from report_messages")
    assert {(row["channel"], row["state"]): row["n"] for row in rows} == {
        ("email", "queued"): 5,
        ("email", "accepted"): 1,
    }
