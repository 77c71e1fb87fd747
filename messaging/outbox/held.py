"""What waits for a person to decide: messages of unknown outcome, and senders that were stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from messaging.alerts import resolve_alert
from messaging.db import Connection, load_queries
from messaging.errors import NotFound
from messaging.outbox.senders import resume_sender

SQL: Final = load_queries(__file__)


async def settle_held(db: Connection, *, again: bool, actor: str, now: datetime) -> int:
    """Decide about every message that is held because nobody knows whether it left.

    Args:
        db: in the caller's transaction.
        again: send them again; False to count them as sent.
        actor: who decided.
        now: from when on they may go.

    Returns:
        How many there were.
    """
    settled: int = await db.fetchval(SQL["settle"], again, now, actor)
    await resolve_alert(db, "held")
    return settled


async def resume_by_address(db: Connection, address: str, *, now: datetime) -> int:
    """Let a sender send again, by the number or mailbox people know it by.

    Returns:
        How many messages it had been refused are tried again.

    Raises:
        NotFound: there is no such sender; names those that are stopped.
    """
    sender = await db.fetchrow(SQL["sender"], address)
    if sender is None:
        stopped = [row["address"] for row in await db.fetch(SQL["paused"])]
        remedy = f"These are stopped: {', '.join(stopped)}" if stopped else "No sender is stopped."
        raise NotFound(f"Nothing is sent from {address}.", remedy=remedy)
    return await resume_sender(db, sender["sender_id"], now=now)
