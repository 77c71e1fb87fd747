"""Inbound items about messages of erased people: processed when they arrive late, then emptied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from messaging.outbox.erasure import delete_old_notes
from messaging.provider_names import SMS_PROVIDERS

SQL: Final = load_queries(__file__)


async def blank_arrivals(db: Connection, inbound_ids: Collection[int], addresses: Sequence[str]) -> None:
    """Empty rows of the inbound log, and delete the mails that belong to them.

    Args:
        db: a connection, or in the caller's transaction.
        inbound_ids: which rows.
        addresses: of the person, which a dedupe key may hold.
    """
    await db.execute(SQL["empty_items"], list(inbound_ids), list(addresses))
    await db.execute(SQL["delete_mails"], list(inbound_ids))


async def note_erased(
    db: Connection, message_ids: Collection[int], provider_ids: Collection[str], now: datetime
) -> None:
    """Remember which messages were erased, so that nothing that arrives about them later is kept.

    Args:
        db: in the caller's transaction.
        message_ids: our ids of the messages.
        provider_ids: the providers' ids of them, earlier tries included.
        now: the time.
    """
    subjects = subjects_of(message_ids, provider_ids)
    ids = [*message_ids, *[None] * (len(subjects) - len(message_ids))]
    await db.execute(SQL["note_erased"], subjects, ids, now)


async def empty_late_arrivals(db: Connection, inbound_ids: Collection[int] | None = None) -> None:
    """Empty inbound items about messages of erased people, once they have been processed.

    Args:
        db: a connection, or in the transaction that processed them.
        inbound_ids: rows to check; None for all.
    """
    if inbound_ids is None:
        rows = await db.fetch(SQL["list_all_late_items"], timeout=STATEMENT_TIMEOUT)
    else:
        rows = await db.fetch(SQL["list_late_items"], list(inbound_ids))
    if rows:
        ids = [row["inbound_id"] for row in rows]
        await blank_arrivals(db, ids, ())


async def erased_messages(db: Connection, since: datetime) -> list[int]:
    """List the messages of people erased since a moment, and forget earlier erasures.

    Args:
        db: a connection.
        since: the moment.
    """
    await db.execute(SQL["delete_old_notes"], since)
    await delete_old_notes(db, since)
    return [row["message_id"] for row in await db.fetch(SQL["list_erased_messages"])]


def subjects_of(message_ids: Collection[int], provider_ids: Collection[str]) -> list[str]:
    """Return the subjects under which the inbound log files items about these messages.

    Args:
        message_ids: our ids of the messages.
        provider_ids: the providers' ids of them.
    """
    named = [f"{provider}:{provider_id}" for provider in SMS_PROVIDERS for provider_id in provider_ids]
    return [*(f"message:{message_id}" for message_id in message_ids), *named]
