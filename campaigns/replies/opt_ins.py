"""Opt-ins by reply: when an address last asked for messages, such as by a text of START."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


async def last_opt_ins(
    db: Connection, channels: Sequence[str], addresses: Sequence[str]
) -> Mapping[tuple[str, str], datetime]:
    """Return when addresses last asked for messages; those that never did are left out.

    Args:
        db: a connection.
        channels: the channel of each address.
        addresses: normalised.
    """
    rows = await db.fetch(SQL["list_last_opt_ins"], channels, addresses)
    return {(row["channel"], row["address"]): row["at"] for row in rows}
