"""Campaigns by dates of people: member files with appointments, a clock that moves, and what became of each message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from campaigns.campaigns import Campaign, create_campaign
from campaigns.launch import launch
from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.claim import DueQueue, claim
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.states import State
from muster.operator import operator
from tests.support.electorate import campaign_spec, connected
from tests.support.member_files import import_members
from tests.support.outbox_rows import NOW_SQL, dispatcher
from tests.support.questions import add_question

REMINDER: Final[Mapping[str, Any]] = {
    "template": "appointment-reminder",
    "channels": ["sms", "email"],
    "when": {"before": "24 hours", "of": "appointment_at"},
}
HEADER: Final = "member id,first name,mobile,email,time zone,language,appointment at,place\n"

Load = Callable[..., Awaitable[None]]


def loader(runtime: Runtime, folder: Path) -> Load:
    """Imports member files of some lines; a line may leave out the last columns."""

    async def load(*lines: str) -> None:
        path = folder / "members.csv"
        width = HEADER.count(",")
        text = "".join(f"{line}{',' * (width - line.count(','))}\n" for line in lines)
        path.write_text(HEADER + text, encoding="utf-8")
        report = await import_members(runtime.pool, path, clock=runtime.clock)
        assert {problem.code for problem in report.problems} <= {"unreadable_date"}

    return load


async def add_visit(db: Connection) -> None:
    """A question that takes the answers of a reminder, and those after a visit."""
    answers = ("will_attend", "change_appointment", "good", "fair", "poor")
    await add_question(
        db, closes="2027-03-01", translations={},
        answers=[{"name": name, "label": name.replace("_", " ").title()} for name in answers],
    )  # fmt: skip


async def made(runtime: Runtime, *steps: Mapping[str, Any], **changes: object) -> Campaign:
    about = changes.pop("about", {"question": "visit"})
    spec = campaign_spec(about=about, steps=[dict(step) for step in steps or (REMINDER,)], **changes)
    return await create_campaign(runtime, spec, operator("staff"))


async def launched(runtime: Runtime, *steps: Mapping[str, Any], **changes: object) -> Campaign:
    campaign = await made(runtime, *steps, **changes)
    await launch(runtime, campaign.campaign_id, operator("staff"))
    return campaign


async def rows(db: Connection, position: int = 1) -> dict[str, asyncpg.Record]:
    """Everybody's message of a step, by membership number."""
    found = await db.fetch(
        f"select p.external_id, m.* from ({NOW_SQL}) m join step s using (step_id) join person p using (person_id)"
        " where s.position = $1",
        position,
    )
    return {row["external_id"]: row for row in found}


async def outcomes(runtime: Runtime, position: int = 1) -> dict[str, tuple[str, str | None, datetime | None]]:
    """State and reason of everybody's message, and when it is due while it waits."""
    async with connected(runtime) as db:
        return {
            member: (row["state"], row["reason"], row["not_before"] if row["state"] == "queued" else None)
            for member, row in (await rows(db, position)).items()
        }


async def claim_due(runtime: Runtime, db: Connection, step: asyncpg.Record) -> list[int]:
    """Claim the texts of a step that are due; returns their messages."""
    queue = DueQueue(step["step_id"], "sms", 0, step["sms_sender_id"], None)
    done = await claim(db, queue, limit=99, now=runtime.clock(), dispatcher_id=await dispatcher(db))
    return [message.message_id for message in done.messages]


async def send_due(runtime: Runtime, step_id: int) -> dict[int, str]:
    """Send the texts of a step that are due to a provider that takes them; returns the date in each, by person."""
    async with connected(runtime) as db:
        step = await db.fetchrow("select * from step where step_id = $1", step_id)
        assert step is not None
        queue = DueQueue(step_id, "sms", 0, step["sms_sender_id"], None)
        now = runtime.clock()
        done = await claim(db, queue, limit=99, now=now, dispatcher_id=await dispatcher(db))
        intents = [Intent(message.message_id, message.attempt, None, None) for message in done.messages]
        sent = [
            message_id
            for message_id, state in (await record_outcomes(db, [], intents, source="worker", now=now)).items()
            if state == "sending"
        ]
        accepted = [
            Outcome(message.message_id, message.attempt, State.ACCEPTED)
            for message in done.messages
            if message.message_id in sent
        ]
        await record_outcomes(db, accepted, [], source="worker", now=now)
        found = await db.fetch("select person_id, variables from message where message_id = any ($1)", sent)
        return {row["person_id"]: row["variables"].get("appointment_at", "") for row in found}


def utc(day: int, hour: int = 0, minute: int = 0, *, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)
