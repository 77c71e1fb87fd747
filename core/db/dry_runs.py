"""Transactions that are rolled back at their end, unless the caller decides to keep them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.db.pool import Connection, Pool


@dataclass(slots=True)
class DryRun:
    """Transaction that is undone at its end, unless `is_kept` says otherwise by then."""

    is_kept: bool


@asynccontextmanager
async def dry_run(db: Connection, *, keep: bool = False) -> AsyncIterator[DryRun]:
    """Open a transaction that is kept at its end, or rolled back; on an error nothing of it stays.

    Args:
        db: a connection without a transaction.
        keep: whether to keep it; the block may still decide otherwise by setting `is_kept`.
    """
    decision = DryRun(keep)
    transaction = db.transaction()
    await transaction.start()
    try:
        yield decision
    except BaseException:
        if not db.is_closed():  # else the server has rolled back, and its error is the one to report
            await transaction.rollback()
        raise
    await (transaction.commit() if decision.is_kept else transaction.rollback())


@asynccontextmanager
async def all_or_nothing(pool: Pool, *, keep: bool) -> AsyncIterator[Connection]:
    """Open a connection with such a transaction.

    Args:
        pool: the database.
        keep: False for a dry run.
    """
    async with pool.acquire() as db, dry_run(db, keep=keep):
        yield db
