"""Erase a person's data from messages, in the outbox and in the archive.

Each message keeps its row, its step, its state and the events of its history, so that no count changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import asyncpg

from core.db import STATEMENT_TIMEOUT, Connection, load_queries

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Written:
    """Messages written to a person or an address.

    Attributes:
        messages: ids of those in the outbox.
        archived: ids of those in the archive.
        provider_ids: providers' ids of them, including the ids of earlier tries.
    """

    messages: tuple[int, ...]
    archived: tuple[int, ...]
    provider_ids: frozenset[str]

    @property
    def ids(self) -> list[int]:
        """Ids of all of them."""
        return [*self.messages, *self.archived]


async def written_to(db: Connection, person_id: int, own: Sequence[tuple[str, str]]) -> Written:
    """Find the messages to a person, and messages to addresses of theirs alone from when these were nobody's.

    Args:
        db: a connection.
        person_id: the person.
        own: channel and address of each address that nobody else has.
    """
    to_nobody = [row for place in own for row in await db.fetch(SQL["list_to_nobody"], *place)]
    hot = await db.fetch(SQL["list_of_person"], person_id)
    return await _written(
        db,
        [*hot, *(row for row in to_nobody if not row["archived"])],
        [
            *await db.fetch(SQL["list_of_person_archived"], person_id),
            *(row for row in to_nobody if row["archived"]),
        ],
    )


async def written_to_address(db: Connection, channel: str, address: str, known: Written | None = None) -> Written:
    """Find the messages to an address.

    Args:
        db: a connection.
        channel: `sms` or `email`.
        address: normalised.
        known: a result from a moment ago, whose archived messages are used; None to scan the whole archive.
    """
    hot = await db.fetch(SQL["list_to_address"], channel, address)
    if known is None:
        return await _written(
            db, hot, await db.fetch(SQL["list_to_address_archived"], channel, address, timeout=STATEMENT_TIMEOUT)
        )
    new = await _written(db, hot, [])
    return replace(new, archived=known.archived, provider_ids=new.provider_ids | known.provider_ids)


async def _written(db: Connection, hot: Sequence[asyncpg.Record], archived: Sequence[asyncpg.Record]) -> Written:
    ids = [row["message_id"] for row in hot]
    earlier = {row["provider_id"] for row in await db.fetch(SQL["list_tries"], ids)}
    both = [*hot, *archived]
    return Written(
        messages=tuple(ids),
        archived=tuple(row["message_id"] for row in archived),
        provider_ids=frozenset(earlier | {row["provider_id"] for row in both if row["provider_id"] is not None}),
    )


async def hold_messages(db: Connection, message_ids: Sequence[int]) -> None:
    """Lock messages, all or none, without waiting, so that this never causes a deadlock.

    Args:
        db: in the caller's transaction.
        message_ids: messages in the outbox; those in the archive need no lock.

    Raises:
        asyncpg.LockNotAvailableError: one of them is locked at this moment; begin again.
    """
    await db.fetch(SQL["lock_messages"], list(message_ids))


async def empty_messages(db: Connection, written: Written, addresses: Sequence[str]) -> int:
    """Withdraw messages that have not left, and erase from all the personal variables and providers' ids.

    Args:
        db: in the caller's transaction, which has locked them.
        written: the messages.
        addresses: email addresses whose soft bounces are deleted.

    Returns:
        How many were withdrawn.
    """
    return await _empty(db, written.messages, written.archived, addresses)


async def keep_places(db: Connection, written: Written, shared: Sequence[tuple[str, str]]) -> None:
    """Keep the addresses, of messages about to be erased, that other people share: these may still unsubscribe.

    Args:
        db: in the caller's transaction, which has locked them.
        written: the messages.
        shared: channel and address of each address that other people have, too.
    """
    await db.execute(SQL["keep_places"], list(written.messages), *_columns(shared))


async def delete_places(db: Connection, addresses: Sequence[tuple[str, str]]) -> None:
    """Delete kept addresses of messages to people erased before, once nobody else has these addresses."""
    await db.execute(SQL["delete_places"], *_columns(addresses))


async def delete_old_places(db: Connection, campaigns: Sequence[int]) -> None:
    """Delete kept addresses of messages to erased people once the links in them have stopped working.

    Args:
        db: a connection.
        campaigns: ids of the campaigns whose links still work.
    """
    await db.execute(SQL["delete_old_places"], list(campaigns))


async def in_flight(db: Connection, written: Written) -> int:
    """Return how many of the messages are in flight, so that an outcome will still be recorded for them."""
    count: int = await db.fetchval(SQL["count_in_flight"], list(written.messages))
    return count


async def empty_again(db: Connection, message_ids: Sequence[int]) -> None:
    """Erase providers' ids and words that were recorded since about messages of an erased person.

    Args:
        db: in the caller's transaction, which has locked them.
        message_ids: messages in the outbox or the archive.
    """
    await _empty(db, message_ids, message_ids, ())
    await db.execute(SQL["empty_history"], list(message_ids))


async def delete_old_notes(db: Connection, since: datetime) -> None:
    """Delete the notes of which messages were erased before a moment: nothing more is recorded about these."""
    await db.execute(SQL["delete_old_notes"], since)


async def _empty(db: Connection, messages: Sequence[int], archived: Sequence[int], addresses: Sequence[str]) -> int:
    hot = list(messages)
    withdrawn: int = await db.fetchval(SQL["withdraw"], hot)
    await db.execute(SQL["empty_messages"], hot)
    await db.execute(SQL["empty_transactional"], [*hot, *archived])
    await db.execute(SQL["empty_archived"], list(archived))
    await db.execute(SQL["delete_tries"], hot)
    await db.execute(SQL["delete_links"], hot)
    await db.execute(SQL["delete_bounces"], [*{*messages, *archived}], list(addresses))
    return withdrawn


def _columns(addresses: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [address[0] for address in addresses], [address[1] for address in addresses]
