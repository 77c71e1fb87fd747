"""Archive the messages of campaigns that are long over, by year, and delete archived years.

Messages move in chunks, each in one transaction: if a move is killed, the next move continues with the remaining
messages. Archived messages keep their history (`messaging.outbox.history` reads both places) and count in totals
(`step_total`). Code that sends, receives or shows progress does not read the archive.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg

from core.db import Connection, atomic, load_queries
from core.errors import Conflict, NotFound

SQL: Final = load_queries(__file__)

CHUNK_SIZE: Final = 20_000
"""Messages in one transaction: a second or two of work, during which late receipts for them wait."""


@dataclass(frozen=True, slots=True)
class ArchiveCounts:
    """Counts of rows that were moved to the archive or deleted.

    Attributes:
        messages: moved into the archive.
        events: of their history, moved, too.
        links: deleted; they have stopped working by now.
        page_views: page views of the messages, deleted.
    """

    messages: int = 0
    events: int = 0
    links: int = 0
    page_views: int = 0

    def __add__(self, other: ArchiveCounts) -> ArchiveCounts:
        return ArchiveCounts(
            self.messages + other.messages,
            self.events + other.events,
            self.links + other.links,
            self.page_views + other.page_views,
        )


@dataclass(frozen=True, slots=True)
class Year:
    """Year of the archive.

    Attributes:
        year: the year in which the steps were launched, in UTC.
        bytes: size of its messages and their indexes, without their history.
    """

    year: int
    bytes: int


class PageViewArchive(Protocol):
    """Page views of messages, which a package above keeps, and which are deleted with their messages."""

    async def opened(self, db: Connection, message_ids: Sequence[int]) -> list[int]:
        """Find the messages whose page a person has opened."""

    async def drop(self, db: Connection, message_ids: Sequence[int]) -> int:
        """Delete the page views of messages; return how many there were."""


LateReceipt = tuple[int, datetime, str, str | None, dict[str, Any], int]
"""Receipt for an archived message: its id, time, source, code, detail, and the message's year."""


async def is_sending(db: Connection, now: datetime) -> bool:
    """Tell whether anything is being launched or sent, or is due."""
    return bool(await db.fetchval(SQL["is_sending"], now))


async def archive_chunk(
    db: Connection, step_id: int, page_views: PageViewArchive, *, limit: int = CHUNK_SIZE
) -> ArchiveCounts:
    """Move some of a step's messages into the archive, in one transaction.

    Args:
        db: a connection; inside the caller's transaction, if there is one. Call `ready_year` before.
        step_id: a step; one that is not over is left alone.
        page_views: finds and deletes the messages' page views.
        limit: most messages.

    Returns:
        The counts of what was moved; zeros if the rest is locked, or waits for manual review.
    """
    async with atomic(db):
        ids = [row["message_id"] for row in await db.fetch(SQL["choose_messages"], step_id, limit)]
        if not ids:
            return ArchiveCounts()
        moved = await _move(db, ids, await page_views.opened(db, ids))
        return moved + ArchiveCounts(
            page_views=await page_views.drop(db, ids), links=_count(await db.execute(SQL["delete_links"], ids))
        )


async def archive_transactional(db: Connection, before: datetime, *, limit: int = CHUNK_SIZE) -> ArchiveCounts:
    """Move some old transactional messages into the archive, without their contents, in one transaction.

    Args:
        db: a connection without a transaction.
        before: the time before which they were queued.
        limit: most messages.

    Raises:
        Conflict: the archive is being read, and a year has to be added to it.
    """
    for row in await db.fetch(SQL["list_missing_years"], before):
        async with short_timeouts(db):
            await db.fetchval(SQL["make_year"], row["year"])
    async with db.transaction():
        ids = [row["message_id"] for row in await db.fetch(SQL["choose_transactional"], before, limit)]
        return await _move(db, ids, []) if ids else ArchiveCounts()


async def _move(db: Connection, ids: Sequence[int], opened: Sequence[int]) -> ArchiveCounts:
    await db.execute(SQL["add_totals"], ids, opened)
    await db.execute(SQL["delete_tries"], ids)
    moved = await db.fetchrow(SQL["move_messages"], ids)
    assert moved is not None  # a function gives one row
    return ArchiveCounts(messages=moved["moved"], events=moved["events"])


async def ready_year(db: Connection, step_id: int) -> None:
    """Create the archive's tables for the year a step's messages belong to, unless they exist.

    Args:
        db: a connection without a transaction: readers of the archive wait while this lasts.
        step_id: the step.

    Raises:
        Conflict: the archive is being read.
    """
    row = await db.fetchrow(SQL["find_year"], step_id)
    if row is None or row["made"]:
        return
    async with short_timeouts(db):
        await db.fetchval(SQL["make_year"], row["year"])


async def archived_years(db: Connection) -> list[Year]:
    """Return the years of the archive, the oldest first."""
    return [Year(**row) for row in await db.fetch(SQL["list_years"])]


async def check_year(db: Connection, year: int) -> None:
    """Check that the archive has a year.

    Raises:
        NotFound: it does not; the error names the years it has.
    """
    known = [year.year for year in await archived_years(db)]
    if year not in known:
        raise NotFound(
            f"The archive has no messages of {year}.",
            remedy=f"It has: {', '.join(map(str, known))}." if known else "It is empty.",
        )


@asynccontextmanager
async def short_timeouts(db: Connection) -> AsyncIterator[None]:
    """Open a transaction that changes the archive's tables; it waits two seconds at most for their readers.

    Raises:
        Conflict: the archive is being read for longer.
    """
    try:
        async with db.transaction():
            await db.execute(SQL["set_short_timeouts"])
            yield
    except asyncpg.LockNotAvailableError as error:
        raise Conflict("Somebody is reading the archive just now.", remedy="Try again in a minute.") from error


async def find_archived(db: Connection, message_ids: Collection[int]) -> dict[int, asyncpg.Record]:
    """Find messages in the archive, by id, and lock them until the caller's transaction ends."""
    return {row["message_id"]: row for row in await db.fetch(SQL["find_archived"], list(message_ids))}


async def tell_archived(db: Connection, receipts: Sequence[LateReceipt]) -> None:
    """Add receipts to the history of archived messages, whose state no longer changes."""
    if receipts:
        await db.execute(SQL["record_receipts"], *map(list, zip(*receipts, strict=True)))


def _count(status: str) -> int:
    """Return how many rows a statement deleted, from its status: `DELETE 17`."""
    return int(status.rpartition(" ")[2])
