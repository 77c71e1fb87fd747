"""Add, pause, resume, cancel and finish a campaign's steps.

Each function runs in the caller's transaction, so that a campaign and its steps change together. A pause is applied by
the last eligibility check (`outcomes.sql`): messages already on the wire arrive, no others leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, time
from typing import Any, Final

import structlog

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StepContent:
    """Content of a step.

    Attributes:
        template: name of its template.
        content: the template's content.
        constants: variables that are the same for every recipient.
        purpose: of its messages.
    """

    template: str
    content: Mapping[str, Any]
    constants: Mapping[str, Any]
    purpose: str


@dataclass(frozen=True, slots=True)
class StepQuietHours:
    """Quiet hours of a step, in each recipient's time zone; no values for none.

    Attributes:
        starts: when they begin.
        ends: when they end; may be past midnight.
        channels: the channels they apply to; None: all.
    """

    starts: time | None = None
    ends: time | None = None
    channels: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class StepWindow:
    """Sending window of a step.

    Attributes:
        send_after: nothing leaves earlier.
        zone: its time zone; None: each recipient's.
        days: days of the week in which it may be sent.
        opens: time of day at which it opens.
        closes: time of day at which it closes.
    """

    send_after: datetime | None
    zone: str | None
    days: Sequence[int] | None
    opens: time | None
    closes: time | None


@dataclass(frozen=True, slots=True)
class NewStep:
    """Step to be added, with everything that sending needs, so that sending never reads the campaign.

    Attributes:
        campaign_id: the campaign it belongs to.
        position: from 1.
        content: its content.
        channels: the channels it uses, the preferred one first.
        sms_sender_id: sender of its texts; None if it has none.
        email_sender_id: sender of its emails; None if it has none.
        goal_id: its goal; a person who has met it gets no more messages. None for none.
        priority: messages of a higher one go first.
        due_at: when it starts; None: with the launch, or `after` the step before.
        after: an ISO 8601 duration.
        send_before: its deadline; nothing leaves later. None for none.
        quiet_hours: when its messages wait.
        secret: fingerprint of the secret its links are made with.
        created_at: when it is added.
        window: when they may be sent.
        frequency_caps: its own; None: only the organisation's.
        dated: `before` or `after` if each message is due by a date of its person; people may then be added until
            `send_before`.
    """

    campaign_id: int
    position: int
    content: StepContent
    channels: Sequence[str]
    sms_sender_id: int | None
    email_sender_id: int | None
    goal_id: int | None
    priority: int
    due_at: datetime | None
    after: str | None
    send_before: datetime | None
    quiet_hours: StepQuietHours
    secret: str
    created_at: datetime
    window: StepWindow
    frequency_caps: Sequence[Mapping[str, Any]] | None
    dated: str | None = None


async def add_step(db: Connection, step: NewStep) -> int:
    """Add a step, which waits until it is launched; return its id."""
    step_id: int = await db.fetchval(SQL["add_step"], *_columns(step))
    return step_id


def _columns(part: NewStep | StepContent | StepQuietHours | StepWindow) -> Iterator[Any]:
    """Yield the values of a step's columns, in the order of its fields."""
    for name in (field.name for field in fields(part)):
        value = getattr(part, name)
        if isinstance(value, StepContent | StepQuietHours | StepWindow):
            yield from _columns(value)
        else:
            yield value


async def delete_steps(db: Connection, campaign_id: int) -> None:
    """Remove the steps of a campaign that was never launched; the database refuses it if they have messages."""
    await db.execute(SQL["delete_steps"], campaign_id)


async def pause_steps(db: Connection, campaign_id: int, reason: str) -> int:
    """Pause a campaign's running steps; queued messages wait.

    Args:
        db: in the caller's transaction.
        campaign_id: the campaign.
        reason: why, for the log; the campaign keeps it for staff.

    Returns:
        How many steps were running.
    """
    paused = await db.fetch(SQL["pause_steps"], campaign_id)
    log.info("steps paused", campaign_id=campaign_id, steps=len(paused), reason=reason)
    return len(paused)


async def resume_steps(db: Connection, campaign_id: int) -> int:
    """Resume a campaign's paused steps; return how many."""
    return len(await db.fetch(SQL["resume_steps"], campaign_id))


async def cancel_steps(db: Connection, campaign_id: int) -> int:
    """End a campaign's steps for good; return how many queued messages were withdrawn."""
    withdrawn: int = await db.fetchval(SQL["cancel_steps"], campaign_id)
    return withdrawn


async def extend_deadlines(db: Connection, campaign_ids: Sequence[int], before: datetime, after: datetime) -> int:
    """Move deadlines at one moment to a later one, in steps of some campaigns; return how many steps have it now."""
    return len(await db.fetch(SQL["extend_deadlines"], list(campaign_ids), before, after))


async def renew_constants(db: Connection, step_id: int, constants: Mapping[str, Any]) -> bool:
    """Set the constants of a step; return whether it had not started, and so was changed."""
    return await db.fetchval(SQL["renew_constants"], step_id, constants) is not None


async def finish_drained(db: Connection, now: datetime | None = None) -> list[int]:
    """Finish the running steps that have nothing left to send, now or later; return their ids.

    Args:
        db: a connection.
        now: the time; by default the database's.
    """
    finished = [row["step_id"] for row in await db.fetch(SQL["finish_drained"], now)]
    if finished:
        log.info("steps finished", steps=finished)
    return finished
