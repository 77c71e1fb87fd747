"""List of what people answered to a question: for the screen, and as a file for spreadsheets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from core.access import Actor
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from core.files.sheets import SheetWriter
from messaging.content.languages import DEFAULT
from services.questions.questions import Question

SQL: Final = load_queries(__file__)

COLUMNS: Final = ("member_id", "unit", "answer", "label", "comment", "source", "at")
"""Columns of the file: ids, answers and words; no names, no addresses."""

_PAGE_SIZE: Final = 5000


@dataclass(frozen=True, slots=True)
class Respondent:
    """Present answer of a person, with their comments.

    Attributes:
        person_id: their id.
        member_id: their number in the member file.
        unit: the path of the unit they are counted in; "" for none.
        answer: the answer's name; None if they only left a comment.
        comments: their words, oldest first.
        source: how the latest of it reached us.
        at: when; aware.
    """

    person_id: int
    member_id: str
    unit: str
    answer: str | None
    comments: tuple[str, ...]
    source: str
    at: datetime


async def list_respondents(
    db: Connection,
    question: Question,
    *,
    unit_id: int | None = None,
    answer: str | None = None,
    commented: bool = False,
    after: int = 0,
    limit: int = 100,
) -> list[Respondent]:
    """List the people who answered or left a comment, in the order of their ids.

    Args:
        db: a connection.
        question: the question.
        unit_id: only people of this unit and those below it.
        answer: only people whose present answer this is.
        commented: only people who left a comment.
        after: the last person of the page before.
        limit: most people to return.
    """
    rows = await db.fetch(
        SQL["list_respondents"],
        question.question_id,
        unit_id,
        answer,
        commented,
        after,
        limit,
        timeout=STATEMENT_TIMEOUT,
    )
    return [_person(row) for row in rows]


async def write_answers(
    db: Connection,
    question: Question,
    sheet: SheetWriter,
    *,
    unit_id: int | None = None,
    commented: bool = False,
    actor: Actor,
) -> int:
    """Write the people who answered to a sheet, and record in the audit who took it.

    Args:
        db: a connection without a transaction.
        question: the question.
        sheet: where to write them, with headings.
        unit_id: only people of this unit and those below it.
        commented: only people who left a comment.
        actor: who exports it, for the audit.

    Returns:
        How many people.
    """
    n = after = 0
    sheet.writerow(COLUMNS)
    async with db.transaction(isolation="repeatable_read"):
        while page := await list_respondents(
            db, question, unit_id=unit_id, commented=commented, after=after, limit=_PAGE_SIZE
        ):
            sheet.writerows(_cells(question, person) for person in page)
            n, after = n + len(page), page[-1].person_id
        await record(db, actor, AuditAction.ANSWERS_EXPORTED, f"question {question.name}", {"people": n})
    return n


def _cells(question: Question, person: Respondent) -> list[str]:
    answer = question.option(person.answer) if person.answer is not None else None
    at = person.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    label = answer.said_in(DEFAULT) if answer is not None else ""
    return [person.member_id, person.unit, person.answer or "", label, "\n".join(person.comments), person.source, at]


def _person(row: asyncpg.Record) -> Respondent:
    return Respondent(**{**row, "comments": tuple(row["comments"])})
