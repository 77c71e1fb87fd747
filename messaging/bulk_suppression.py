"""Suppress many addresses or people at once: a list, or members who have left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from core.db import STATEMENT_TIMEOUT, Connection, load_queries

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class SuppressionCounts:
    """Counts of suppressions that were added at once.

    Attributes:
        added: new suppressions.
        lifted_since: entries that were ignored, because their owner has asked for messages again since.
        by_reason: new suppressions by reason.
        withdrawn: queued messages that were withdrawn.
    """

    added: int
    lifted_since: int
    by_reason: Counter[str]
    withdrawn: int


async def suppress_many(db: Connection, entries: Sequence[Mapping[str, Any] | asyncpg.Record]) -> SuppressionCounts:
    """Suppress many addresses or people, and withdraw their queued messages.

    Args:
        db: in the caller's transaction.
        entries: each with `channel`, `address` (a person's id where the channel is `person`), `purpose`, `reason`,
            `source` and `since`.

    Returns:
        The counts.
    """
    names = ("channel", "address", "purpose", "reason", "source", "since")
    done = await db.fetch(
        SQL["suppress"], *([row[name] for row in entries] for name in names), timeout=STATEMENT_TIMEOUT
    )
    fresh = [row["event_id"] for row in done if row["event_id"] is not None]
    withdrawn = 0
    for name in ("withdraw_addresses", "withdraw_people", "withdraw_transactional"):
        withdrawn += await db.fetchval(SQL[name], fresh, timeout=STATEMENT_TIMEOUT)
    reasons = Counter(row["reason"] for row in done if row["event_id"] is not None)
    return SuppressionCounts(len(fresh), sum(row["lifted"] for row in done), reasons, withdrawn)
