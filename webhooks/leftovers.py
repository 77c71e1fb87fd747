"""What came in and has been dealt with: kept for a while as it came, then deleted, for it holds numbers and words.

What it came to (claims, replies, events, opt-outs) stays where it was written. What nobody has processed yet, or could
not, stays too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from messaging.db import Connection, load_queries
from messaging.outbox.bounces import forget_soft_bounces

SQL: Final = load_queries(__file__)

PAGE: Final = 20_000
"""Rows in one statement."""


async def drop_leftovers(db: Connection, before: datetime, *, now: datetime, page: int = PAGE) -> int:
    """Delete what came in before a time and is done, and bodies whose time is up.

    Args:
        db: a connection without a transaction: each page is one.
        before: when it came in and was done.
        now: the time.
        page: most rows in one statement.

    Returns:
        How many were deleted from the inbox.
    """
    await db.execute(SQL["drop_malformed"], now)
    await forget_soft_bounces(db, now)
    deleted: int = 0
    cursor: int = 0
    while True:
        row = await db.fetchrow(SQL["drop_page"], cursor, before, page)
        assert row is not None
        deleted += row["deleted"]
        if row["reached"]:
            return deleted
        cursor = row["last"]
