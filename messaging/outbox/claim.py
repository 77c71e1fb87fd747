"""Claim due messages for sending; the claiming statement checks the eligibility of each.

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

import asyncpg

from core.db import Connection, load_queries
from core.frequency_caps import Cap, effective

SQL: Final = load_queries(__file__)


TRANSACTIONAL_PRIORITY: Final = 100_000
"""Priority of transactional messages; higher than any step can have."""


@dataclass(frozen=True, slots=True)
class DueQueue:
    """Queue of one step's messages for one channel.

    The messages of a queue are claimed together, and queues take turns.

    A sender's transactional messages, which have no step, are a queue, too.

    Attributes:
        step_id: the step; None for transactional messages.
        priority: higher goes first.
        pace: rate limit of the sender in segments or mails a second; None if it has none of its own.
        caps: the step's own frequency caps; None if it has none, empty if its messages are exempt from every cap.
    """

    step_id: int | None
    channel: str
    priority: int
    sender_id: int
    pace: float | None
    caps: list[dict[str, Any]] | None = None

    @property
    def key(self) -> tuple[int | None, int]:
        """Key that distinguishes it from the other queues of its channel."""
        return self.step_id, 0 if self.step_id is not None else self.sender_id


@dataclass(slots=True)
class ClaimedMessage:
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


@dataclass(slots=True, kw_only=True)
class ClaimedTransactional(ClaimedMessage):
    """Claimed message without a step, with its contents.

    Attributes:
        kind: a value of `transactional.MessageKind`.
        content: its contents, masked; None if they were erased.
        concealed: the secrets behind the masks, encrypted; None if it has no secrets.
        in_reply_to: Message-ID of the email that it answers.
        thread: Message-IDs of that email's thread, separated by spaces.
        send_before: its deadline.
    """

    kind: str
    content: dict[str, Any] | None
    concealed: bytes | None
    in_reply_to: str | None
    thread: str | None
    send_before: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Result of a claim.

    Attributes:
        messages: to be sent.
        stopped: how many messages the eligibility check withdrew or put off instead, by state.
    """

    messages: list[ClaimedMessage]
    stopped: dict[str, int]


async def due_queues(db: Connection, channels: Collection[str], now: datetime) -> list[DueQueue]:
    """Return the steps' queues that have messages due, the most urgent first."""
    return [DueQueue(**row) for row in await db.fetch(SQL["list_due_queues"], list(channels), now)]


async def due_transactional(db: Connection, channels: Collection[str], now: datetime) -> list[DueQueue]:
    """Return the senders' queues that have transactional messages due."""
    return [
        DueQueue(**row)
        for row in await db.fetch(SQL["list_due_transactional"], list(channels), now, TRANSACTIONAL_PRIORITY)
    ]


async def claim(
    db: Connection, due: DueQueue, *, limit: int, now: datetime, dispatcher_id: int, caps: Sequence[Cap] = ()
) -> Claim:
    """Claim up to `limit` due messages of one step by one channel.

    Args:
        db: a connection; no lock or transaction is left on it afterwards.
        due: the queue.
        limit: the most rows looked at, including those that the eligibility check stops.
        now: the time at which quiet hours, windows, caps and deadlines are checked.
        dispatcher_id: the worker that claims them.
        caps: the organisation's, for steps that are not exempt.
    """
    if due.step_id is None:
        return await _claim_transactional(db, due, limit, now, dispatcher_id)
    held_to = effective(due.caps, caps)
    arguments = (due.step_id, due.channel, now, limit, dispatcher_id, held_to)
    if held_to:
        async with db.transaction():
            await db.execute(SQL["lock_caps"])
            rows = await db.fetch(SQL["claim"], *arguments)
    else:
        rows = await db.fetch(SQL["claim"], *arguments)
    messages: list[ClaimedMessage] = []
    stopped: dict[str, int] = {}
    for message_id, attempt, address, variables, sender_id, state in rows:
        if state == "sending":
            messages.append(ClaimedMessage(message_id, attempt, address, variables, sender_id, dispatcher_id))
        else:
            stopped[state] = stopped.get(state, 0) + 1
    return Claim(messages, stopped)


async def _claim_transactional(db: Connection, due: DueQueue, limit: int, now: datetime, dispatcher_id: int) -> Claim:
    messages: list[ClaimedMessage] = []
    stopped: dict[str, int] = {}
    for row in await db.fetch(SQL["claim_transactional"], due.sender_id, due.channel, now, limit, dispatcher_id):
        columns = dict(row)
        state = columns.pop("state")
        if state == "sending":
            messages.append(ClaimedTransactional(variables={}, dispatcher_id=dispatcher_id, **columns))
        else:
            stopped[state] = stopped.get(state, 0) + 1
    return Claim(messages, stopped)


async def find_claimed(db: Connection, row: asyncpg.Record) -> ClaimedMessage:
    """Return a message of unknown outcome as it was claimed: it is composed again to search for it, not to send it.

    Args:
        db: a connection.
        row: has message_id, step_id, attempt, address, variables and sender_id.
    """
    fields = (row["message_id"], row["attempt"], row["address"], row["variables"], row["sender_id"], 0)
    if row["step_id"] is not None:
        return ClaimedMessage(*fields)
    claimed_row = await db.fetchrow(SQL["read_transactional"], row["message_id"])
    assert claimed_row is not None
    return ClaimedTransactional(*fields, **claimed_row)


async def hand_back(db: Connection, messages: Sequence[ClaimedMessage]) -> int:
    """Put back claimed messages that were never on the wire; return how many were still this worker's."""
    if not messages:
        return 0
    returned: int = await db.fetchval(
        SQL["hand_back"], [message.message_id for message in messages], [message.attempt for message in messages]
    )
    return returned
