"""Retention of the inbound log: processed items are kept for a while as they came, then deleted.

They hold phone numbers, mailboxes and members' words. Their results (claims, replies, events, opt-outs) stay in their
own tables; items that are not processed yet, or could not be, stay too, and so does a mail that only a person can read,
until staff have closed its reply. If no signature proves when an item was sent, anybody who has seen it could send it
again. So a digest of such an item is kept for longer: an old text must not count in the next ballot.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core.db import Connection, load_queries
from core.db.high_water_mark import find_high_water_mark
from messaging.outbox.bounces import delete_old_bounces
from webhooks.email import PROVIDERS
from webhooks.email.certificates import delete_old_certificates
from webhooks.email.inbound_mail import MAIL
from webhooks.email.receiver import source_of
from webhooks.members.page_views import delete_old_views
from webhooks.sms import providers as sms

SQL: Final = load_queries(__file__)

PAGE_SIZE: Final = 20_000
"""Rows in one statement."""
UNDATED: Final = (
    *sms.UNDATED,
    MAIL,
    *(source_of(provider.name) for provider in PROVIDERS if not provider.proves_date),
)
"""Sources whose items can be sent again at any time with the same proof of origin."""
KNOWN_FOR: Final = timedelta(days=400)
"""Time for which a digest of a deleted item is kept, so that the item is known if it is sent again: longer than a year,
as ballots come back each year."""


async def delete_stale_rows(db: Connection, before: datetime, *, now: datetime, page: int = PAGE_SIZE) -> int:
    """Delete processed items that came in before a time, and expired bodies and digests.

    Args:
        db: a connection without a transaction: each page is one.
        before: an item must have been received and processed before this.
        now: the time.
        page: most rows in one statement.

    Returns:
        How many items were deleted.
    """
    await db.execute(SQL["delete_read_mails"])
    await db.execute(SQL["delete_malformed"], now)
    await delete_old_bounces(db, now)
    await delete_old_views(db, now=now, page=page)
    await delete_old_certificates(db, now=now)
    while (await db.execute(SQL["delete_digests"], now - KNOWN_FOR, page)) == f"DELETE {page}":
        pass
    deleted: int = 0
    cursor: int = 0
    while True:
        noted = await db.execute(SQL["note_digests"], cursor, before, page, UNDATED, now)
        if noted != "INSERT 0 0" and await find_high_water_mark(db, {"inbound_log": "inbound_id"}) is None:
            return deleted  # a process that cannot see the digests yet may still store a repetition: deleted next time
        row = await db.fetchrow(SQL["delete_page"], cursor, before, page)
        assert row is not None
        deleted += row["deleted"]
        if row["reached"]:
            return deleted
        cursor = row["last"]
