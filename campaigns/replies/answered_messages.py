"""Lookup of the message that a reply answers, and of its text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import asyncpg

from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries
from core.errors import NotFound
from messaging.content.sent import render_again
from messaging.outbox.transactional import KEEPS_MENU

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

    That is the last message to its author, whoever wrote it. One without a campaign is found as `transactional`: it
    takes no answers, and its `subject` is what the conversation is about, or None. Those of `KEEPS_MENU` are passed
    over, and a mail of theirs stands for the message it is about.

    Args:
        db: a connection.
        channel: of the reply.
        address: the address it came from.
        senders: our numbers or mailboxes it was sent to.
        at: when it came.
        message_id: the message it proves to answer; None to find the latest one between these addresses.
    """
    kept = sorted(KEEPS_MENU)
    if message_id is None:
        where = (channel, address, list(senders), at, kept)
        message_id = await db.fetchval(SQL["find_latest"], *where) or await db.fetchval(
            SQL["find_latest_archived"], *where
        )
        if message_id is None:
            return None
    by_id = (channel, message_id, kept)
    return await db.fetchrow(SQL["find_by_id"], *by_id) or await db.fetchrow(SQL["find_archived_by_id"], *by_id)


def asked_about(message: asyncpg.Record | None) -> Subject | None:
    """Return what a reply to a message can answer; None where it takes no answers, or is not known."""
    if message is None or message["transactional"] or message["subject"] is None:
        return None
    return subject_of(message["subject"])


async def answered_message(db: Connection, message_id: int) -> asyncpg.Record:
    """Return the message that an answer is for: its recipient, address, sender, campaign and subject.

    Args:
        db: a connection.
        message_id: the message, or one of the conversation that began with it.

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
    if message_id is None:
        return ()
    alone = await db.fetchval(SQL["find_own_text"], message_id)
    return (alone,) if alone else sent_words(await db.fetchrow(SQL["find_template"], message_id))


def sent_words(message: asyncpg.Record | None) -> tuple[str, ...]:
    """Return the same for a row that was found: it has `channel`, `content`, `constants` and `variables`."""
    if message is None or message["content"] is None:
        return ()
    return render_again(message["content"], message["constants"], message["channel"], message["variables"] or {})
