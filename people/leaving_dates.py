"""Leaving dates: from when somebody is no longer a member, and from when no query for members finds them.

Only the people themselves change here. The ballots they leave, and the messages that are stopped, are the work of
`ballots.leavers`, which calls this in its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from core.db import STATEMENT_TIMEOUT, Connection, load_queries

SQL: Final = load_queries(__file__)


async def set_leaving_dates(db: Connection, people: Sequence[int], dates: Sequence[datetime], *, now: datetime) -> None:
    """Set the leaving dates of people who are not struck off yet.

    Args:
        db: in the caller's transaction.
        people: their ids.
        dates: the moment from which each is no longer a member; aware.
        now: the time.
    """
    await db.execute(SQL["set_dates"], people, dates, now, timeout=STATEMENT_TIMEOUT)


async def due_leavers(db: Connection, now: datetime) -> list[int]:
    """Return the ids of members whose leaving date has come."""
    return [row["person_id"] for row in await db.fetch(SQL["find_due_leavers"], now)]


async def mark_struck_off(db: Connection, people: Sequence[int], now: datetime) -> None:
    """Mark people as struck off: from here on no query for members finds them."""
    await db.execute(SQL["strike_off"], people, now)


async def clear_leaving_dates(db: Connection, people: Sequence[int], now: datetime) -> list[asyncpg.Record]:
    """Make people members again; return the number and id of those who had left, or were going to."""
    return await db.fetch(SQL["clear_dates"], people, now)
