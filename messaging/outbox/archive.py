"""Where messages go whose campaign is long over: out of the outbox, by the year, and in the end away.

Everything moves in chunks, each one transaction: killed anywhere, a move has happened or it has not, and the next one
goes on with what is left. What is archived still answers for itself (`messaging.outbox.history` reads both places) and
in numbers (`step_total`); what is sent, received or watched never looks here.
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

CHUNK: Final = 20_000
"""Messages in one transaction: a second or two of work, in which late receipts for these wait."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved, and what went with it.

    Attributes:
        messages: put into the archive.
        events: their history, put there too.
        links: deleted; nobody can have opened them for a while.
        visits: looks at their pages, deleted.
    """

    messages: int = 0
    events: int = 0
    links: int = 0
    visits: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(
            self.messages + other.messages,
            self.events + other.events,
            self.links + other.links,
            self.visits + other.visits,
        )


@dataclass(frozen=True, slots=True)
class Year:
    """A year of the archive.

    Attributes:
        year: in which the steps were launched, by UTC.
        bytes: what its messages and their indexes take, without their history.
    """

    year: int
    bytes: int


class PageViewArchive(Protocol):
    """Looks at messages' pages, which are kept above and go with their messages."""

    async def opened(self, db: Connection, message_ids: Sequence[int]) -> list[int]:
        """Find the messages whose page a person has opened."""

    async def drop(self, db: Connection, message_ids: Sequence[int]) -> int:
        """Delete the looks at their pages; returns how many there were."""


LateReceipt = tuple[int, datetime, str, str | None, dict[str, Any], int]
"""A receipt about an archived message: its id, when, by whom, their code, what they said, and the message's year."""


async def is_sending(db: Connection, now: datetime) -> bool:
    """Whether something is being launched or sent, or is due."""
    return bool(await db.fetchval(SQL["is_sending"], now))


async def archive_chunk(db: Connection, step_id: int, visits: PageViewArchive, *, limit: int = CHUNK) -> Moved:
    """Move some of a step's messages into the archive, all of it or nothing.

    Args:
        db: a connection; inside the caller's transaction, if there is one. `ready_year` has been called before.
        step_id: a step; one that is not over is left alone.
        visits: looks at pages, which go too.
        limit: most messages.

    Returns:
        What was moved; nothing where the rest is being used by somebody else, or waits for a decision.
    """
    async with atomic(db):
        ids = [row["message_id"] for row in await db.fetch(SQL["choose"], step_id, limit)]
        if not ids:
            return Moved()
        year = await db.fetchval(SQL["year_of"], step_id)
        await db.execute(SQL["add_totals"], ids, await visits.opened(db, ids))
        await db.execute(SQL["drop_tries"], ids)
        return Moved(
            messages=await db.fetchval(SQL["move_messages"], ids, year),
            events=await db.fetchval(SQL["move_events"], ids),
            visits=await visits.drop(db, ids),
            links=_count(await db.execute(SQL["drop_links"], ids)),
        )


async def ready_year(db: Connection, step_id: int) -> None:
    """See that the archive has the year a step's messages belong to.

    Args:
        db: a connection without a transaction: readers of the archive wait while this lasts.
        step_id: the step.

    Raises:
        Conflict: somebody is reading the archive.
    """
    row = await db.fetchrow(SQL["year_of"], step_id)
    if row is None or row["made"]:
        return
    async with briefly(db):
        await db.fetchval(SQL["make_year"], row["year"])


async def archived_years(db: Connection) -> list[Year]:
    """The years there are messages of in the archive, the oldest first."""
    return [Year(**row) for row in await db.fetch(SQL["years"])]


async def check_year(db: Connection, year: int) -> None:
    """See that the archive has a year.

    Raises:
        NotFound: it does not; names those it has.
    """
    known = [one.year for one in await archived_years(db)]
    if year not in known:
        raise NotFound(
            f"The archive has no messages of {year}.",
            remedy=f"It has: {', '.join(map(str, known))}." if known else "It is empty.",
        )


async def drop_year(db: Connection, year: int, actor: str) -> None:
    """Delete a year's messages and their history, and write that down; their numbers stay.

    Args:
        db: in the caller's short transaction, begun with `briefly`.
        year: which.
        actor: who wants it.

    Raises:
        NotFound: the archive does not have it.
        Conflict: a ballot that some of them are about has not been closed for long enough.
    """
    await check_year(db, year)
    try:
        await db.execute(SQL["drop_year"], year, actor)
    except asyncpg.RaiseError as error:
        raise Conflict(_sentence(error.message), remedy=_sentence(error.hint)) from error


@asynccontextmanager
async def briefly(db: Connection) -> AsyncIterator[None]:
    """A transaction that changes the archive's tables: it waits two seconds for their readers, and no longer.

    Raises:
        Conflict: somebody reads the archive for longer.
    """
    try:
        async with db.transaction():
            await db.execute(SQL["do_not_wait_long"])
            yield
    except asyncpg.LockNotAvailableError as error:
        raise Conflict("Somebody is reading the archive just now.", remedy="Try again in a minute.") from error


async def find_archived(db: Connection, message_ids: Collection[int]) -> dict[int, asyncpg.Record]:
    """Those of some messages that are in the archive, locked until the caller's transaction ends."""
    return {row["message_id"]: row for row in await db.fetch(SQL["archived"], list(message_ids))}


async def tell_archived(db: Connection, receipts: Sequence[LateReceipt]) -> None:
    """Add receipts to the history of archived messages; they change nothing."""
    if receipts:
        await db.execute(SQL["tell"], *map(list, zip(*receipts, strict=True)))


def _sentence(words: str | None) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""


def _count(status: str) -> int:
    """How many rows a statement deleted: `DELETE 17`."""
    return int(status.rpartition(" ")[2])
