"""Clients of the listener for mail."""

from __future__ import annotations

from datetime import UTC, datetime

from core.db import Connection

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def state_of(db: Connection, message_id: int) -> tuple[str, str | None]:
    row = await db.fetchrow("select state::text, reason from message where message_id = $1", message_id)
    assert row is not None
    return row["state"], row["reason"]
