"""Taking messages for sending, past the gate.

A claim commits at once and the connection is free again: nothing is held while the network is waited for. What a
courier has claimed is its own while its heart beats (`presence`); the attempt number fences off one that was declared
gone.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from core.db import Connection, load_queries
from core.frequency_caps import Cap, effective

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class StepChannel:
    """One step's messages by one channel: what is claimed together and takes its turn with the others.

    Attributes:
        priority: higher goes first.
        pace: segments or mails a second for the sender; None where it has no limit of its own.
        caps: how often the step's own file lets a person be written to; None where it says nothing, empty where its
            messages are exempt from every cap.
    """

    step_id: int
    channel: str
    priority: int
    sender_id: int
    pace: float | None
    caps: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class Claimed:
    """A message that a courier may send while its heart beats.

    Attributes:
        claimed_at: on this machine's monotonic clock.
    """

    message_id: int
    attempt: int
    address: str
    variables: dict[str, Any]
    sender_id: int
    courier_id: int
    claimed_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim came to.

    Attributes:
        messages: to be sent.
        stopped: how many the gate withdrew or put off instead, by state.
    """

    messages: list[Claimed]
    stopped: dict[str, int]


async def due_lanes(db: Connection, channels: Collection[str], now: datetime) -> list[StepChannel]:
    """The lanes that have something due, the most urgent first."""
    return [StepChannel(**row) for row in await db.fetch(SQL["due_lanes"], list(channels), now)]


async def claim(
    db: Connection, lane: StepChannel, *, limit: int, now: datetime, courier_id: int, caps: Sequence[Cap] = ()
) -> Claim:
    """Take up to `limit` due messages of a lane.

    Args:
        db: a connection; nothing is held on it afterwards.
        lane: the step and channel.
        limit: the most rows looked at, including those the gate stops.
        now: the time quiet hours, windows, caps and deadlines are judged by.
        courier_id: who takes them.
        caps: the organisation's, for steps that are not exempt.
    """
    held_to = effective(lane.caps, caps)
    arguments = (lane.step_id, lane.channel, now, limit, courier_id, held_to)
    if held_to:
        async with db.transaction():
            await db.execute(SQL["one_at_a_time"])
            rows = await db.fetch(SQL["claim"], *arguments)
    else:
        rows = await db.fetch(SQL["claim"], *arguments)
    messages: list[Claimed] = []
    stopped: dict[str, int] = {}
    for message_id, attempt, address, variables, sender_id, state in rows:
        if state == "sending":
            messages.append(Claimed(message_id, attempt, address, variables, sender_id, courier_id))
        else:
            stopped[state] = stopped.get(state, 0) + 1
    return Claim(messages, stopped)


async def hand_back(db: Connection, messages: Sequence[Claimed]) -> int:
    """Put claimed messages back that were never on the wire; returns how many were still this worker's."""
    if not messages:
        return 0
    returned: int = await db.fetchval(
        SQL["hand_back"], [one.message_id for one in messages], [one.attempt for one in messages]
    )
    return returned
