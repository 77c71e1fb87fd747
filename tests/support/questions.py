"""A council's question to test with, and what was answered."""

from __future__ import annotations

from typing import Any, Final

from asyncpg import Record

from core.db import Connection
from services.questions.questions import Question, create_question
from services.questions.spec import QuestionSpec
from tests.support.electorate import NOW

VISIT: Final[dict[str, Any]] = {
    "name": "visit",
    "title": "your visit",
    "organisation": "Leeds Council",
    "asks": "How did we do when you visited us?",
    "closes": "2026-12-07T12:00:00",
    "comment": "What could we do better?",
    "answers": [
        {"name": "good", "label": "Good", "digit": 1, "words": ["very good", "excellent", "happy"]},
        {"name": "fair", "label": "Fair", "digit": 2, "words": ["ok", "average"]},
        {"name": "poor", "label": "Poor", "digit": 3, "words": ["very poor", "bad", "terrible"], "low": True},
    ],
    "translations": {
        "cy": {
            "title": "eich ymweliad",
            "asks": "Sut wnaethom ni pan ddaethoch chi atom?",
            "comment": "Beth allem ni ei wneud yn well?",
            "answers": {
                "good": {"label": "Da", "words": ["da iawn"]},
                "fair": {"label": "Gweddol"},
                "poor": {"label": "Gwael", "words": ["drwg"]},
            },
        }
    },
}
"""A `[question]` table."""


def question_spec(**changes: object) -> QuestionSpec:
    return QuestionSpec.model_validate(VISIT | changes)


async def add_question(db: Connection, **changes: object) -> Question:
    return await create_question(db, question_spec(**changes), NOW)


async def present(db: Connection, question: Question, person: int) -> Record | None:
    """A person's present answer, with the response that decides it; None while they have none."""
    return await db.fetchrow(
        "select s.answer, s.campaign_id, r.source, r.message_id, c.comment from response_status s"
        " join response r using (response_id) left join response_comment c using (response_id)"
        " where s.question_id = $1 and s.person_id = $2",
        question.question_id, person,
    )  # fmt: skip
