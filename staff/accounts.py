"""Accounts of the staff: who may use the console, and whose access was taken away."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from core.db import Connection, Pool, load_queries

SQL: Final = load_queries(__file__)


async def list_staff(db: Connection | Pool) -> list[asyncpg.Record]:
    """List the staff: email, name, created_at, disabled_at and signed_in_at; those whose access was taken away last."""
    return await db.fetch(SQL["list_accounts"])


async def disable_staff(db: Connection, staff_id: int, now: datetime) -> None:
    """Take somebody's access away; what they have open is ended by `sign_in.end_access`."""
    await db.execute(SQL["disable"], staff_id, now)


async def enable_staff(db: Connection, staff_id: int) -> None:
    """Give somebody's access back."""
    await db.execute(SQL["enable"], staff_id)
