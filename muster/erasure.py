"""Erasure of a person: their record, messages to them, inbound items from them, and webhook events about them.

The slow part (searching everything that came in) comes first and holds no locks. Then one short transaction does
everything: it never waits for a lock while it holds another, and starts again where one is taken. Unprocessed inbound
rows from them or about their messages are processed before, in transactions of their own: one may be the opt-out of
somebody who shares their mailbox, or their own, which outlasts them. A message in flight at that moment leaves nothing
behind either: its provider's answer is erased once it has settled. Receipts that come later are emptied as they are
processed, and once an hour `erase_late` erases what an older worker or a slow answer has left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from ballots.counts import finish_reach
from campaigns.erasure import (
    Traces,
    begin_erasure,
    erase_traces,
    find_traces,
    note_erasure,
    read_again,
)
from core.access import Actor
from core.db import Connection, load_queries
from core.errors import Conflict
from core.runtime import Runtime
from messaging.outbox.erasure import Written, empty_again, hold_messages, in_flight
from messaging.suppression_digests import DigestKeys
from webhooks import process_waiting
from webhooks.erasure import (
    InboundTraces,
    SearchTerms,
    StillWritten,
    empty_inbound_traces,
    find_inbound_traces,
    wait_for_writers,
)
from webhooks.inbound_log.inbound_log import find_waiting
from webhooks.late_arrivals import empty_late_arrivals, erased_messages, note_erased

MAX_TRIES: Final = 100
"""Most attempts at the transaction while others hold locks."""
MAX_PAUSE: Final = 0.3
"""Most seconds between two attempts; the first ones follow sooner."""
PAGE_SIZE: Final = 500
"""Messages that are cleared again in one transaction."""
IN_FLIGHT_TIMEOUT: Final = 30.0
"""Most seconds to wait for messages in flight."""

T = TypeVar("T")


class Unread(Exception):  # noqa: N818  # no error: the rows are read, and the erasure starts again
    """An inbound item from them has not been processed."""

    def __init__(self, inbound_ids: Sequence[int]) -> None:
        super().__init__(inbound_ids)
        self.inbound_ids = inbound_ids


_BUSY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, StillWritten, Unread)

SQL: Final = load_queries(__file__)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FoundTraces:
    """Person with everything that would be erased.

    Attributes:
        traces: the person, the messages to them and their replies.
        inbound: what came in, and the webhook events about it.
    """

    traces: Traces
    inbound: InboundTraces

    def counts(self) -> dict[str, int]:
        """Count what would be erased, by kind."""
        return {
            "addresses": len(self.traces.own),
            "messages": len(self.traces.written.messages),
            "archived_messages": len(self.traces.written.archived),
            "replies": len(self.traces.reply_ids),
            "inbound": len(self.inbound.items | self.inbound.named),
            "webhook_events": len(self.inbound.events),
        }

    def to_json(self) -> dict[str, Any]:
        """Return what would be erased as JSON values, for the confirmation."""
        traces = self.traces
        return {
            "member_id": traces.external_id or None,
            "name": traces.name or None,
            "addresses": traces.addresses,
            "shared_addresses": [address for _, address in traces.shared],
        } | {"found": self.counts()}


async def look_for(runtime: Runtime, who: str) -> FoundTraces:
    """Find a person and everything that would be erased with them.

    Args:
        runtime: has the database.
        who: a membership number; or, for somebody in no member file, a number or mailbox.

    Raises:
        NotFound: nothing is known of such a person.
        Conflict: it is the address of a member.
    """
    async with runtime.pool.acquire() as db:
        traces = await find_traces(db, who, region=runtime.settings.sms_region)
        return FoundTraces(traces, await find_inbound_traces(db, search_terms(traces)))


async def erase(
    runtime: Runtime, traces_found: FoundTraces, *, actor: Actor, may_return: bool = False
) -> dict[str, int]:
    """Erase a person, and record in the audit that it was done.

    Args:
        runtime: has the database.
        traces_found: as `look_for` found it; what has come since is erased, too.
        actor: who does it, for the audit.
        may_return: if a member file brings them back they may be written to, except if they had opted out.

    Returns:
        The counts by kind, and how many queued messages were withdrawn.

    Raises:
        Conflict: a member file is being imported, others held locks all the time, or something that came in from them
            cannot be processed.
    """
    keys, now = DigestKeys(runtime.settings.secret_key), runtime.clock()
    async with runtime.pool.acquire() as db:
        if traces_found.traces.person_id is not None:
            await finish_reach(db, traces_found.traces.person_id, now)
        act = partial(_erase, db, keys, traces_found, actor, may_return=may_return, now=now)
        done, detail = await _until_free(runtime, db, act)
        await _wait_for_the_wire(runtime, db, done.traces.written)
        await db.execute(SQL["renew_statistics"])
    log.info("a person was erased", person_id=traces_found.traces.person_id)
    return detail


async def erase_late(db: Connection, since: datetime) -> None:
    """Erase what was recorded about people's messages after they were erased.

    Args:
        db: a connection without a transaction.
        since: people erased before then are not looked at.
    """
    ids = await erased_messages(db, since)
    for first in range(0, len(ids), PAGE_SIZE):
        with contextlib.suppress(*_BUSY):  # it runs again in an hour
            async with db.transaction():
                await _empty_late(db, ids[first : first + PAGE_SIZE])
    await empty_late_arrivals(db)


def search_terms(traces: Traces) -> SearchTerms:
    """Return what to search for in inbound rows and webhook events."""
    return SearchTerms(
        person_id=traces.person_id,
        message_ids=traces.written.ids,
        provider_ids=traces.written.provider_ids,
        reply_ids=traces.reply_ids,
        inbound_ids=traces.inbound_ids,
        addresses=traces.own,
        likes=traces.likes,
    )


async def _until_free(runtime: Runtime, db: Connection, act: Callable[[], Awaitable[T]]) -> T:
    """Run a function in one transaction, and start again while others hold locks it needs."""
    in_the_way: Exception | None = None
    for attempt in range(MAX_TRIES):
        try:
            async with db.transaction():
                return await act()
        except _BUSY as busy:
            in_the_way = busy
        # no lock is held any more: now it may wait
        if isinstance(in_the_way, Unread):
            await process_inbound(runtime, db, in_the_way.inbound_ids)
        elif isinstance(in_the_way, StillWritten):
            await wait_for_writers(db)
        else:
            await asyncio.sleep(min(MAX_PAUSE, 0.02 * (attempt + 1)))
    if isinstance(in_the_way, StillWritten):
        raise Conflict(
            "The inbound log or the webhook events were being written to all the time.",
            remedy="Try again in a few minutes; if it goes on, a transaction was left open: select pid, xact_start,"
            " query from pg_stat_activity where xact_start is not null order by xact_start",
        )
    raise Conflict(
        "Their messages were being changed all the time.",
        remedy="Try again; if it goes on, look at what is being sent: muster campaign list",
    )


async def process_inbound(runtime: Runtime, db: Connection, inbound_ids: Sequence[int]) -> None:
    """Process what has come in from a person, or about messages to them, before it is erased.

    Args:
        runtime: has the database and settings.
        db: a connection without a transaction.
        inbound_ids: the inbound rows.

    Raises:
        Conflict: something cannot be processed now.
    """
    if not await process_waiting(runtime, db, inbound_ids):
        raise Conflict(
            "Something that came in from them cannot be processed just now, and may be an opt-out.",
            remedy="Try again in a few minutes. What fails again and again is set aside, with an alert, and is not"
            " waited for any more: docs/inbound.md",
        )


async def _erase(
    db: Connection, keys: DigestKeys, traces_found: FoundTraces, actor: Actor, *, may_return: bool, now: datetime
) -> tuple[FoundTraces, dict[str, int]]:
    await begin_erasure(db, traces_found.traces)
    traces = await read_again(db, traces_found.traces)
    await hold_messages(db, traces.written.messages)  # includes what was launched just before
    wanted = search_terms(traces)
    done = FoundTraces(traces, await find_inbound_traces(db, wanted, traces_found.inbound))
    if unread := await find_waiting(db, done.inbound.items | done.inbound.mails):
        raise Unread(unread)
    new, withdrawn = await erase_traces(db, keys, traces, may_return=may_return, now=now)
    await empty_inbound_traces(db, wanted, done.inbound, traces.external_id, new)
    await note_erased(db, wanted.message_ids, wanted.provider_ids, now)
    detail = done.counts() | {"withdrawn": withdrawn}
    await note_erasure(db, traces, actor=actor, detail=detail | {"may_return": may_return}, now=now)
    return done, detail


async def _wait_for_the_wire(runtime: Runtime, db: Connection, written: Written) -> None:
    """Wait until messages in flight have settled, and erase what was recorded about them."""
    until = asyncio.get_running_loop().time() + IN_FLIGHT_TIMEOUT
    waited = False
    while await in_flight(db, written) and asyncio.get_running_loop().time() < until:
        waited = True
        await asyncio.sleep(MAX_PAUSE)
    if waited:
        await _until_free(runtime, db, partial(_empty_late, db, written.ids))


async def _empty_late(db: Connection, message_ids: Sequence[int]) -> None:
    await hold_messages(db, message_ids)
    await empty_again(db, message_ids)
