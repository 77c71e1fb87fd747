"""A council's question to test with, and what was answered."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any, Final

from asyncpg import Record

from campaigns.campaigns import create_campaign
from campaigns.launch import launch
from campaigns.replies.answered_messages import find_answered_message
from campaigns.replies.answers import AnswerResult, Inbound, answer_reply
from campaigns.replies.text_classification import classify_text
from campaigns.spec import CampaignSpec
from core.db import Connection
from core.runtime import Runtime
from messaging.content.sent import render_again
from muster.operator import operator
from services.questions.questions import Question, create_question
from services.questions.spec import QuestionSpec
from tests.support.electorate import NOW, at_noon
from tests.support.inbound_rows import add_links
from tests.support.rows import row_of

NUMBER: Final = "+447700900000"
"""The number that texts come from."""
_numbers = count(1)

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
    return await create_question(db, question_spec(**changes), NOW, actor=operator("staff"))


async def present(db: Connection, question: Question, person: int) -> Record | None:
    """A person's present answer, with the response that decides it; None while they have none."""
    return await db.fetchrow(
        "select s.answer, s.campaign_id, r.source, r.message_id, c.comment from response_status s"
        " join response r using (response_id) left join response_comment c using (response_id)"
        " where s.question_id = $1 and s.person_id = $2",
        question.question_id, person,
    )  # fmt: skip


class AskedQuestion:
    """A question that was asked by a campaign, whose messages have been sent, and what people say to it."""

    def __init__(self, runtime: Runtime, db: Connection, question: Question, campaign_id: int) -> None:
        self.runtime = runtime
        self.db = db
        self.question = question
        self.campaign_id = campaign_id

    async def message_to(self, person: int, step: int = 1) -> int:
        row = await row_of(
            self.db,
            "select message_id from message join step using (step_id)"
            " where step.campaign_id = $1 and person_id = $2 and position = $3",
            self.campaign_id, person, step,
        )  # fmt: skip
        message_id: int = row["message_id"]
        return message_id

    async def link_to(self, person: int) -> str:
        """The path of a person's link, as sending makes it."""
        message_id = await self.message_to(person)
        channel = await self.db.fetchval("select channel from message where message_id = $1", message_id)
        confirm, _ = await add_links(self.runtime, self.db, message_id, channel)
        return f"/{confirm}"

    async def text_to(self, person: int) -> str:
        """The text that a person got."""
        row = await row_of(
            self.db,
            "select content::text as content, constants::text as constants, variables from message"
            " join step using (step_id) where message_id = $1",
            await self.message_to(person),
        )
        (text,) = render_again(row["content"], row["constants"], "sms", row["variables"])
        return text

    async def says(self, text: str, sender: str, channel: str = "sms", **how: Any) -> AnswerResult:
        if channel == "sms" and "read" not in how:  # as it is read when it comes in
            latest = await find_answered_message(self.db, channel="sms", address=sender, senders=(NUMBER,), at=NOW)
            how["read"] = classify_text(text, latest)
        senders = (NUMBER,) if channel == "sms" else ("hello@council.test",)
        number, at = how.pop("inbound_id", None) or next(_numbers), how.pop("at", NOW)
        inbound = Inbound(number, channel, sender, senders, text, at, **how)  # type: ignore[arg-type]
        async with self.db.transaction():
            return await answer_reply(self.db, inbound)

    async def answer_of(self, person: int) -> tuple[str | None, str | None]:
        """A person's present answer and the words beside it."""
        row = await present(self.db, self.question, person)
        return (None, None) if row is None else (row["answer"], row["comment"])


async def ask(
    runtime: Runtime,
    db: Connection,
    question: Question,
    *,
    template: str = "feedback-request",
    name: str = "feedback",
    **changes: object,
) -> AskedQuestion:
    """Ask a question by a campaign of one step, whose messages were sent an hour ago."""
    given: dict[str, object] = {
        "name": name, "title": "How did we do?", "about": {"question": question.name}, "quiet_hours": "none",
        "steps": [{"template": template, "channels": ["sms", "email"]}],
    }  # fmt: skip
    runtime = at_noon(runtime)
    campaign = await create_campaign(runtime, CampaignSpec.model_validate(given | changes), operator("olga"))
    await launch(runtime, campaign.campaign_id, operator("olga"))
    await db.execute(
        "update message set state = 'delivered', sent_at = $2, wire_at = $2"
        " where campaign_id = $1 and state = 'queued'",
        campaign.campaign_id, NOW - timedelta(hours=1),
    )  # fmt: skip
    return AskedQuestion(runtime, db, question, campaign.campaign_id)
