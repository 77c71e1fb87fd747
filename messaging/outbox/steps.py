"""A campaign's steps as delivery sees them: paused, resumed, cancelled, finished when drained.

Each runs in the caller's transaction, so that a campaign and its steps change together. Pausing takes hold at the
gate's last look: what is already on the wire arrives, nothing else leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, time
from typing import Any, Final

import structlog

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step as it is made: everything that delivery needs to know, so that it never has to look at the campaign.

    Attributes:
        campaign_id: whose step it is.
        position: from 1.
        template: its name.
        content: what it says.
        constants: variables that are the same for everybody.
        purpose: of its messages.
        channels: by which it goes, the preferred one first.
        sms_sender_id: who sends its texts; None where it has none.
        email_sender_id: who sends its emails.
        goal_id: what it is for; whoever meets that is asked no more.
        priority: before which others its messages go.
        due_at: when it starts; None: with the launch, or `after` the step before.
        after: an ISO 8601 duration.
        send_before: nothing leaves later.
        quiet_from: when quiet hours begin, by each recipient's clock.
        quiet_until: when they end; may be past midnight.
        quiet_channels: by which channels they hold; None: all.
        secret: fingerprint of the secret its links are made with.
        created_at: when it is made.
        send_after: nothing leaves earlier.
        window_zone: whose clock the window goes by; None: each recipient's.
        window_days: days of the week in which it may be sent.
        window_from: from what time of day.
        window_until: to what time of day.
        frequency_caps: its own; None: the organisation's alone.
    """

    campaign_id: int
    position: int
    template: str
    content: Mapping[str, Any]
    constants: Mapping[str, Any]
    purpose: str
    channels: Sequence[str]
    sms_sender_id: int | None
    email_sender_id: int | None
    goal_id: int
    priority: int
    due_at: datetime | None
    after: str | None
    send_before: datetime | None
    quiet_from: time | None
    quiet_until: time | None
    quiet_channels: Sequence[str] | None
    secret: str
    created_at: datetime
    send_after: datetime | None
    window_zone: str | None
    window_days: Sequence[int] | None
    window_from: time | None
    window_until: time | None
    frequency_caps: Sequence[Mapping[str, Any]] | None


async def add_step(db: Connection, step: NewStep) -> None:
    """Make a step; it waits until somebody fills it."""
    await db.execute(SQL["add_step"], *astuple(step))


async def pause_steps(db: Connection, campaign_id: int, reason: str) -> int:
    """Stop a campaign's running steps; what is queued waits.

    Args:
        db: in the caller's transaction.
        campaign_id: whose steps.
        reason: why, for the log; the campaign keeps it for people.

    Returns:
        How many steps were running.
    """
    paused = await db.fetch(SQL["pause"], campaign_id)
    log.info("steps paused", campaign_id=campaign_id, steps=len(paused), reason=reason)
    return len(paused)


async def resume_steps(db: Connection, campaign_id: int) -> int:
    """Let a campaign's paused steps go on; returns how many."""
    return len(await db.fetch(SQL["resume"], campaign_id))


async def cancel_steps(db: Connection, campaign_id: int) -> int:
    """End a campaign's steps for good; returns how many queued messages were withdrawn."""
    withdrawn: int = await db.fetchval(SQL["cancel"], campaign_id)
    return withdrawn


async def finish_drained(db: Connection) -> list[int]:
    """Close the running steps that have nothing left to do; returns their ids."""
    finished = [row["step_id"] for row in await db.fetch(SQL["finish_drained"])]
    if finished:
        log.info("steps finished", steps=finished)
    return finished
