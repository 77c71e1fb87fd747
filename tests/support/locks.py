"""Locks of PostgreSQL that a test waits for."""

from __future__ import annotations

import asyncio

import pytest

from core.db import Connection


async def waits_for_a_lock(db: Connection) -> None:
    """Until somebody does."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    for _ in range(1000):
        if await db.fetchval(waiting):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody waits")
