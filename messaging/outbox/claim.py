"""Claim due messages for sending; the statement checks the eligibility of each.

A claim commits at once and the connection is free again: no transaction is open while a worker waits for the network.
Claimed messages belong to a worker for as long as it sends heartbeats (`heartbeat`); the attempt number fences off a
worker that was declared gone.
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
    """Queue of one step's messages for one channel; they are claimed together, and queues take turns.

    Attributes:
        priority: higher goes first.
        pace: rate limit of the sender in segments or mails a second; None where it has none of its own.
        caps: frequency caps of the step's own; None where it has none, empty where its messages are exempt from every
            cap.
    """

    step_id: int
    channel: str
    priority: int
    sender_id: int
    pace: float | None
    caps: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class Claimed:
    """Message that a worker may send as long as its heartbeat holds.

    Attributes:
        claimed_at: on this machine's monotonic clock.
    """

    message_id: int
    attempt: int
    address: str
    variables: dict[str, Any]
    sender_id: int
    dispatcher_id: int
    claimed_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Claim:
    """Result of a claim.

    Attributes:
        messages: to be sent.
        stopped: how many the eligibility check withdrew or put off instead, by state.
    """

    messages: list[Claimed]
    stopped: dict[str, int]


async def due_queues(db: Connection, channels: Collection[str], now: datetime) -> list[StepChannel]:
    """Return the steps' queues that have messages due, the most urgent first."""
    return [StepChannel(**row) for row in await db.fetch(SQL["due_queues"], list(channels), now)]


async def claim(
    db: Connection, step: StepChannel, *, limit: int, now: datetime, dispatcher_id: int, caps: Sequence[Cap] = ()
) -> Claim:
    """Claim up to `limit` due messages of one step by one channel.

    Args:
        db: a connection; no lock or transaction is left on it afterwards.
        step: the step and channel.
        limit: the most rows looked at, including those that the eligibility check stops.
        now: the time at which quiet hours, windows, caps and deadlines are checked.
        dispatcher_id: the worker that claims them.
        caps: the organisation's, for steps that are not exempt.
    """
    held_to = effective(step.caps, caps)
    arguments = (step.step_id, step.channel, now, limit, dispatcher_id, held_to)
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
            messages.append(Claimed(message_id, attempt, address, variables, sender_id, dispatcher_id))
        else:
            stopped[state] = stopped.get(state, 0) + 1
    return Claim(messages, stopped)


async def hand_back(db: Connection, messages: Sequence[Claimed]) -> int:
    """Put claimed messages that were never on the wire back; returns how many were still this worker's."""
    if not messages:
        return 0
    returned: int = await db.fetchval(
        SQL["hand_back"], [one.message_id for one in messages], [one.attempt for one in messages]
    )
    return returned
