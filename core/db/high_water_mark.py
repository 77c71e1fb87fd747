"""High-water mark: how far a table can be read without missing rows that are committed late.

Ids are handed out before the commit, so id 8 may be visible while 7 is still being written. The turnout feed numbers
its claims in a second table (`ballots/feed.py`); for the outbox's thousands of events a second, a second row for each
would cost too much. So a reader asks for the highest id given out, then for the transactions that are writing at that
moment, and waits until each of these has ended: from then on every id up to that one is visible or never will be.
Writers do no extra work and never wait for this reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

LOOK_EVERY: Final = 0.02
"""Seconds between two checks for open writers."""
WRITERS_TIMEOUT: Final = 1.0
"""Seconds to wait for writers; after that the next round tries again."""


async def find_high_water_mark(
    db: Connection, sources: Mapping[str, str], *, writers_timeout: float = WRITERS_TIMEOUT
) -> dict[str, int] | None:
    """Return the highest id up to which each table is complete.

    Args:
        db: a connection outside any repeatable-read transaction.
        sources: tables, and the identity column of each.
        writers_timeout: seconds to wait for open writers.

    Returns:
        By table; None if a writer has not ended in that time (a long import, an archive run).
    """
    heads = await high_water_marks(db, sources)
    tables = list(sources)
    writing = await _writers(db, tables)
    waited = 0.0
    while writing:
        if waited >= writers_timeout:
            return None
        await asyncio.sleep(LOOK_EVERY)
        waited += LOOK_EVERY
        writing &= await _writers(db, tables)
    return heads


async def high_water_marks(db: Connection, sources: Mapping[str, str]) -> dict[str, int]:
    """Return the highest id each table has given out, whether or not its row is visible yet."""
    return {table: int(await db.fetchval(SQL["find_highest_id"], table, column)) for table, column in sources.items()}


async def _writers(db: Connection, tables: list[str]) -> set[str]:
    return {row["virtualtransaction"] for row in await db.fetch(SQL["list_writers"], tables)}
