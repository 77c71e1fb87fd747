"""Inbound log: stores what members and providers send, as it came, before it is answered; processes it afterwards.

The provider gets its 2xx only once the row is committed; a repetition is stored once. A worker processes the rows: the
effects of an item and the note that it is done are one transaction, so doing it again changes nothing. Items of one
subject (a message, a phone number) are processed one at a time, in the order they came. An item that fails is tried
again with growing pauses; one that can never be processed is parked, and staff are alerted.

No sign-in link of ours is stored: every item passes through `staff.quoted_links`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from core.alerts import raise_alert
from core.db import AWAY, Connection, in_time, load_queries
from core.db.in_time import answer_in_time, as_unavailable
from core.errors import InputError, Unavailable
from core.runtime import Runtime
from core.sign_in_links import document_might_hold
from people.people_lock import lock_people_shared
from staff.quoted_links import document_without_links, raw_without_links, without_links
from webhooks.late_arrivals import empty_late_arrivals

SQL: Final = load_queries(__file__)
T = TypeVar("T")

BATCH_SIZE: Final = 100
"""Items in one transaction."""
SLOW_BATCH_SIZE: Final = 5
"""Slow items in one transaction: others wait for the rows it locks."""
MAX_TRIES: Final = 15
"""Tries of an item, before only staff can have it tried again."""
MAX_PAUSE: Final = timedelta(minutes=10)
"""Longest time between two tries of an item."""
MAX_WAITING: Final = 5000
"""Items that may wait to be stored: a few seconds' worth."""
MALFORMED_KEPT: Final = 1000
"""Bodies that could not be read which are kept at once, of all senders."""
MALFORMED_CAP: Final = 8 * 1024
"""Bytes kept of a body that could not be read."""
MALFORMED_LASTS: Final = timedelta(days=7)
"""Time for which such a body is kept."""

log = structlog.get_logger(__name__)


_Row = tuple[str, str, str, dict[str, Any], datetime, bool]
"""Row of an item: source, dedupe key, subject, payload, when it came, and whether it is done."""


@dataclass(frozen=True, slots=True)
class Item:
    """Inbound item.

    Attributes:
        inbound_id: its row.
        source: which webhook it came by, such as `twilio_status`.
        payload: its content, as the receiving endpoint stored it.
        received_at: when it came; aware.
        attempts: the number of tries so far.
    """

    inbound_id: int
    source: str
    payload: Mapping[str, Any]
    received_at: datetime
    attempts: int


ItemHandler = Callable[[Connection, Sequence[Item]], Awaitable[None]]
"""Function that processes items of one source in the caller's transaction. It raises `InputError` for an item that can
never be processed."""


