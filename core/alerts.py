"""Alerts: what went wrong lately and what to do about it; staff see each until it is resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from core.db import Connection, load_queries
from core.sign_in_links import mask_credentials, mask_document

SQL: Final = load_queries(__file__)

Severity = Literal["notice", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Alert:
    """An open alert.

    Attributes:
        key: the subject; alerts with one key are counted in `times`, not repeated.
        title: the event, in one sentence.
        remedy: the next step for staff, in one sentence.
    """

    alert_id: int
    key: str
    severity: str
    title: str
    remedy: str
    detail: Mapping[str, Any]
    times: int
    first_at: datetime
    last_at: datetime


async def raise_alert(
    db: Connection, *, key: str, severity: Severity, title: str, remedy: str, detail: Mapping[str, Any] | None = None
) -> int:
    """Raise an alert for staff. Raising an open key again counts it and replaces its words.

    Args:
        db: in the caller's transaction.
        key: the subject, such as `sender:12`.
        severity: `error` where something stands still, `warning` if it may soon, `notice` otherwise.
        title: the event, in one sentence, without phone numbers or addresses of members. Providers' words in it may
            name a sign-in link: its token is masked.
        remedy: the next step for staff.
        detail: facts for the person who looks closer.

    Returns:
        The alert's id.
    """
    words = (mask_credentials(title), mask_credentials(remedy), mask_document(detail or {}))
    alert_id: int = await db.fetchval(SQL["raise_alert"], key, severity, *words)
    return alert_id


async def resolve_alert(db: Connection, key: str) -> bool:
    """Close the open alert with this key; return whether there was one."""
    return await db.fetchval(SQL["resolve_alert"], key) is not None


async def resolve_quiet_alert(db: Connection, key: str, before: datetime) -> None:
    """Close the open alert with this key, if it has not been raised again since a time."""
    await db.execute(SQL["resolve_quiet_alert"], key, before)


async def open_alerts(db: Connection) -> list[Alert]:
    """List unresolved alerts, worst first, then newest."""
    return [Alert(**row) for row in await db.fetch(SQL["list_open_alerts"])]


async def empty_alerts(db: Connection, addresses: Sequence[str], likes: Sequence[str]) -> None:
    """Erase addresses from every alert.

    Args:
        db: in the caller's transaction.
        addresses: normalised.
        likes: patterns for LIKE that find them in a squeezed text.
    """
    await db.execute(SQL["erase_addresses"], list(addresses), list(likes))
