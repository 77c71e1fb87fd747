"""Takes out of messages what they say of the person they were for; that they were, and what became of them, stays.

Each message keeps its row, its step, its state and its history's events, so that every count stays what it was. The
archive is dealt with in the same way, whatever the year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import asyncpg

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

NEVER: Final = r"\A(?!x)x"
"""A regular expression that finds nothing."""
_WITHIN: Final = 900
"""Seconds a look through the whole archive may take."""


@dataclass(frozen=True, slots=True)
class Written:
    """What has been written to somebody.

    Attributes:
        messages: ids of those in the outbox.
        archived: ids of those in the archive.
        addresses: where they went, with their channel.
        provider_ids: what providers call them, earlier tries too.
    """

    messages: tuple[int, ...]
    archived: tuple[int, ...]
    addresses: frozenset[tuple[str, str]]
    provider_ids: frozenset[str]

    @property
    def ids(self) -> list[int]:
        """All of them."""
        return [*self.messages, *self.archived]


async def written_to(db: Connection, person_id: int) -> Written:
    """Find what was written to a person."""
    hot = await db.fetch(SQL["of_person"], person_id)
    return await _written(db, hot, await db.fetch(SQL["of_person_archived"], person_id))


async def written_to_address(db: Connection, channel: str, address: str, known: Written | None = None) -> Written:
    """Find what was written to an address.

    Args:
        db: a connection.
        channel: `sms` or `email`.
        address: normalised.
        known: what was found just now; else the whole archive is read.
    """
    hot = await db.fetch(SQL["to_address"], channel, address)
    if known is None:
        return await _written(db, hot, await db.fetch(SQL["to_address_archived"], channel, address, timeout=_WITHIN))
    new = await _written(db, hot, [])
    return replace(new, archived=known.archived, provider_ids=new.provider_ids | known.provider_ids)


async def _written(db: Connection, hot: Sequence[asyncpg.Record], archived: Sequence[asyncpg.Record]) -> Written:
    ids = [row["message_id"] for row in hot]
    earlier = {row["provider_id"] for row in await db.fetch(SQL["tries"], ids)}
    both = [*hot, *archived]
    return Written(
        messages=tuple(ids),
        archived=tuple(row["message_id"] for row in archived),
        addresses=frozenset((row["channel"], row["address"]) for row in both if row["address"] is not None),
        provider_ids=frozenset(earlier | {row["provider_id"] for row in both if row["provider_id"] is not None}),
    )


async def hold_messages(db: Connection, message_ids: Sequence[int]) -> None:
    """Lock messages, all or none; nobody waits for us who holds what we still want.

    Args:
        db: in the caller's transaction.
        message_ids: which; those in the archive need no lock.

    Raises:
        asyncpg.LockNotAvailableError: somebody is at one of them this instant; begin again.
    """
    await db.fetch(SQL["hold"], list(message_ids))


async def empty_messages(db: Connection, written: Written, addresses: Sequence[str]) -> int:
    """Withdraw what has not left, and take out of all what they say of their person and providers call them.

    Args:
        db: in the caller's transaction, which holds them.
        written: which.
        addresses: whose bounces are no longer counted.

    Returns:
        How many were withdrawn.
    """
    return await _empty(db, written.messages, written.archived, addresses)


async def keep_places(db: Connection, written: Written, shared: Sequence[tuple[str, str]]) -> None:
    """Keep where messages went that are about to be emptied, where others have that address and may still stop them.

    Args:
        db: in the caller's transaction, which holds them.
        written: which.
        shared: addresses that others have too, with their channel.
    """
    await db.execute(SQL["keep_places"], list(written.messages), *_columns(shared))


async def drop_places(db: Connection, addresses: Sequence[tuple[str, str]]) -> None:
    """Forget that messages to people who were erased before went to addresses that go now as well."""
    await db.execute(SQL["drop_places"], *_columns(addresses))


async def drop_old_places(db: Connection, now: datetime) -> None:
    """Forget where messages to erased people went once the links in them are no good any more."""
    await db.execute(SQL["drop_old_places"], now)


async def erase_places(
    db: Connection, written: Written, person_id: int | None, addresses: Sequence[tuple[str, str]]
) -> None:
    """Take out of messages where they went.

    Args:
        db: in the caller's transaction, which holds them.
        written: which.
        person_id: who they were for, erased by now; None for somebody known by an address alone.
        addresses: theirs alone, with their channel.
    """
    await db.execute(SQL["erase_places"], person_id, *_columns(addresses), written.ids)


async def in_flight(db: Connection, written: Written) -> int:
    """How many of these messages are on the wire, so that something more will be written about them."""
    count: int = await db.fetchval(SQL["in_flight"], list(written.messages))
    return count


async def empty_again(db: Connection, message_ids: Sequence[int]) -> None:
    """Take out of messages whose person was erased what has been written about them since: providers' ids and words.

    Args:
        db: in the caller's transaction, which holds them.
        message_ids: which, in the outbox or the archive.
    """
    await _empty(db, message_ids, message_ids, ())
    await db.execute(SQL["empty_history"], list(message_ids))


async def _empty(db: Connection, messages: Sequence[int], archived: Sequence[int], addresses: Sequence[str]) -> int:
    hot = list(messages)
    withdrawn: int = await db.fetchval(SQL["withdraw"], hot)
    await db.execute(SQL["empty"], hot)
    await db.execute(SQL["empty_archived"], list(archived))
    await db.execute(SQL["drop_tries"], hot)
    await db.execute(SQL["drop_links"], hot)
    await db.execute(SQL["drop_bounces"], [*{*messages, *archived}], list(addresses))
    return withdrawn


def _columns(addresses: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [one[0] for one in addresses], [one[1] for one in addresses]
