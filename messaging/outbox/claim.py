"""Claim due messages for sending; the claiming statement checks the eligibility of each.

A claim commits at once and the connection is free again: no transaction is open while a worker waits for the network.
It moves rows from the queue to those in flight, and writes no message but those that it stops or puts off. Claimed
messages belong to a worker for as long as it sends heartbeats (`heartbeat`); the attempt number fences off a worker
that was declared gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from core.db import Connection, load_queries
from core.frequency_caps import Cap, effective

SQL: Final = load_queries(__file__)


TRANSACTIONAL_PRIORITY: Final = 100_000
"""Priority of transactional messages; higher than any step can have."""
_CHANNEL_NUMBERS: Final = {"sms": 1, "email": 2}


@dataclass(frozen=True, slots=True, order=True)
class QueuePlace:
    """Place in a queue: of the last message that was taken from it."""

    not_before: datetime
    message_id: int


HEAD: Final = QueuePlace(datetime(1, 1, 1, tzinfo=UTC), 0)
"""Place before all messages of a queue."""


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
    def queue_id(self) -> int:
        """Its number in the database, as the function `queue_of` has it."""
        return -self.sender_id if self.step_id is None else self.step_id * 16 + _CHANNEL_NUMBERS[self.channel]

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
        last: the place of the last of all these; None if there were none.
    """

    messages: list[ClaimedMessage]
    stopped: dict[str, int]
    last: QueuePlace | None = None


async def due_queues(
    db: Connection, channels: Collection[str], now: datetime, places: Mapping[int, QueuePlace] | None = None
) -> list[DueQueue]:
    """Return the steps' queues that have messages due, the most urgent first.

    Args:
        db: a connection.
        channels: their channels.
        now: the time.
        places: by queue, the place after which to look; without one, from the head.
    """
    rows = await db.fetch(SQL["list_due_queues"], list(channels), now, *_columns(places or {}))
    return [DueQueue(**row) for row in rows]


async def due_transactional(
    db: Connection, channels: Collection[str], now: datetime, places: Mapping[int, QueuePlace] | None = None
) -> list[DueQueue]:
    """Return the senders' queues that have transactional messages due; see `due_queues`."""
    rows = await db.fetch(
        SQL["list_due_transactional"], list(channels), now, TRANSACTIONAL_PRIORITY, *_columns(places or {})
    )
    return [DueQueue(**row) for row in rows]


def _columns(places: Mapping[int, QueuePlace]) -> tuple[list[int], list[datetime], list[int]]:
    last = places.values()
    return list(places), [place.not_before for place in last], [place.message_id for place in last]


async def claim(
    db: Connection,
    due: DueQueue,
    *,
    limit: int,
    now: datetime,
    dispatcher_id: int,
    caps: Sequence[Cap] = (),
    after: QueuePlace = HEAD,
) -> Claim:
    """Claim up to `limit` due messages of one step by one channel.

    Args:
        db: a connection; no lock or transaction is left on it afterwards.
        due: the queue.
        limit: the most rows looked at, including those that the eligibility check stops.
        now: the time at which quiet hours, windows, caps and deadlines are checked.
        dispatcher_id: the worker that claims them.
        caps: the organisation's, for steps that are not exempt.
        after: where to begin: what was taken before lies in the index for as long as an open transaction may see it.
    """
    place = (after.not_before, after.message_id)
    if due.step_id is None:
        rows = await db.fetch(SQL["claim_transactional"], due.sender_id, due.channel, now, limit, dispatcher_id, *place)
        return _claim(
            rows,
            lambda row: ClaimedTransactional(
                row[0], row[1], row[2], {}, row[3], dispatcher_id, kind=row[6], content=row[7], concealed=row[8],
                in_reply_to=row[9], thread=row[10], send_before=row[11],
            ),
        )  # fmt: skip
    held_to = effective(due.caps, caps)
    arguments = (due.step_id, due.channel, now, limit, dispatcher_id, held_to, *place)
    if held_to:
        async with db.transaction():
            await db.execute(SQL["lock_caps"])
            rows = await db.fetch(SQL["claim"], *arguments)
    else:
        rows = await db.fetch(SQL["claim"], *arguments)
    return _claim(rows, lambda row: ClaimedMessage(row[0], row[1], row[2], row[6], row[3], dispatcher_id))


def _claim(rows: Sequence[asyncpg.Record], read: Callable[[asyncpg.Record], ClaimedMessage]) -> Claim:
    """Sort the rows of a claim, which begin and end alike, into messages to be sent and others that were stopped."""
    messages: list[ClaimedMessage] = []
    stopped: dict[str, int] = {}
    for row in rows:
        if (state := row[4]) == "sending":
            messages.append(read(row))
        else:
            stopped[state] = stopped.get(state, 0) + 1
    return Claim(messages, stopped, QueuePlace(rows[-1][5], rows[-1][0]) if rows else None)


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


async def return_unanswered(db: Connection, dispatcher_id: int, queue_id: int, known: Collection[int]) -> int:
    """Put back the messages of claims that PostgreSQL's answer never came to; return how many messages that were.

    Args:
        db: a connection.
        dispatcher_id: the worker.
        queue_id: number of the queue.
        known: messages that the worker has claimed and not yet recorded an intent for.
    """
    unanswered = await db.fetch(SQL["list_unanswered_claims"], dispatcher_id, queue_id, known)
    if not unanswered:
        return 0
    message_ids, attempts = zip(*unanswered, strict=True)
    returned: int = await db.fetchval(SQL["hand_back"], message_ids, attempts)
    return returned


async def hand_back(db: Connection, messages: Sequence[ClaimedMessage]) -> int:
    """Put back claimed messages that were never on the wire; return how many were still this worker's."""
    if not messages:
        return 0
    returned: int = await db.fetchval(
        SQL["hand_back"], [message.message_id for message in messages], [message.attempt for message in messages]
    )
    return returned
