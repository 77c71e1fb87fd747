"""Lookup of the message that a reply answers, and of its text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import asyncpg

from core.db import Connection, load_queries
from core.errors import NotFound
from messaging.content.sent import render_again

SQL: Final = load_queries(__file__)


async def find_answered(
    db: Connection,
    *,
    channel: Literal["sms", "email"],
    address: str,
    senders: Sequence[str],
    at: datetime,
    message_id: int | None = None,
) -> asyncpg.Record | None:
    """Find the message a reply answers; the archive is searched only where there is none in the outbox.

    Args:
        db: a connection.
        channel: of the reply.
        address: the address it came from.
        senders: our numbers or mailboxes it was sent to.
        at: when it came.
        message_id: the message it proves to answer; None to find the latest one between these addresses.
    """
    if message_id is not None:
        by_id = (channel, message_id)
        return await db.fetchrow(SQL["find_by_id"], *by_id) or await db.fetchrow(SQL["find_archived_by_id"], *by_id)
    where = (channel, address, list(senders), at)
    return await db.fetchrow(SQL["find_latest"], *where) or await db.fetchrow(SQL["find_latest_archived"], *where)


async def answered_message(db: Connection, message_id: int) -> asyncpg.Record:
    """Return the message that an answer by its link is for: its recipient, address, sender, campaign and subject.

    Raises:
        NotFound: no such message.
    """
    row = await db.fetchrow(SQL["find_message"], message_id) or await db.fetchrow(
        SQL["find_archived_message"], message_id
    )
    if row is None:
        raise NotFound(f"There is no message {message_id}.")
    return row


async def words_of(db: Connection, message_id: int | None) -> tuple[str, ...]:
    """Return a message's text in each of its forms; nothing where the message no longer exists."""
    row = await db.fetchrow(SQL["find_template"], message_id) if message_id is not None else None
    return sent_words(row)


def sent_words(message: asyncpg.Record | None) -> tuple[str, ...]:
    """Return the same for a row that was found: it has `channel`, `content`, `constants` and `variables`."""
    if message is None or message["content"] is None:
        return ()
    return render_again(message["content"], message["constants"], message["channel"], message["variables"] or {})
