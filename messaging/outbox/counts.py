"""Counts of the messages of each step of a campaign: by state and reason, with segments, rate and time left."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from messaging.reasons import Reason
from messaging.states import STATE_GROUPS, State

SQL: Final = load_queries(__file__)

RATE_WINDOW: Final = 20.0
"""Seconds the rate is measured over."""
MIN_COMPACTED: Final = 1_000
"""Changes of a step's sums that are worth folding; as many are added up in well under a millisecond."""
MAX_COMPACTED: Final = 50_000
"""Changes folded in one statement."""
_WENT: Final = frozenset((*STATE_GROUPS["delivered"], *STATE_GROUPS["sent"]))
"""States of messages that were sent."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelCounts:
    """Counts of a step's messages on one channel.

    Attributes:
        counts: messages by state; states without any are left out.
        segments: SMS segments sent so far.
    """

    counts: Mapping[State, int]
    segments: int


@dataclass(frozen=True, slots=True)
class StepCounts:
    """Progress of one step.

    Attributes:
        counts: messages by state; states without any are left out.
        channels: the same by channel; people without an address have none, and are in `counts` alone.
        reasons: messages that were not sent, have not reached anybody, or wait, by reason.
        remarks: messages that were sent or delivered, by reason; they count as sent or delivered.
        segments: SMS segments sent so far.
        rate_per_second: messages sent a second, over the last `RATE_WINDOW` seconds.
        seconds_left: seconds until no message waits, at that rate; 0 if none waits, None if it cannot be known.
        sender: its paused sender, if any.
        stopped: why it is paused.
        dated: whether each message is due by a date of its person; people may come until the step ends.
        next_at: when the first waiting message is due; None if none waits.
    """

    step_id: int
    position: int
    template: str
    state: str
    counts: Mapping[State, int]
    channels: Mapping[str, ChannelCounts]
    reasons: Mapping[str, int]
    segments: int
    rate_per_second: float
    seconds_left: float | None
    sender: str | None = None
    stopped: str | None = None
    dated: bool = False
    next_at: datetime | None = None
    remarks: Mapping[str, int] = field(default_factory=dict)


async def step_counts(db: Connection, campaign_id: int) -> list[StepCounts]:
    """Return the progress of each step of a campaign, in their order; planned steps have no counts."""
    steps = await db.fetch(SQL["list_steps"], campaign_id)
    groups: dict[int, list[asyncpg.Record]] = {step["step_id"]: [] for step in steps}
    counted = await db.fetch(SQL["count_steps"], list(groups), RATE_WINDOW)
    for group in counted + await db.fetch(SQL["count_partially"], list(groups), RATE_WINDOW):
        groups[group["step_id"]].append(group)
    in_flight: dict[int, dict[str, int]] = {step["step_id"]: {} for step in steps}
    for row in await db.fetch(SQL["count_in_flight"], list(groups)):
        in_flight[row["step_id"]][row["channel"]] = row["n"]
    return [_count(step, groups[step["step_id"]], in_flight[step["step_id"]]) for step in steps]


async def compact_counts(db: Connection) -> int:
    """Fold changes of the sums together where there are many; return how many were folded."""
    folded: int = await db.fetchval(SQL["compact_counts"], MIN_COMPACTED, MAX_COMPACTED)
    return folded


async def count_differences(db: Connection) -> list[asyncpg.Record]:
    """Count the messages again, and return the sums that say otherwise, with what is missing from each.

    Reads all messages of the outbox.
    """
    return await db.fetch(SQL["find_differences"])


async def mend_stuck(db: Connection) -> int:
    """Count the messages of steps again that cannot finish because of their sums; return how many sums were wrong."""
    return await _mend(db, "list_stuck")


async def mend_recent(db: Connection) -> int:
    """Count the messages of all steps again that have changed lately; return how many sums were wrong."""
    return await _mend(db, "list_recent")


async def _mend(db: Connection, which: str) -> int:
    wrong = 0
    for step in await db.fetch(SQL[which]):
        mended = await db.fetch(SQL["mend_step"], step["step_id"], timeout=STATEMENT_TIMEOUT)
        if mended:
            wrong += len(mended)
            log.warning("sums of a step were wrong and have been mended", step_id=step["step_id"], sums=len(mended))
    return wrong


def _count(step: asyncpg.Record, groups: Sequence[asyncpg.Record], in_flight: Mapping[str, int]) -> StepCounts:
    by_channel: defaultdict[str | None, Counter[State]] = defaultdict(Counter)
    segments, reasons, remarks = Counter[str | None](), Counter[str](), Counter[str]()
    over = step["state"] == "cancelled"
    for group in groups:
        by_channel[group["channel"]][State(group["state"])] += group["n"]
        segments[group["channel"]] += group["segments"]
        if group["reason"] and not (over and group["state"] == State.QUEUED):
            (remarks if State(group["state"]) in _WENT else reasons)[group["reason"]] += group["n"]
    for channel, counts in by_channel.items():
        # the one may have been read a moment after the other
        taken = min(in_flight.get(channel or "", 0), counts[State.QUEUED])
        counts[State.QUEUED], counts[State.SENDING] = counts[State.QUEUED] - taken, counts[State.SENDING] + taken
        if over:  # none of them leaves any more, and a million take minutes to be written
            withdrawn = counts.pop(State.QUEUED)
            counts[State.CANCELLED] += withdrawn
            reasons[Reason.CAMPAIGN_CANCELLED] += withdrawn
    every = sum(by_channel.values(), Counter[State]())
    age = (step["now"] - step["launched_at"]).total_seconds() if step["launched_at"] else RATE_WINDOW
    rate = sum(group["lately"] for group in groups) / min(RATE_WINDOW, max(age, 1.0))
    waiting = every[State.QUEUED] + every[State.SENDING]
    left = 0.0 if not waiting or step["dated"] else waiting / rate if rate and step["state"] == "running" else None
    return StepCounts(
        step_id=step["step_id"],
        position=step["position"],
        template=step["template"],
        state=step["state"],
        counts=dict(+every),
        channels={
            channel: ChannelCounts(dict(+counts), segments[channel])
            for channel, counts in by_channel.items()
            if channel is not None and +counts
        },
        reasons=dict(+reasons),
        segments=segments.total(),
        rate_per_second=rate,
        seconds_left=left,
        sender=step["sender"] if step["stopped"] else None,
        stopped=step["stopped"],
        dated=step["dated"],
        next_at=step["next_at"],
        remarks=dict(remarks),
    )
