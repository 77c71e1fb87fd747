"""Counts of present answers by campaign and unit: running sums of count changes, so each answer costs the same.

Every change of a person's answer adds `-1` to one sum and `+1` to another (`response_count`); a reader adds up a few
hundred rows and passes each sum to the units above. `compact_answers` keeps the rows few, `find_answer_differences`
compares them with the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from core.db import Connection, load_queries
from services.questions.questions import Question

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class UnitAnswers:
    """Answers of the people of one unit and everything below it.

    Attributes:
        unit_id: its id; None for the row of people who have no unit of the requested kind.
        name: the unit's own name; empty in that row.
        path: the names from the top down, `North / Leeds`.
        answers: how many gave each answer, in the question's order.
    """

    unit_id: int | None
    name: str
    path: str
    answers: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return how many people answered."""
        return sum(self.answers.values())


@dataclass(frozen=True, slots=True)
class CountDifference:
    """Difference between a running sum and a full recount.

    Attributes:
        campaign_id: the campaign, None if an answer came outside of any.
        unit_id: the unit, None if none is known.
        answer: its name.
        summed: the running sum.
        counted: the recount.
    """

    campaign_id: int | None
    unit_id: int | None
    answer: str
    summed: int
    counted: int


async def answer_counts(db: Connection, question: Question, campaign_id: int | None = None) -> dict[str, int]:
    """Count the people who gave each answer, in the question's order, 0 if nobody did.

    Args:
        db: a connection.
        question: the question.
        campaign_id: only answers to this campaign's messages; None for all.
    """
    rows = await db.fetch(SQL["sum_question"], question.question_id, campaign_id)
    return _complete(question, {row["answer"]: row["n"] for row in rows})


async def unit_answers(
    db: Connection, question: Question, kind: str | None, campaign_id: int | None = None
) -> list[UnitAnswers]:
    """Count the answers in every unit of a kind, each with everything below it.

    Args:
        db: a connection.
        question: the question.
        kind: region, branch, workplace …; None for every unit of every kind.
        campaign_id: only answers to this campaign's messages; None for all.

    Returns:
        Units in the order of their paths. People without a unit of that kind come last, in a row of their own, so the
        rows of one kind add up to the question.
    """
    rows = await db.fetch(SQL["sum_units"], question.question_id, kind, campaign_id)
    return [UnitAnswers(row["unit_id"], row["name"], row["path"], _complete(question, row["answers"])) for row in rows]


async def find_answer_differences(db: Connection, question_id: int) -> list[CountDifference]:
    """Compare the running sums with a full recount of the ledger; return the differences, none if all is well."""
    return [_difference(row) for row in await db.fetch(SQL["find_ledger_differences"], question_id)]


async def compact_answers(db: Connection) -> int:
    """Replace the rows of each sum by one row; return how many rows were replaced."""
    return int(await db.fetchval(SQL["compact"]))


def shares(counts: Sequence[int]) -> tuple[str, ...]:
    """Format the shares of all answers in whole per cent, `41%`; "" if nobody answered.

    Each is rounded by itself, a half up, so equal counts have equal shares. Their sum may be 99 or 101.
    """
    total = sum(counts)
    return tuple(f"{(200 * n + total) // (2 * total)}%" if total else "" for n in counts)


def _complete(question: Question, counted: Mapping[str, int]) -> dict[str, int]:
    return {answer.name: counted.get(answer.name, 0) for answer in question.options}


def _difference(row: asyncpg.Record) -> CountDifference:
    return CountDifference(row["campaign_id"], row["unit_id"], row["answer"], row["summed"], row["counted"])
