"""Messages of people who were erased: what comes in about them later is dealt with, then emptied (`forget_late`)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries
from core.setting_types import SMS_PROVIDERS
from messaging.outbox.erasure import NEVER

SQL: Final = load_queries(__file__)

_WITHIN: Final = 900
"""Seconds a look through everything that came in may take."""


async def blank_arrivals(db: Connection, inbox_ids: Collection[int], pattern: str) -> None:
    """Empty rows of what came in, and the mails they are.

    Args:
        db: a connection, or in the caller's transaction.
        inbox_ids: which.
        pattern: finds an address in what they are known by.
    """
    await db.execute(SQL["blank"], list(inbox_ids), pattern)
    await db.execute(SQL["drop_mails"], list(inbox_ids))


async def note_erased(
    db: Connection, message_ids: Collection[int], provider_ids: Collection[str], now: datetime
) -> None:
    """Remember which messages were erased, so that nothing said of them later is kept.

    Args:
        db: in the caller's transaction.
        message_ids: ours.
        provider_ids: what providers call them, earlier tries too.
        now: the time.
    """
    subjects = subjects_of(message_ids, provider_ids)
    ids = [*message_ids, *[None] * (len(subjects) - len(message_ids))]
    await db.execute(SQL["note_erased"], subjects, ids, now)


async def forget_late(db: Connection, inbox_ids: Collection[int] | None = None) -> None:
    """Empty what was said of messages whose person is erased, once it has been dealt with.

    Args:
        db: a connection, or in the transaction that dealt with it.
        inbox_ids: what to look at; None for everything.
    """
    if inbox_ids is None:
        rows = await db.fetch(SQL["all_late"], timeout=_WITHIN)
    else:
        rows = await db.fetch(SQL["late"], list(inbox_ids))
    if rows:
        ids = [row["inbox_id"] for row in rows]
        await blank_arrivals(db, ids, NEVER)


async def erased_messages(db: Connection, since: datetime) -> list[int]:
    """Messages of whoever was erased after a moment; those from before are forgotten.

    Args:
        db: a connection.
        since: when.
    """
    await db.execute(SQL["forget_erased"], since)
    return [row["message_id"] for row in await db.fetch(SQL["erased_messages"])]


def subjects_of(message_ids: Collection[int], provider_ids: Collection[str]) -> list[str]:
    """Name messages as the inbox does.

    Args:
        message_ids: ours.
        provider_ids: what providers call them.
    """
    named = [f"{provider}:{one}" for provider in SMS_PROVIDERS for one in provider_ids]
    return [*(f"message:{one}" for one in message_ids), *named]
