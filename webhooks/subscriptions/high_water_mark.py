"""Up to where a ledger can be read without missing what is committed late.

A ledger's ids are handed out before the commit, so id 8 may be there while 7 is still being written. The turnout feed
has its claims noted as they are written and numbers those (`ballots/feed.py`); for the outbox's events,
thousands a second, a second row for each would be felt. So a reader asks for the highest id given out, then for the
transactions that are writing at that moment, and waits until each of these has ended: from then on every id up to that
one is there or never will be. Nobody writes a row more, or waits, for being read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

LOOK: Final = 0.02
"""Seconds between two looks at who is still writing."""
PATIENCE: Final = 1.0
"""Seconds to wait for writers; then the next round tries again."""


async def settled(db: Connection, ledgers: Mapping[str, str], *, patience: float = PATIENCE) -> dict[str, int] | None:
    """The ids up to which each ledger is complete.

    Args:
        db: a connection outside any repeatable-read transaction.
        ledgers: tables, and the identity column of each.
        patience: seconds to wait for those who are writing.

    Returns:
        By table; None where somebody has been writing all the time (a long import, an archive run).
    """
    heads = await ends(db, ledgers)
    tables = list(ledgers)
    writing = await _writers(db, tables)
    waited = 0.0
    while writing:
        if waited >= patience:
            return None
        await asyncio.sleep(LOOK)
        waited += LOOK
        writing &= await _writers(db, tables)
    return heads


async def ends(db: Connection, ledgers: Mapping[str, str]) -> dict[str, int]:
    """The highest id each table has given out, whether or not it can be seen yet."""
    return {table: int(await db.fetchval(SQL["last"], table, column)) for table, column in ledgers.items()}


async def _writers(db: Connection, tables: list[str]) -> set[str]:
    return {row["virtualtransaction"] for row in await db.fetch(SQL["writers"], tables)}
