"""Filling tables with millions of rows: emptied in the same transaction they need no log, and indexes come last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)
UNLOGGED: Final = {"wal_level": "minimal", "max_wal_senders": "0", "maintenance_work_mem": "512MB"}
"""Settings of a server whose bulk need not be logged: it is measured afterwards."""
_STATEMENT_TIMEOUT: Final = 900


@asynccontextmanager
async def emptied(db: Connection, tables: Sequence[str]) -> AsyncIterator[None]:
    """Empty tables, and let them be filled without indexes; those are built at the end, an order of magnitude quicker.

    Args:
        db: a connection of its own.
        tables: by name. The key of `message` stays: its rows come in order.
    """
    async with db.transaction():
        # rows that refer to nothing missing need not be asked about one by one
        await db.execute("set local session_replication_role = replica")
        indexes = await db.fetch(SQL["indexes"], tables)
        constraints = await db.fetch(SQL["constraints"], tables)
        await db.execute(f"truncate {', '.join(tables)} cascade")
        await db.execute(f"drop index {', '.join(index['name'] for index in indexes)}")
        for constraint in constraints:
            await db.execute(f"alter table {constraint['place']} drop constraint {constraint['name']}")
        yield
        for index in indexes:
            await db.execute(index["made"], timeout=_STATEMENT_TIMEOUT)
        for constraint in constraints:
            await db.execute(f"alter table {constraint['place']} add {constraint['made']}", timeout=_STATEMENT_TIMEOUT)


async def settle(db: Connection, tables: Sequence[str]) -> None:
    """Statistics as autovacuum would have left them, and nothing left to be written."""
    for table in tables:
        await db.execute(f"vacuum (analyze) {table}", timeout=_STATEMENT_TIMEOUT)
    await db.execute("checkpoint", timeout=_STATEMENT_TIMEOUT)
