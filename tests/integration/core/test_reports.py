"""The login of reports reads three views of totals, and learns from them about no single person."""

from __future__ import annotations

import random
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
SMALLEST_FIGURE = 5
"""Smallest of these figures."""


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
    # a condition of the reader's is asked after the view's own: its errors tell of no row that is left out
    barred = (
        "select array_agg(relname::text) from pg_class where reloptions @> '{security_barrier=true}'"
        " and relnamespace = 'public'::regnamespace"
    )
    assert set(await db.fetchval(barred)) == VIEWS


async def turn_out(db: Connection, ballot: int, figures: list[tuple[int | None, int, int]]) -> None:
    """Say how many may vote in a unit, and how many have."""
    await db.executemany(
        "insert into count_change (ballot_id, unit_id, measure, n) values ($1, $2, $3, $4)",
        [
            (ballot, unit, measure, n)
            for unit, electorate, voted in figures
            for measure, n in (("electorate", electorate), ("voted", voted))
        ],
    )


async def test_turnout_adds_up_and_small_units_are_left_out(db: Connection, reports: asyncpg.Connection) -> None:
    ballot = await add_ballot(db)
    region = await add_unit(db, "North", "region")
    leeds, york, hull, whitby, hornsea = [
        await add_unit(db, name, "branch", region) for name in ("Leeds", "York", "Hull", "Whitby", "Hornsea")
    ]
    figures: list[tuple[int | None, int, int]] = [
        (leeds, 40, 20), (york, 30, 4), (hull, 20, 6),
        (whitby, SMALLEST - 1, 5), (hornsea, SMALLEST - 1, 3), (None, 10, 9),
    ]  # fmt: skip
    await turn_out(db, ballot, figures)
    rows = await reports.fetch("select unit, n from report_turnout where measure = 'electorate'")
    assert {row["unit"]: row["n"] for row in rows} == {
        None: 118, "North": 108, "North / Leeds": 40, "North / York": 30, "North / Hull": 20,
    }  # fmt: skip
    rows = await reports.fetch("select unit, n from report_turnout where measure = 'voted'")
    # York's figure is small, and what is left of North without Leeds and Hull is 12
    assert {row["unit"]: row["n"] for row in rows} == {None: 47, "North": 38, "North / Leeds": 20, "North / Hull": 6}


async def test_nothing_small_is_the_rest_of_what_is_shown(db: Connection, reports: asyncpg.Connection) -> None:
    ballot = await add_ballot(db)
    north, south = [await add_unit(db, name, "region") for name in ("North", "South")]
    leeds, york, whitby = [await add_unit(db, name, "branch", north) for name in ("Leeds", "York", "Whitby")]
    await turn_out(db, ballot, [(leeds, 40, 20), (york, 30, 10), (whitby, 3, 3), (south, 50, 9), (None, 1, 1)])
    rows = await reports.fetch("select unit, n from report_turnout where measure = 'electorate'")
    # York goes with Whitby, or North without Leeds and York were Whitby; South with the one whose unit is not known
    assert {row["unit"]: row["n"] for row in rows} == {None: 124, "North": 73, "North / Leeds": 40}
    rows = await reports.fetch("select unit, n from report_turnout where measure = 'voted'")
    assert {row["unit"]: row["n"] for row in rows} == {None: 43, "North": 33, "North / Leeds": 20}


@pytest.mark.parametrize("seed", range(12))
async def test_no_figure_of_few_can_be_worked_out(db: Connection, reports: asyncpg.Connection, seed: int) -> None:
    """Whatever the tree: a unit's figure without those shown below it is nothing, or of enough people."""
    dice = random.Random(seed)
    ballot, question = await add_ballot(db), await add_question(db)
    options = await db.fetch("select name from question_answer where question_id = $1", question.question_id)
    units: list[int | None] = [None]
    for n in range(14):
        units.append(await add_unit(db, f"unit {n}", f"level {n}", dice.choice(units)))
    size = [0, 1, 4, 9, 12, 30]
    for unit in units:
        electorate = dice.choice(size)
        await turn_out(db, ballot, [(unit, electorate, dice.randint(0, electorate))])
        for option in options:
            await db.execute(
                "insert into response_count (question_id, unit_id, answer, n) values ($1, $2, $3, $4)",
                question.question_id, unit, option["name"], dice.choice(size),
            )  # fmt: skip
    for view, what in (("report_turnout", "measure"), ("report_answers", "answer")):
        shown: dict[str, dict[str, int]] = {}
        for row in await reports.fetch(f"select unit, {what} as what, n from {view}"):
            shown.setdefault(row["what"], {})[row["unit"] or ""] = row["n"]
        for name, by_unit in shown.items():
            least = SMALLEST if name == "electorate" else SMALLEST_FIGURE
            for path, total in by_unit.items():
                below = [n for other, n in by_unit.items() if other and other.rpartition(" / ")[0] == path]
                assert not path or path.rpartition(" / ")[0] in by_unit, "what is above it is shown, too"
                assert not path or total >= least
                assert total - sum(below) == 0 or total - sum(below) >= least or not below, (view, name, path)


async def test_answers_of_few_people_are_left_out(db: Connection, reports: asyncpg.Connection) -> None:
    question = await add_question(db)
    large, small, other = [await add_unit(db, name) for name in ("Leeds", "Whitby", "Hornsea")]
    first, second = await db.fetch(
        "select name, label from question_answer where question_id = $1 order by position limit 2", question.question_id
    )
    await db.executemany(
        "insert into response_count (question_id, unit_id, answer, n) values ($1, $2, $3, $4)",
        [
            (question.question_id, large, first["name"], SMALLEST - 2),
            (question.question_id, large, second["name"], 2),
            (question.question_id, small, first["name"], SMALLEST - 1),
            (question.question_id, other, second["name"], SMALLEST - 1),
        ],
    )
    rows = await reports.fetch("select unit, answer, n from report_answers")
    assert {(row["unit"], row["answer"]): row["n"] for row in rows} == {
        (None, first["label"]): 2 * SMALLEST - 3,
        (None, second["label"]): SMALLEST + 1,
        ("Leeds", first["label"]): SMALLEST - 2,
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