class Intake:
    """Stores inbound items in batches: what arrives while one batch is being written goes into the next.

    So a lone request does not wait, and a thousand a second share a commit. Each web application has one.
    """

    def __init__(self) -> None:
        self._waiting: list[_PendingItem] = []
        self._writer: asyncio.Task[None] | None = None

    async def store(
        self,
        runtime: Runtime,
        *,
        source: str,
        dedupe_key: str,
        subject: str,
        payload: Mapping[str, Any],
        at: datetime | None = None,
        done: bool = False,
    ) -> int | None:
        """Store one inbound item, and wake the workers.

        Args:
            runtime: the runtime.
            source: which webhook it came by; decides which handler processes it.
            dedupe_key: the same for every repetition of an item.
            subject: a message, a number or a mailbox; items of one subject are processed in order.
            payload: JSON-able; no NUL characters.
            at: when it was sent, if that was long before now; aware.
            done: store it as processed: it is only there to recognise repetitions.

        Returns:
            The row's id, committed; None if it was stored before, even if it has been deleted since.

        Raises:
            Unavailable: the database does not answer; the provider should try again.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("More comes in than can be stored.", remedy="Please try again in a minute.")
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[int | None] = loop.create_future()
        row = (source, dedupe_key, subject, dict(payload), at or runtime.clock(), done)
        self._waiting.append(_PendingItem(row, stored, loop.time() + in_time.ANSWER_TIMEOUT))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(runtime))
        with as_unavailable():  # the writer enforces the timeout
            inbound_id = await stored
        if inbound_id is not None and not done:
            await runtime.wake("inbound")
        return inbound_id

    async def _write(self, runtime: Runtime) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:BATCH_SIZE], self._waiting[BATCH_SIZE:]
            # clients that got an error will retry: stored now, that retry would look like a repetition
            batch = [arrival for arrival in taken if not arrival.stored.done()]
            if not batch:
                continue
            try:
                # the deadline of the oldest; the timeout also rids the pool of a connection that hangs
                async with asyncio.timeout_at(batch[0].until):
                    await _store(runtime, await _without_links(runtime, batch))
            except Exception as error:  # noqa: BLE001  # reported to those who wait; the next batch has its own try
                for arrival in batch:
                    arrival.tell(error)
            finally:
                for arrival in batch:
                    arrival.tell(TimeoutError("The process is stopping."))


@dataclass(frozen=True, slots=True)
class _PendingItem:
    """Item that waits to be stored: its row, the future for the row's id, and the deadline (the loop's time)."""

    row: _Row
    stored: asyncio.Future[int | None]
    until: float

    @property
    def key(self) -> tuple[str, str]:
        return self.row[:2]

    def tell(self, result: int | Exception | None) -> None:
        """Pass the result to the waiting request, if it still waits."""
        if self.stored.done():
            return
        if isinstance(result, Exception):
            self.stored.set_exception(result)
        else:
            self.stored.set_result(result)


async def _without_links(runtime: Runtime, batch: Sequence[_PendingItem]) -> Sequence[_PendingItem]:
    """Return a batch with sign-in links masked; most items have no sign of a link, and cost no look-up."""
    suspects = {at: arrival.row[2:4] for at, arrival in enumerate(batch) if _might_hold_a_link(arrival.row)}
    if not suspects:
        return batch
    async with runtime.pool.acquire() as db:
        masked = await document_without_links(db, list(suspects.values()), now=runtime.clock())
    safe = list(batch)
    for at, (subject, payload) in zip(suspects, masked, strict=True):
        row = batch[at].row
        safe[at] = replace(batch[at], row=(*row[:2], subject, payload, *row[4:]))
    return safe


def _might_hold_a_link(row: _Row) -> bool:
    _, _, subject, payload, *_ = row
    named = subject.partition(":")[2] or subject  # what is before the colon is ours
    return document_might_hold((named, payload))


async def _store(runtime: Runtime, batch: Sequence[_PendingItem]) -> None:
    """Write a batch in one statement; if that fails, one by one, so that a bad row costs none of the others."""
    try:
        rows = await runtime.pool.fetch(SQL["store_items"], *zip(*(arrival.row for arrival in batch), strict=True))
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.TransactionRollbackError) as error:
        if len(batch) == 1:
            batch[0].tell(error)
            return
        for arrival in batch:
            await _store(runtime, [arrival])
        return
    ids = {(row["source"], row["dedupe_key"]): row["inbound_id"] for row in rows}
    for arrival in batch:
        arrival.tell(ids.pop(arrival.key, None))  # if two items are equal, only the first is new


async def store_done(
    db: Connection, *, source: str, key: str, subject: str, payload: Mapping[str, Any], at: datetime
) -> int:
    """Store an item that the caller's transaction has processed; return its row, the same row for a repetition.

    Args:
        db: in the transaction that does what the item asks for.
        source: the endpoint it came by.
        key: the same for every repetition of the item.
        subject: a message, a number or a mailbox.
        payload: JSON-able; no NUL characters.
        at: when it came; aware.
    """
    kept = await document_without_links(db, dict(payload), now=at)
    inbound_id: int = await db.fetchval(SQL["store_done"], source, key, subject, kept, at)
    return inbound_id


async def store_raw_mail(
    runtime: Runtime,
    *,
    source: str,
    dedupe_key: str,
    subject: str,
    payload: Mapping[str, Any],
    raw: bytes,
    once: tuple[str, str] | None,
) -> int | None:
    """Store an item and its mail, as it came, and wake the workers.

    Args:
        runtime: the runtime.
        source: the endpoint it came by.
        dedupe_key: the same for every repetition of the mail.
        subject: a message, a number or a mailbox; items of one subject are processed in order.
        payload: JSON-able; no NUL characters.
        raw: the mail.
        once: source and key of a token that is accepted once, with whatever item; None for none.

    Returns:
        The row's id, committed; None if the mail or the token was stored before.

    Raises:
        Unavailable: the database does not answer.
    """
    now = runtime.clock()

    async def store() -> int | None:
        async with runtime.pool.acquire() as db:
            words = await document_without_links(db, [subject, dict(payload)], now=now)
            kept = await raw_without_links(db, raw, now=now)
            row = (source, dedupe_key, *words, now, kept, *(once or (None, None)))
            inbound_id: int | None = await db.fetchval(SQL["store_mail"], *row)
            return inbound_id

    inbound_id = await answer_in_time(store())
    if inbound_id is not None:
        await runtime.wake("inbound")
    return inbound_id


async def store_malformed(runtime: Runtime, *, source: str, problem: str, body: bytes) -> None:
    """Keep an unreadable body for a person to look at, cut short and for a while.

    Raises:
        Unavailable: the database does not answer.
    """
    now = runtime.clock()

    async def store() -> None:
        async with runtime.pool.acquire() as db:
            words = await without_links(db, problem, now=now)
            kept = (await raw_without_links(db, body, now=now))[:MALFORMED_CAP]
            row = (source, words, kept, now, now + MALFORMED_LASTS, MALFORMED_KEPT)
            await db.execute(SQL["store_malformed"], *row)

    await answer_in_time(store())


async def process(
    runtime: Runtime, limit: int, handlers: Mapping[str, ItemHandler], *, slow: Collection[str] = ()
) -> int:
    """Process items that are due.

    Args:
        runtime: the runtime.
        limit: most items.
        handlers: the handler of each source.
        slow: the sources whose items take long; only a few of them share a transaction.

    Returns:
        How many items were processed or tried; fewer than `limit` if nothing else is due.
    """
    done = 0
    left = {True: SLOW_BATCH_SIZE, False: BATCH_SIZE}
    while done < limit and left:
        for long, most in list(left.items()):
            async with runtime.pool.acquire() as db, db.transaction():
                await lock_people_shared(db)
                rows = await db.fetch(
                    SQL["claim_due_items"], runtime.clock(), min(most, limit - done), list(slow), long
                )
                for source, group in groupby(sorted(rows, key=_order), key=lambda row: str(row["source"])):
                    await _process(runtime, db, handlers.get(source, _nobody), [Item(**row) for row in group])
            if not rows:  # searching for these again would scan all of the others
                del left[long]
            done += len(rows)
    return done


async def process_now(
    runtime: Runtime, db: Connection, inbound_ids: Collection[int], handlers: Mapping[str, ItemHandler]
) -> bool:
    """Process some waiting items, whether or not they are due.

    Args:
        runtime: the runtime.
        db: a connection without a transaction.
        inbound_ids: which items; they are taken in the order they came.
        handlers: the handler of each source.

    Returns:
        Whether none of them is waiting any more; items that cannot be processed are parked.
    """
    for inbound_id in sorted(inbound_ids):
        async with db.transaction():
            await lock_people_shared(db)
            for row in await db.fetch(SQL["claim_item"], inbound_id):
                await _process(runtime, db, handlers.get(row["source"], _nobody), [Item(**row)])
    return not await find_waiting(db, inbound_ids)


async def find_waiting(db: Connection, inbound_ids: Collection[int]) -> list[int]:
    """Return the items, of some, that have not been processed yet."""
    return [row["inbound_id"] for row in await db.fetch(SQL["list_waiting"], list(inbound_ids))]


def _order(row: asyncpg.Record) -> tuple[str, int]:
    return row["source"], row["inbound_id"]


async def _nobody(_db: Connection, items: Sequence[Item]) -> None:
    raise InputError(f"There is no handler for items from {items[0].source}.")


async def _process(runtime: Runtime, db: Connection, handler: ItemHandler, items: Sequence[Item]) -> None:
    """Process items together; if that fails, one by one, so that a bad one holds up none of the others."""
    try:
        await _finish(runtime, db, handler, items)
    except AWAY:
        raise  # the transaction is lost with all of them: the next round takes them again
    except Exception as error:  # noqa: BLE001  # no error of one item may stop the others
        if len(items) == 1:
            await _postpone(runtime, db, items[0], error)
            return
        for item in items:
            await _process(runtime, db, handler, [item])


async def _finish(runtime: Runtime, db: Connection, handler: ItemHandler, items: Sequence[Item]) -> None:
    async with db.transaction():
        await handler(db, items)
        ids = [item.inbound_id for item in items]
        await db.execute(SQL["finish_items"], ids, runtime.clock())
        await empty_late_arrivals(db, ids)


async def _postpone(runtime: Runtime, db: Connection, item: Item, error: Exception) -> None:
    hopeless = isinstance(error, InputError) or item.attempts + 1 >= MAX_TRIES
    pause = min(timedelta(seconds=2**item.attempts), MAX_PAUSE)
    state = "parked" if hopeless else "new"
    await db.execute(
        SQL["postpone_item"], item.inbound_id, f"{type(error).__name__}: {error}", state, runtime.clock() + pause
    )
    log.warning("an inbound item failed", inbound_id=item.inbound_id, source=item.source, state=state, exc_info=error)
    if hopeless:
        await empty_late_arrivals(db, [item.inbound_id])
        await raise_alert(
            db,
            key=f"inbound:{item.source}",
            severity="warning",
            title=f"An inbound item ({item.source}) could not be processed and was set aside.",
            remedy="Nothing is lost: it is kept as it came. To look at it and try again: docs/inbound.md.",
            detail={"inbound_id": item.inbound_id, "error": type(error).__name__},
        )
