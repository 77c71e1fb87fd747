"""Erase a person from the inbound log, and from the events reported to webhook subscribers.

The search reads the inbound log from end to end, because providers put addresses anywhere. It runs before anything is
locked; items that came in meanwhile are searched once more under the lock. Items from others that name the person are
kept: only the address is removed. `webhooks.late_arrivals` deals with items that come later about the person's
messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from core.db.high_water_mark import WRITERS_TIMEOUT, find_high_water_mark
from webhooks.email.inbound_mail.mail_texts import MailText, texts_of
from webhooks.email.inbound_mail.parsed_mail import LOOKED_AT
from webhooks.late_arrivals import blank_arrivals, subjects_of

SQL: Final = load_queries(__file__)

_PAGE_SIZE: Final = 50
"""Mails that are read at a time."""
_LOGS: Final = {"inbound_log": "inbound_id", "webhook_event": "seq", "webhook_delivery": "delivery_id"}
"""Tables, with their id columns, that are read up to their high-water mark: ids committed late are searched again."""


class StillWritten(Exception):  # noqa: N818  # no fault: it is begun again
    """Rows are being written at this moment, so the search would be incomplete."""


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """Search terms for one person.

    Attributes:
        person_id: the person; None for somebody known by an address alone.
        message_ids: the messages written to them.
        provider_ids: the providers' ids of these messages.
        reply_ids: their replies.
        inbound_ids: the inbound rows of these replies.
        addresses: addresses that are theirs alone, as (channel, address).
        likes: patterns for LIKE that find any of these addresses in a squeezed text.
    """

    person_id: int | None
    message_ids: Collection[int]
    provider_ids: Collection[str]
    reply_ids: Collection[int]
    inbound_ids: Collection[int]
    addresses: Collection[tuple[str, str]]
    likes: Sequence[str]


@dataclass(frozen=True, slots=True)
class InboundTraces:
    """Result of the search.

    Attributes:
        items: inbound rows from them or about their messages.
        named: inbound rows from others that name one of their addresses.
        mails: the inbound rows of `named` that are mails.
        events: sequence numbers of webhook events about them.
        deliveries: ids of webhook deliveries whose answers repeat their data.
        upto: highest inbound row that was searched.
        upto_event: highest event that was searched.
        upto_delivery: highest delivery that was searched.
    """

    items: frozenset[int] = frozenset()
    named: frozenset[int] = frozenset()
    mails: frozenset[int] = frozenset()
    events: frozenset[int] = frozenset()
    deliveries: frozenset[int] = frozenset()
    upto: int = field(default=0, compare=False)
    upto_event: int = field(default=0, compare=False)
    upto_delivery: int = field(default=0, compare=False)


async def find_inbound_traces(db: Connection, wanted: SearchTerms, seen: InboundTraces | None = None) -> InboundTraces:
    """Find inbound items from a person or about them, and events sent to subscribers about them.

    Args:
        db: a connection.
        wanted: what to search for.
        seen: result of an earlier search; only newer rows are read, and none may still be in the making.

    Raises:
        StillWritten: a transaction may still add rows, and `seen` was given.
    """
    # with everything locked, don't wait for writers: see `wait_for_writers`
    ends = await find_high_water_mark(db, _LOGS, writers_timeout=WRITERS_TIMEOUT if seen is None else 0.0)
    if ends is None:
        if seen is not None:
            raise StillWritten
        ends = dict.fromkeys(_LOGS, 0)  # the next search starts from the beginning
    seen = seen or InboundTraces()
    subjects = [*map(str.lower, subjects_of(wanted.message_ids, wanted.provider_ids)), *_places(wanted.addresses)]
    message_ids = [str(number) for number in wanted.message_ids]
    rows = await db.fetch(
        SQL["list_arrivals"], list(wanted.inbound_ids), subjects, message_ids, _texts(wanted.addresses),
        list(wanted.likes), seen.upto, wanted.person_id, _senders(wanted.addresses), timeout=STATEMENT_TIMEOUT,
    )  # fmt: skip
    mails = await _find_mails(db, wanted, seen.upto)
    written = {inbound_id for inbound_id, by_writer in mails.items() if by_writer}
    own = seen.items | {row["inbound_id"] for row in rows if row["own"]} | written | set(wanted.inbound_ids)
    events = await db.fetch(
        SQL["list_events"], wanted.person_id, message_ids, list(map(str, wanted.reply_ids)), seen.upto_event,
        timeout=STATEMENT_TIMEOUT,
    )  # fmt: skip
    places = seen.events | {row["seq"] for row in events}
    answers = await db.fetch(
        SQL["list_deliveries"],
        list(places),
        _texts(wanted.addresses),
        list(wanted.likes),
        seen.upto_delivery,
        timeout=STATEMENT_TIMEOUT,
    )
    return InboundTraces(
        items=own,
        named=(seen.named | {row["inbound_id"] for row in rows} | mails.keys()) - own,
        mails=(seen.mails | mails.keys()) - own,
        events=places,
        deliveries=seen.deliveries | {row["delivery_id"] for row in answers},
        upto=ends["inbound_log"],
        upto_event=ends["webhook_event"],
        upto_delivery=ends["webhook_delivery"],
    )


async def _find_mails(db: Connection, wanted: SearchTerms, upto: int) -> dict[int, bool]:
    """Find the mails after a row that name one of the addresses, and whether the person wrote them."""
    if not wanted.likes:
        return {}
    likes = list(wanted.likes)
    long = await db.fetch(SQL["list_long_mails"], likes, upto, LOOKED_AT, timeout=STATEMENT_TIMEOUT)
    is_writer = dict.fromkeys((row["inbound_id"] for row in long), False)
    while page := await db.fetch(SQL["list_mails"], upto, LOOKED_AT, _PAGE_SIZE, timeout=STATEMENT_TIMEOUT):
        texts = await asyncio.to_thread(_texts_of, page)
        columns = (
            [entry[0] for entry in texts],
            [entry[1].by_writer for entry in texts],
            [entry[1].text for entry in texts],
        )
        for row in await db.fetch(
            SQL["list_naming"], *columns, _texts(wanted.addresses), likes, timeout=STATEMENT_TIMEOUT
        ):
            is_writer[row["inbound_id"]] = is_writer.get(row["inbound_id"], False) or row["by_writer"]
        upto = page[-1]["inbound_id"]
    return is_writer


def _texts_of(page: Sequence[asyncpg.Record]) -> list[tuple[int, MailText]]:
    return [(row["inbound_id"], text) for row in page for text in texts_of(row["raw"])]


async def wait_for_writers(db: Connection) -> None:
    """Wait until the transactions that are writing inbound rows have ended, or for about a second.

    Args:
        db: a connection without a transaction, which holds no locks.
    """
    await find_high_water_mark(db, _LOGS)


async def empty_inbound_traces(db: Connection, wanted: SearchTerms, traces: InboundTraces, old: str, new: str) -> None:
    """Erase the items and events that were found.

    Args:
        db: in the caller's transaction.
        wanted: the person.
        traces: the result of `find_inbound_traces`.
        old: the membership number that subscribers were sent; empty if there is none.
        new: the number that replaces it.
    """
    rows = list(traces.items)
    texts = _texts(wanted.addresses)
    await blank_arrivals(db, rows, texts)
    named = list(traces.named)
    await db.execute(SQL["redact_items"], named, texts)
    await db.execute(SQL["delete_read_mails"], named)
    await db.execute(SQL["redact_mails"], named, texts)
    await db.execute(SQL["delete_malformed"], list(wanted.likes))
    if old:
        await db.execute(SQL["rename_in_events"], list(traces.events), old, new)
    await db.execute(SQL["empty_deliveries"], list(traces.deliveries))
    await db.execute(SQL["empty_page_views"], list(wanted.message_ids))
    channels, addresses = [address[0] for address in wanted.addresses], [address[1] for address in wanted.addresses]
    await db.execute(SQL["delete_sent_once"], channels, addresses)


def _texts(addresses: Collection[tuple[str, str]]) -> list[str]:
    return [address for _, address in addresses]


def _places(addresses: Collection[tuple[str, str]]) -> list[str]:
    """Return the subjects under which the inbound log files items from these addresses."""
    return [f"{'phone' if channel == 'sms' else 'mailbox'}:{address}".lower() for channel, address in addresses]


def _senders(addresses: Collection[tuple[str, str]]) -> list[str]:
    """Return the forms in which providers name these addresses as senders."""
    return [form for _, address in addresses for form in dict.fromkeys((address, address.removeprefix("+")))]
