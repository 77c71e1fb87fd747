"""Grants: roles of accounts in units, for a time; given and revoked with a note in the audit, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from core.access import Grant
from core.db import Connection, load_queries
from staff.roles import permissions_of

SQL: Final = load_queries(__file__)


async def grants_of(db: Connection, staff_id: int, now: datetime) -> tuple[Grant, ...]:
    """Return the grants of an account that are in force.

    Args:
        db: a connection.
        staff_id: whose.
        now: the time, aware.
    """
    rows = await db.fetch(SQL["list_in_force"], staff_id, now)
    return tuple(Grant(row["role"], row["unit_id"], permissions_of(row["role"])) for row in rows)
