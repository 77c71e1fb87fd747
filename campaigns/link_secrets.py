"""Secrets that links in emails were made with: how many links a removed secret has ended.

A link in an email has no row; only the secret that it was made with can read it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries
from core.member_link_lifetime import LINK_LIFETIME

SQL: Final = load_queries(__file__)


async def count_unreadable_emails(db: Connection, secrets: Collection[str], now: datetime) -> Mapping[str, int]:
    """Count the emails whose links lead nowhere, because their secret was removed before they expired.

    Args:
        db: a connection.
        secrets: fingerprints of the secrets in the list, as a keyring gives them.
        now: the time.

    Returns:
        For each campaign that has any, by its name, at most how many: emails that were sent after the removal are among
        them, although their links work.
    """
    steps = [row["step_id"] for row in await db.fetch(SQL["list_steps"], list(secrets), now - LINK_LIFETIME)]
    if not steps:
        return {}
    return {row["name"]: row["emails"] for row in await db.fetch(SQL["count_emails"], steps)}
