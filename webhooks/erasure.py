"""Takes out of what came in, and of what others are told, whatever speaks of somebody who is erased.

Looking for it reads the inbox from end to end, since providers put addresses wherever they like. That is done before
anything is locked; what came in meanwhile is looked for once more under the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from messaging.db import Connection, load_queries
from messaging.outbox.erasure import NEVER

SQL: Final = load_queries(__file__)

_WITHIN: Final = 900
"""Seconds a look through everything that came in may take."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for.

    Attributes:
        person_id: the person; None for somebody known by an address alone.
        message_ids: what was written to them.
        provider_ids: what providers call that.
        reply_ids: what they wrote.
        inbox_ids: how that came in.
        addresses: theirs alone, with their channel.
        pattern: finds one of these addresses in a text.
        likes: patterns for LIKE that find no less.
    """

    person_id: int | None
    message_ids: Collection[int]
    provider_ids: Collection[str]
    reply_ids: Collection[int]
    inbox_ids: Collection[int]
    addresses: Collection[tuple[str, str]]
    pattern: str
    likes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What was found.

    Attributes:
        inbox: rows of what came in.
        events: places of events for webhooks.
        deliveries: what receivers answered.
        upto: how far the inbox was read.
        upto_event: how far the events were read.
        upto_delivery: how far the answers were read.
    """

    inbox: frozenset[int] = frozenset()
    events: frozenset[int] = frozenset()
    deliveries: frozenset[int] = frozenset()
    upto: int = field(default=0, compare=False)
    upto_event: int = field(default=0, compare=False)
    upto_delivery: int = field(default=0, compare=False)


async def find_arrivals(db: Connection, wanted: Wanted, seen: Arrivals | None = None) -> Arrivals:
    """Find what came in from somebody or about them, and what others are told of them.

    Args:
        db: a connection.
        wanted: what to look for.
        seen: what was found before; only what is newer is read.
    """
    seen = seen or Arrivals()
    ends = await db.fetchrow(SQL["last_arrival"])
    assert ends is not None
    subjects = _subjects(wanted.message_ids, wanted.provider_ids)
    message_ids = [str(one) for one in wanted.message_ids]
    inbox = await db.fetch(
        SQL["arrivals"], list(wanted.inbox_ids), subjects, message_ids, wanted.pattern, list(wanted.likes), seen.upto,
        timeout=_WITHIN,
    )  # fmt: skip
    mails = await db.fetch(SQL["mails"], list(wanted.likes), seen.upto, timeout=_WITHIN)
    events = await db.fetch(
        SQL["told"], wanted.person_id, message_ids, [str(one) for one in wanted.reply_ids], seen.upto_event,
        timeout=_WITHIN,
    )  # fmt: skip
    places = seen.events | {row["seq"] for row in events}
    answers = await db.fetch(
        SQL["deliveries"], list(places), wanted.pattern, list(wanted.likes), seen.upto_delivery, timeout=_WITHIN
    )
    return Arrivals(
        inbox=seen.inbox | {row["inbox_id"] for row in (*inbox, *mails)} | set(wanted.inbox_ids),
        events=places,
        deliveries=seen.deliveries | {row["delivery_id"] for row in answers},
        upto=ends["inbox_id"],
        upto_event=ends["seq"],
        upto_delivery=ends["delivery_id"],
    )


async def empty_arrivals(db: Connection, wanted: Wanted, found: Arrivals, old: str, new: str) -> None:
    """Take out what was found.

    Args:
        db: in the caller's transaction.
        wanted: whose it is.
        found: what `find_arrivals` found.
        old: the membership number others were told; empty where there is none.
        new: what they are told from now on.
    """
    rows = list(found.inbox)
    await db.execute(SQL["blank"], rows, wanted.pattern)
    await db.execute(SQL["drop_mails"], rows)
    await db.execute(SQL["drop_malformed"], list(wanted.likes))
    if old:
        await db.execute(SQL["rename"], list(found.events), old, new)
    await db.execute(SQL["blank_deliveries"], list(found.deliveries))
    await db.execute(SQL["blank_looks"], list(wanted.message_ids))
    channels, addresses = [one[0] for one in wanted.addresses], [one[1] for one in wanted.addresses]
    await db.execute(SQL["drop_told_once"], channels, addresses)


async def empty_receipts(db: Connection, message_ids: Collection[int], provider_ids: Collection[str]) -> None:
    """Take out what providers have said of somebody's messages since they were erased."""
    rows = await db.fetch(SQL["receipts"], _subjects(message_ids, provider_ids), timeout=_WITHIN)
    ids = [row["inbox_id"] for row in rows]
    await db.execute(SQL["blank"], ids, NEVER)
    await db.execute(SQL["drop_mails"], ids)


def _subjects(message_ids: Collection[int], provider_ids: Collection[str]) -> list[str]:
    """What the inbox calls their messages."""
    named = [f"{provider}:{one}" for provider in ("twilio", "vonage") for one in provider_ids]
    return [*(f"message:{one}" for one in message_ids), *named]
