"""Waiting steps: the steps of a campaign that are still to be launched, and when each starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.launching_step import LaunchingStep
from core.db import Connection, load_queries
from messaging.states import ChannelName

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class WaitingStep(LaunchingStep):
    """Step that is still to be launched.

    Attributes:
        template: the name of its template.
        due_at: when it is to be launched; None if that depends on the step before it. Aware, like every time here.
        after: how long after the step before it; None if it has a time of its own, or none.
        quiet_from, quiet_until: its quiet hours; None for none.
        quiet_channels: the channels that keep them; None for all.
        send_before: its deadline; None for none.
        frequency_caps: its own caps; None for the organisation's.
        sms_from: the sender of its texts; None if it has none.
    """

    template: str
    due_at: datetime | None
    after: timedelta | None
    quiet_from: time | None
    quiet_until: time | None
    quiet_channels: list[ChannelName] | None
    send_before: datetime | None
    frequency_caps: list[dict[str, Any]] | None
    sms_from: str | None


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Times of a step: when it starts, and when its first message may be sent by each channel; None for never."""

    starts_at: datetime
    opens: Mapping[str, datetime | None]

    @property
    def opens_at(self) -> datetime | None:
        """Return when the first message may be sent by any channel."""
        return min((at for at in self.opens.values() if at is not None), default=None)

    @property
    def goes_at(self) -> datetime:
        """Return when the first message is sent, as far as is known."""
        return self.opens_at or self.starts_at


async def waiting_steps(
    db: Connection, campaign_id: int, now: datetime, *, at_once: int | None = None
) -> list[tuple[WaitingStep, StepTimes]]:
    """List the steps that are still to be launched, in their order, and when each starts.

    Args:
        db: a connection.
        campaign_id: the campaign.
        now: when it would be launched.
        at_once: the number of a step that would be launched before its time.
    """
    waiting: list[tuple[WaitingStep, StepTimes]] = []
    for row in await db.fetch(SQL["list_waiting_steps"], campaign_id):
        step = WaitingStep.of(row)
        before = row["after_launch"] or (waiting[-1][1].starts_at if waiting else None)
        times = await _times(db, step, before, now, early=step.position == at_once)
        waiting.append((step, times))
    return waiting


async def _times(
    db: Connection, step: WaitingStep, before: datetime | None, now: datetime, *, early: bool
) -> StepTimes:
    here = ZoneInfo(step.subject.time_zone)
    rows = await db.fetch(SQL["find_opening"], step.step_id, before, now, early)
    opens = {row["channel"]: row["opens_at"] and row["opens_at"].astimezone(here) for row in rows}
    return StepTimes(rows[0]["starts_at"].astimezone(here), opens)
