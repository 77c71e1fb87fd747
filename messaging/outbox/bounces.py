"""Emails that come back: what an enhanced status code (RFC 3463) says of an address, and the history of soft bounces.

| code | what it speaks of | what is done |
| --- | --- | --- |
| 5.1.x, 5.2.1 | the address does not exist | suppressed at once |
| 4.x.x, 5.2.2 | something that may pass | suppressed after `ENOUGH` messages over `OVER` with no delivery between |
| 4.7.x | our rate or reputation | nothing: it says nothing about the recipient, however often it comes |
| 5.3.x, 5.7.x | the system, and us, the sender | never the recipient; enough of them pause the sender |
| anything else | this message | nothing more |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from messaging.channels.smtp_codes import PERMANENT
from messaging.db import Connection, load_queries
from messaging.outbox.states import Reason
from messaging.suppression import suppress

SQL: Final = load_queries(__file__)

ENOUGH: Final = 3
"""Messages that came back softly …"""
OVER: Final = timedelta(days=3)
"""… with at least this much time between the first and the last …"""
WITHIN: Final = timedelta(days=30)
"""… and none of them longer ago than this."""

_ENHANCED: Final = re.compile(
    r"(?<![\d.])(?P<code>(?P<class>[245])\.(?P<subject>\d{1,3})\.(?P<detail>\d{1,3}))(?![\d.]*\d)"
)
_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class Judged:
    """What a bounce says.

    Attributes:
        reason: in our words.
        soft: it may pass: it counts, and enough of them suppress.
        code: the enhanced code that decided; "" where there is none.
    """

    reason: Reason
    soft: bool = False
    code: str = ""


UNKNOWN: Final = Judged(Reason.RECIPIENT_REFUSED)


def judge_bounce(status: str, words: str = "", otherwise: Judged = UNKNOWN) -> Judged:
    """What the status of an email that came back means.

    Args:
        status: `5.1.1`, as a report or a provider gives it; may be empty.
        words: what the server said; looked into where the status is missing or says nothing (`5.0.0`).
        otherwise: where no code is found.
    """
    codes = [
        found for text in (status, words) for found in _ENHANCED.finditer(text[:_LONGEST]) if found["class"] != "2"
    ]
    found = next((one for one in codes if one["subject"] != "0"), codes[0] if codes else None)
    if found is None:
        return otherwise
    code, subject = found["code"], found["subject"]
    if subject == "0":  # RFC 3463: nothing more is known
        return Judged(otherwise.reason, found["class"] == "4" or otherwise.soft, code)
    if found["class"] == "4":
        reason = Reason.MAILBOX_FULL if code == "4.2.2" else Reason.EXPIRED_AT_PROVIDER
        return Judged(Reason.BUSY if subject == "7" else reason, subject != "7", code)
    reason = PERMANENT.get(f"{subject}.{found['detail']}") or PERMANENT.get(subject) or otherwise.reason
    return Judged(reason, reason is Reason.MAILBOX_FULL, code)


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


async def settle_soft_bounces(db: Connection, message_ids: Sequence[int], at: datetime) -> None:
    """Emails were delivered: what came back from those addresses before counts no more.

    Args:
        db: in the caller's transaction.
        message_ids: what was delivered.
        at: when that became known.
    """
    await db.execute(SQL["settle"], list(message_ids), at)


async def forget_soft_bounces(db: Connection, before: datetime) -> None:
    """Delete what is too old to count.

    Args:
        db: a connection.
        before: a time at least `WITHIN` ago.
    """
    await db.execute(SQL["forget"], before)
