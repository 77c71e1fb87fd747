"""Extension of a question, with what its campaigns derive from the close: deadlines, and words of steps to come.

Links and pages follow by themselves, as they read the close anew. Messages of steps that have started keep the close
that they name: some have been sent, and replies are read by the words that went out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.subjects.kinds import find_subject
from campaigns.subjects.question import QuestionSubject
from core.db import Connection, load_queries
from core.settings import Settings
from messaging.content.templates import Template
from messaging.outbox.steps import extend_deadlines, renew_constants
from services.questions.questions import Question, extend_question, get_question

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Extended:
    """Result of extending a question.

    Attributes:
        question: as it is now.
        closed: its former close; aware.
        deadlines: steps whose deadline it was, and moves with it.
        renewed: steps to come, which name the new close.
        started: steps under way, whose messages name the former close if they name it.
    """

    question: Question
    closed: datetime
    deadlines: int
    renewed: int
    started: int


async def extend(
    db: Connection, settings: Settings, name: str, closes: datetime, *, actor: str, now: datetime
) -> Extended:
    """Let a question close later.

    Args:
        db: a connection; a transaction is opened if there is none.
        settings: has the organisation, for the words of steps to come.
        name: the question.
        closes: its new close; aware.
        actor: who extends it, for the audit.
        now: the time.

    Raises:
        NotFound: no such question.
        Conflict: it is closed, or would close earlier than it does.
    """
    async with db.transaction():
        before = await get_question(db, name)
        question = await extend_question(db, before, closes, now=now)
        campaigns = [row["campaign_id"] for row in await db.fetch(SQL["campaigns"], question.question_id)]
        deadlines = await extend_deadlines(db, campaigns, before.closes_at, closes)
        subject = await find_subject(db, QuestionSubject.kind, name)
        renewed = started = 0
        for step in await db.fetch(SQL["open_steps"], campaigns):
            constants = subject.constants(settings, Template.from_json(step["content"]).languages)
            if await renew_constants(db, step["step_id"], constants):
                renewed += 1
            else:
                started += 1
        detail = {"from": before.closes_at.isoformat(), "to": closes.isoformat()}
        await db.execute(SQL["audit"], actor, f"question {name}", detail, now)
    return Extended(question, before.closes_at, deadlines, renewed, started)
