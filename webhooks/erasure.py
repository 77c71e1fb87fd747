"""Takes out of what came in, and of what others are told, whatever speaks of somebody who is erased.

Looking for it reads the inbox from end to end, since providers put addresses wherever they like. That is done before
anything is locked; what came in meanwhile is looked for once more under the lock. What others sent is never thrown away
for naming somebody: only the address goes. What comes in later about their messages: `webhooks.erased`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from core.db import Connection, load_queries
from webhooks.email.mail_server.mentions import Mention, find_mention
from webhooks.email.mail_server.parsed_mail import LOOKED_AT
from webhooks.erased import blank_arrivals, subjects_of
from webhooks.subscriptions.high_water_mark import PATIENCE, settled

SQL: Final = load_queries(__file__)

_WITHIN: Final = 900
"""Seconds a look through everything that came in may take."""
_PAGE: Final = 50
"""Mails that are read at a time."""
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
        mails: those of them that are mails.
        events: places of events for webhooks.
        deliveries: what receivers answered.
        upto: how far the inbox was read.
        upto_event: how far the events were read.
        upto_delivery: how far the answers were read.
    """

    inbox: frozenset[int] = frozenset()
    named: frozenset[int] = frozenset()
    mails: frozenset[int] = frozenset()
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
    subjects = [*map(str.lower, subjects_of(wanted.message_ids, wanted.provider_ids)), *_places(wanted.addresses)]
    message_ids = [str(one) for one in wanted.message_ids]
    inbox = await db.fetch(
        SQL["arrivals"], list(wanted.inbox_ids), subjects, message_ids, wanted.pattern, list(wanted.likes), seen.upto,
        wanted.person_id, _senders(wanted.addresses), timeout=_WITHIN,
    )  # fmt: skip
    mails = await _find_mails(db, wanted, seen.upto)
    written = {inbox_id for inbox_id, mention in mails.items() if mention == "writer"}
    own = seen.inbox | {row["inbox_id"] for row in inbox if row["own"]} | written | set(wanted.inbox_ids)
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
        named=(seen.named | {row["inbox_id"] for row in inbox} | mails.keys()) - own,
        mails=(seen.mails | mails.keys()) - own,
        events=places,
        deliveries=seen.deliveries | {row["delivery_id"] for row in answers},
        upto=ends["inbox"],
        upto_event=ends["webhook_event"],
        upto_delivery=ends["webhook_delivery"],
    )


async def _find_mails(db: Connection, wanted: Wanted, upto: int) -> dict[int, Mention]:
    """Mails after a row that name one of the addresses, and whether they come from there."""
    if not wanted.likes:
        return {}
    long = await db.fetch(SQL["long_mails"], list(wanted.likes), upto, LOOKED_AT, timeout=_WITHIN)
    found: dict[int, Mention] = {row["inbox_id"]: "named" for row in long}
    pattern = re.compile(wanted.pattern, re.IGNORECASE)
    while page := await db.fetch(SQL["mails"], upto, LOOKED_AT, _PAGE, timeout=_WITHIN):
        found |= await asyncio.to_thread(_mentions, page, pattern)
        upto = page[-1]["inbox_id"]
    return found


def _mentions(page: Sequence[asyncpg.Record], pattern: re.Pattern[str]) -> dict[int, Mention]:
    looked = {row["inbox_id"]: find_mention(row["raw"], pattern) for row in page}
    return {inbox_id: mention for inbox_id, mention in looked.items() if mention is not None}


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
    await blank_arrivals(db, rows, wanted.pattern)
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


def _places(addresses: Collection[tuple[str, str]]) -> list[str]:
    """What the inbox calls whoever writes from their addresses."""
    return [f"{'phone' if channel == 'sms' else 'mailbox'}:{address}".lower() for channel, address in addresses]


def _senders(addresses: Collection[tuple[str, str]]) -> list[str]:
    """How providers name whoever writes from their addresses."""
    return [form for _, address in addresses for form in dict.fromkeys((address, address.removeprefix("+")))]
