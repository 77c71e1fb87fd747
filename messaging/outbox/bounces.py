"""Count soft bounces, and suppress an address that has had enough of them.

| weight of a bounce | cause | action |
| --- | --- | --- |
| hard | an address that does not exist | suppressed at once |
| soft, full | for a time | suppressed after `BOUNCES_TO_SUPPRESS` over `MIN_BOUNCE_SPAN`, none delivered between |
| sender | us: our address, reputation, rate or text | never the recipient; enough of them pause the sender |
| none | our rate at the moment, or the mailbox's | none, however often it comes |

`messaging.reports.bounce_classification` decides the weight, from the server's code and words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.alerts import raise_alert, resolve_quiet_alert
from core.db import Connection, load_queries
from messaging.reasons import Reason
from messaging.suppression import suppress

SQL: Final = load_queries(__file__)

BOUNCES_TO_SUPPRESS: Final = 3
"""Messages with a soft bounce …"""
MIN_BOUNCE_SPAN: Final = timedelta(days=3)
"""… with at least this much time between the first and the last …"""
MAX_BOUNCE_AGE: Final = timedelta(days=30)
"""… and none of them longer ago than this."""
UNREAD_BOUNCES_ALERT: Final = "bounces:unread"
"""Key of the alert on bounces that Muster cannot read."""
ALERT_LASTS: Final = timedelta(days=7)
"""Time after the last such bounce until the alert is resolved."""


async def note_soft_bounce(db: Connection, message_id: int, *, code: str, at: datetime, source: str) -> bool:
    """Record a soft bounce of an email, once for each message; enough of them suppress its address.

    Args:
        db: in the caller's transaction.
        message_id: the email; an unknown id is ignored.
        code: why it bounced.
        at: when; aware.
        source: where the bounce comes from.

    Returns:
        Whether this one suppressed the address.
    """
    address = await db.fetchval(SQL["note_bounce"], message_id, code, at)
    if address is None or not await db.fetchval(
        SQL["has_enough_bounces"], address, at - MAX_BOUNCE_AGE, at, BOUNCES_TO_SUPPRESS, MIN_BOUNCE_SPAN
    ):
        return False
    return await suppress(
        db, channel="email", address=address, reason=Reason.SOFT_BOUNCED, source=source, message_id=message_id
    )


async def address_of(db: Connection, message_id: int) -> str:
    """Return the address of a message, to read a report about it; "" if it is not known any more."""
    return await db.fetchval(SQL["find_address"], message_id) or ""


async def discount_soft_bounces(db: Connection, message_ids: Sequence[int], at: datetime) -> None:
    """Discount earlier soft bounces of addresses to which emails were now delivered.

    Args:
        db: in the caller's transaction.
        message_ids: the delivered emails.
        at: when the delivery became known.
    """
    await db.execute(SQL["discount_bounces"], list(message_ids), at)


async def alert_unread_bounces(db: Connection, message_id: int) -> None:
    """Alert staff to a bounce that Muster cannot read: it counts as soft, but staff may know better.

    Args:
        db: in the caller's transaction.
        message_id: the email that bounced.
    """
    await raise_alert(
        db,
        key=UNREAD_BOUNCES_ALERT,
        severity="notice",
        title="An email bounced with a report that Muster cannot read; it counts as a soft bounce.",
        remedy="See which: muster messages list --reason unread_bounce; then, with the number of each, what the server"
        " said: muster messages why '#NUMBER'.",
        detail={"message_id": message_id},
    )


async def delete_old_bounces(db: Connection, now: datetime) -> None:
    """Delete soft bounces that are too old to count, and resolve the alert on unreadable ones if there are no new ones.

    Args:
        db: a connection.
        now: the time.
    """
    await db.execute(SQL["delete_old_bounces"], now - MAX_BOUNCE_AGE)
    await resolve_quiet_alert(db, UNREAD_BOUNCES_ALERT, now - ALERT_LASTS)
