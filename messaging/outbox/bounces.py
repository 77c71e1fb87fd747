"""Emails that come back: what is done for each weight of a bounce, and the history of soft bounces.

| weight | it speaks of | what is done |
| --- | --- | --- |
| hard | an address that does not exist | suppressed at once |
| soft, full | something that may pass | suppressed after `ENOUGH` messages over `OVER` with no delivery between |
| sender | us: our address, reputation, rate or text | never the recipient; enough of them pause the sender |
| none | our rate of the moment, or theirs | nothing, however often it comes |

`messaging.reports.diagnostics` gives the weight, from the server's code and words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.alerts import raise_alert, resolve_quiet_alert
from core.db import Connection, load_queries
from messaging.states import Reason
from messaging.suppression import suppress

SQL: Final = load_queries(__file__)

ENOUGH: Final = 3
"""Messages that came back softly …"""
OVER: Final = timedelta(days=3)
"""… with at least this much time between the first and the last …"""
WITHIN: Final = timedelta(days=30)
"""… and none of them longer ago than this."""
UNREAD: Final = "bounces:unread"
"""Key of the alert on bounces that nobody can read."""
QUIET: Final = timedelta(days=7)
"""For so long staff are told of them after the last."""


async def note_soft_bounce(db: Connection, message_id: int, *, code: str, at: datetime, source: str) -> bool:
    """Note that an email came back softly; a message counts once. Enough of them suppress its address.

    Args:
        db: in the caller's transaction.
        message_id: which; one that is no email of ours counts for nothing.
        code: why.
        at: when; aware.
        source: who says so.

    Returns:
        Whether the address is suppressed by it.
    """
    address = await db.fetchval(SQL["note"], message_id, code, at)
    if address is None or not await db.fetchval(SQL["is_enough"], address, at - WITHIN, at, ENOUGH, OVER):
        return False
    return await suppress(
        db, channel="email", address=address, reason=Reason.SOFT_BOUNCED, source=source, message_id=message_id
    )


async def address_of(db: Connection, message_id: int) -> str:
    """Where a message went, by which a report about it is read; "" where it is forgotten."""
    return await db.fetchval(SQL["address_of"], message_id) or ""


async def settle_soft_bounces(db: Connection, message_ids: Sequence[int], at: datetime) -> None:
    """Emails were delivered: what came back from those addresses before counts no more.

    Args:
        db: in the caller's transaction.
        message_ids: what was delivered.
        at: when that became known.
    """
    await db.execute(SQL["settle"], list(message_ids), at)


async def tell_of_unread(db: Connection, message_id: int) -> None:
    """Tell staff of a bounce that nobody can read: it counts as soft, and they may know better.

    Args:
        db: in the caller's transaction.
        message_id: which came back.
    """
    await raise_alert(
        db,
        key=UNREAD,
        severity="notice",
        title="Email came back in words that Muster cannot read; it counts as a soft bounce.",
        remedy="See which: muster messages list --reason unread_bounce; then, with the number of each, what the server"
        " said: muster messages why '#NUMBER'.",
        detail={"message_id": message_id},
    )


async def forget_soft_bounces(db: Connection, now: datetime) -> None:
    """Delete what is too old to count, and close the alert on bounces nobody could read where there are no new ones.

    Args:
        db: a connection.
        now: the time.
    """
    await db.execute(SQL["forget"], now - WITHIN)
    await resolve_quiet_alert(db, UNREAD, now - QUIET)
