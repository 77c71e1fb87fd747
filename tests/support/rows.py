"""Rows that a test reads from its database."""

from __future__ import annotations

from asyncpg import Record

from core.db import Connection


async def row_of(db: Connection, query: str, *arguments: object) -> Record:
    """Fetch the first row of a query that has one."""
    row = await db.fetchrow(query, *arguments)
    assert row is not None, f"no row: {query}"
    return row
