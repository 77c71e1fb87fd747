"""Secrets that links in emails were made with: how many links a removed secret has ended.

A link in an email has no row; only the secret that it was made with can read it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from core.member_link_lifetime import LINK_LIFETIME

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class UnreadableEmails:
    """Emails of a campaign whose links lead nowhere.

    Attributes:
        campaign: its name.
        emails: at most how many whose links would all work, as the campaign is not over, or not for long.
        only_unsubscribe: at most how many of which only the link to unsubscribe would.
    """

    campaign: str
    emails: int
    only_unsubscribe: int

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return asdict(self)


async def count_unreadable_emails(db: Connection, secrets: Collection[str], now: datetime) -> list[UnreadableEmails]:
    """Count the emails whose links lead nowhere, because their secret was removed before they expired.

    Args:
        db: a connection.
        secrets: fingerprints of the secrets in the list, as a keyring gives them.
        now: the time.

    Returns:
        A line for each campaign that has any. Emails that were sent after the removal are counted, too, although their
        links work.
    """
    steps = await db.fetch(SQL["list_steps"], list(secrets), now - LINK_LIFETIME)
    if not steps:
        return []
    rows = await db.fetch(
        SQL["count_emails"],
        [row["step_id"] for row in steps],
        [row["is_over"] for row in steps],
        timeout=STATEMENT_TIMEOUT,
    )
    return [UnreadableEmails(row["name"], row["emails"] or 0, row["only_unsubscribe"] or 0) for row in rows]
