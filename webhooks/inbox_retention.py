"""What came in and has been dealt with: kept for a while as it came, then deleted, for it holds numbers and words.

What it came to (claims, replies, events, opt-outs) stays where it was written. What nobody has processed yet, or could
not, stays too. Of what anybody could send again who had seen it, because no signature says when it was sent, a digest
stays for longer: an old text must not count in the next ballot.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core.db import Connection, load_queries
from messaging.outbox.bounces import forget_soft_bounces
from webhooks.email import PROVIDERS
from webhooks.email.certificates import forget_certificates
from webhooks.email.mail_server import MAIL
from webhooks.email.receiver import source_of
from webhooks.members.page_views import forget_looks
from webhooks.sms import twilio, vonage
from webhooks.subscriptions.high_water_mark import settled

SQL: Final = load_queries(__file__)

PAGE: Final = 20_000
"""Rows in one statement."""
UNDATED: Final = (
    twilio.STATUS,
    twilio.INBOUND,
    vonage.STATUS,
    vonage.INBOUND,
    MAIL,
    *(source_of(provider.name) for provider in PROVIDERS if not provider.proves_date),
)
"""Sources that say the same again with the same proof, whenever that is."""
KNOWN_FOR: Final = timedelta(days=400)


async def drop_leftovers(db: Connection, before: datetime, *, now: datetime, page: int = PAGE) -> int:
    """Delete what came in before a time and is done, and what else here has outlived its use.

    Args:
        db: a connection without a transaction: each page is one.
        before: when it came in and was done.
        now: the time.
        page: most rows in one statement.

    Returns:
        How many were deleted from the inbox.
    """
    await db.execute(SQL["drop_malformed"], now)
    await forget_soft_bounces(db, now)
    await forget_looks(db, now=now, page=page)
    await forget_certificates(db, now=now)
    while (await db.execute(SQL["drop_digests"], now - KNOWN_FOR, page)) == f"DELETE {page}":
        pass
    deleted: int = 0
    cursor: int = 0
    while True:
        noted = await db.execute(SQL["note_page"], cursor, before, page, UNDATED, now)
        if noted != "INSERT 0 0" and await settled(db, {"inbox": "inbox_id"}) is None:
            return deleted  # somebody who has not seen the digests yet may still store a repetition: next time
        row = await db.fetchrow(SQL["drop_page"], cursor, before, page)
        assert row is not None
        deleted += row["deleted"]
        if row["reached"]:
            return deleted
        cursor = row["last"]
