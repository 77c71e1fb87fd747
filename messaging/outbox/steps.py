"""A campaign's steps as delivery sees them: paused, resumed, cancelled, finished when drained.

Each runs in the caller's transaction, so that a campaign and its steps change together. Pausing takes hold at the
gate's last look: what is already on the wire arrives, nothing else leaves.
"""

from __future__ import annotations

from typing import Final

import structlog

from messaging.db import Connection, load_queries

SQL: Final = load_queries(__file__)

log = structlog.get_logger(__name__)


async def pause_steps(db: Connection, campaign_id: int, reason: str) -> int:
    """Stop a campaign's running steps; what is queued waits.

    Args:
        db: in the caller's transaction.
        campaign_id: whose steps.
        reason: why, for the log; the campaign keeps it for people.

    Returns:
        How many steps were running.
    """
    paused = await db.fetch(SQL["pause"], campaign_id)
    log.info("steps paused", campaign_id=campaign_id, steps=len(paused), reason=reason)
    return len(paused)


async def resume_steps(db: Connection, campaign_id: int) -> int:
    """Let a campaign's paused steps go on; returns how many."""
    return len(await db.fetch(SQL["resume"], campaign_id))


async def cancel_steps(db: Connection, campaign_id: int) -> int:
    """End a campaign's steps for good; returns how many queued messages were withdrawn."""
    withdrawn: int = await db.fetchval(SQL["cancel"], campaign_id)
    return withdrawn


async def finish_drained(db: Connection) -> list[int]:
    """Close the running steps that have nothing left to do; returns their ids."""
    finished = [row["step_id"] for row in await db.fetch(SQL["finish_drained"])]
    if finished:
        log.info("steps finished", steps=finished)
    return finished
