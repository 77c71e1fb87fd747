"""Takes out of what came in, and of what others are told, whatever speaks of somebody who is erased.

Looking for it reads the inbox from end to end, since providers put addresses wherever they like. That is done before
anything is locked; what came in meanwhile is looked for once more under the lock. What others sent is never thrown away
for naming somebody: only the address goes. What comes in later about their messages is emptied once it has been dealt
with (`forget_late`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from messaging.db import Connection, load_queries
from messaging.outbox.erasure import NEVER
from messaging.setting_values import SMS_PROVIDERS
from webhooks.outgoing.settled import PATIENCE, settled

SQL: Final = load_queries(__file__)

_WITHIN: Final = 900
"""Seconds a look through everything that came in may take."""
_LEDGERS: Final = {"inbox": "inbox_id", "webhook_event": "seq", "webhook_delivery": "delivery_id"}
"""What is read up to where it is settled: an id that is committed late is looked for again."""


class StillWritten(Exception):  # noqa: N818  # no fault: it is begun again
    """Something is being written just now, so that nobody can say what there is."""


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
        inbox: rows of what came in from them or about their messages.
        named: rows of what others sent that names one of their addresses.
        events: places of events for webhooks.
        deliveries: what receivers answered.
        upto: how far the inbox was read.
        upto_event: how far the events were read.
        upto_delivery: how far the answers were read.
    """

    inbox: frozenset[int] = frozenset()
    named: frozenset[int] = frozenset()
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
        seen: what was found before; only what is newer is read, and it has to be everything.

    Raises:
        StillWritten: it is not.
    """
    # with everything locked nobody is waited for: see `wait_for_writers`
    ends = await settled(db, _LEDGERS, patience=PATIENCE if seen is None else 0.0)
    if ends is None:
        if seen is not None:
            raise StillWritten
        ends = dict.fromkeys(_LEDGERS, 0)  # the next look is at everything
    seen = seen or Arrivals()
    subjects = [*map(str.lower, _subjects(wanted.message_ids, wanted.provider_ids)), *_places(wanted.addresses)]
    message_ids = [str(one) for one in wanted.message_ids]
    inbox = await db.fetch(
        SQL["arrivals"], list(wanted.inbox_ids), subjects, message_ids, wanted.pattern, list(wanted.likes), seen.upto,
        wanted.person_id, _senders(wanted.addresses), timeout=_WITHIN,
    )  # fmt: skip
    mails = await db.fetch(SQL["mails"], list(wanted.likes), seen.upto, wanted.pattern, timeout=_WITHIN)
    own = seen.inbox | {row["inbox_id"] for row in (*inbox, *mails) if row["own"]} | set(wanted.inbox_ids)
    events = await db.fetch(
        SQL["told"], wanted.person_id, message_ids, [str(one) for one in wanted.reply_ids], seen.upto_event,
        timeout=_WITHIN,
    )  # fmt: skip
    places = seen.events | {row["seq"] for row in events}
    answers = await db.fetch(
        SQL["deliveries"], list(places), wanted.pattern, list(wanted.likes), seen.upto_delivery, timeout=_WITHIN
    )
    return Arrivals(
        inbox=own,
        named=(seen.named | {row["inbox_id"] for row in (*inbox, *mails)}) - own,
        events=places,
        deliveries=seen.deliveries | {row["delivery_id"] for row in answers},
        upto=ends["inbox"],
        upto_event=ends["webhook_event"],
        upto_delivery=ends["webhook_delivery"],
    )


async def wait_for_writers(db: Connection) -> None:
    """Wait until whoever was writing to what came in has ended, or for about a second.

    Args:
        db: a connection without a transaction, which holds nothing.
    """
    await settled(db, _LEDGERS)


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
    named = list(found.named)
    await db.execute(SQL["mend"], named, wanted.pattern)
    await db.execute(SQL["drop_read_mails"], named)
    await db.execute(SQL["mend_mails"], named, wanted.pattern)
    await db.execute(SQL["drop_malformed"], list(wanted.likes))
    if old:
        await db.execute(SQL["rename"], list(found.events), old, new)
    await db.execute(SQL["blank_deliveries"], list(found.deliveries))
    await db.execute(SQL["blank_looks"], list(wanted.message_ids))
    channels, addresses = [one[0] for one in wanted.addresses], [one[1] for one in wanted.addresses]
    await db.execute(SQL["drop_told_once"], channels, addresses)


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
    subjects = _subjects(message_ids, provider_ids)
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
        await db.execute(SQL["blank"], ids, NEVER)
        await db.execute(SQL["drop_mails"], ids)


async def erased_messages(db: Connection, since: datetime) -> list[int]:
    """Messages of whoever was erased after a moment; those from before are forgotten.

    Args:
        db: a connection.
        since: when.
    """
    await db.execute(SQL["forget_erased"], since)
    return [row["message_id"] for row in await db.fetch(SQL["erased_messages"])]


def _subjects(message_ids: Collection[int], provider_ids: Collection[str]) -> list[str]:
    """What the inbox calls their messages."""
    named = [f"{provider}:{one}" for provider in SMS_PROVIDERS for one in provider_ids]
    return [*(f"message:{one}" for one in message_ids), *named]


def _places(addresses: Collection[tuple[str, str]]) -> list[str]:
    """What the inbox calls whoever writes from their addresses."""
    return [f"{'phone' if channel == 'sms' else 'mailbox'}:{address}".lower() for channel, address in addresses]


def _senders(addresses: Collection[tuple[str, str]]) -> list[str]:
    """How providers name whoever writes from their addresses."""
    return [form for _, address in addresses for form in dict.fromkeys((address, address.removeprefix("+")))]
