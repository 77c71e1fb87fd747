"""Event log: events found in the source tables, numbered once, and read by every subscription from its own cursor.

Only events that somebody subscribed to are recorded, with ids only; without a subscription there is nothing to do. Each
look reads every source table from where the last one ended, and stores the new positions in the same transaction, so a
worker that is killed in between has reported nothing and lost nothing.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ballots import feed
from core.db import Connection, load_queries
from core.db.high_water_mark import find_high_water_mark, high_water_marks
from core.runtime import Runtime
from messaging.outbox.followed_states import follow_states, followed_states
from webhooks.subscriptions.event_sources import (
    CLAIM_TABLE,
    SOURCES,
    FoundEvent,
    last_change,
    read_events,
    states_of,
    wanted_sources,
)
from webhooks.subscriptions.event_types import EVENTS, GROUPS, expand
from webhooks.subscriptions.state_changes import take_state_changes, wants_state_changes

SQL: Final = load_queries(__file__)

PAGE_SIZE: Final = 5000
"""Rows of a source table read in one look."""
STATE_CHANGES_EVERY: Final = 10.0
"""Seconds between two looks for state changes of ballots and alerts."""
_TABLES_BY_ID: Final = {table: source.column for table, source in SOURCES.items() if table != CLAIM_TABLE}
"""Source tables that are read in the order of their ids, and the column of these."""


@dataclass(slots=True)
class EventLog:
    """Finds and records events.

    Args:
        runtime: the runtime.
        state_changes_every: seconds between two looks at ballots and alerts.
    """

    runtime: Runtime
    state_changes_every: float = STATE_CHANGES_EVERY
    state_changes_at: float = 0.0

    async def record_new_events(self) -> bool:
        """Look through the source tables once; return whether there is more to read at once."""
        async with self.runtime.pool.acquire() as db:
            types = await wanted_types(db)
            if not types and not await followed_states(db):
                return False
            if wanted_sources(types) & {CLAIM_TABLE}:
                await feed.number_claims(db)
            async with db.transaction():
                if not await db.fetchval(SQL["try_lock"]):
                    return False
                types = await wanted_types(db)
                if set(states := states_of(types)) != await followed_states(db):
                    await follow_states(db, states)
                events, more = await self._read_on(db, types)
                if wants_state_changes(types) and time.monotonic() >= self.state_changes_at:
                    self.state_changes_at = time.monotonic() + self.state_changes_every
                    events += [
                        event for event in await take_state_changes(db, self.runtime.clock()) if event.type in types
                    ]
                await _add(db, sorted(events, key=lambda event: event.at))
                return more

    async def _read_on(self, db: Connection, types: Collection[str]) -> tuple[list[FoundEvent], bool]:
        wanted = wanted_sources(types)
        before = {row["source"]: row["position"] for row in await db.fetch(SQL["list_positions"])}
        heads = await _heads(db, wanted)
        events, now, more = [], {}, False
        for table, newest_position in heads.items():
            start = before.get(table, newest_position)
            if table in wanted and newest_position > start:
                now[table] = min(newest_position, start + PAGE_SIZE)
                more = more or newest_position > now[table]
                events += await read_events(db, table, start, now[table], types)
            else:
                now[table] = max(newest_position, start)
        await db.execute(SQL["store_positions"], list(now), list(now.values()))
        return events, more


@asynccontextmanager
async def open_for_new_subscription(runtime: Runtime, types: Collection[str]) -> AsyncIterator[tuple[Connection, int]]:
    """Open a transaction in which to add a subscription that receives events of some types from this moment on.

    Yields:
        The connection, and the number of the last event: the new subscription's cursor.
    """
    async with runtime.pool.acquire() as db:
        await feed.number_claims(db)  # earlier claims are not news
        async with db.transaction():
            await db.execute(SQL["lock"])
            known = await wanted_types(db)
            fresh = set(SOURCES) - wanted_sources(known)
            heads = {table: place for table, place in (await _heads(db, ())).items() if table in fresh}
            await db.execute(SQL["store_positions"], list(heads), list(heads.values()))
            if wants_state_changes(types) and not wants_state_changes(known):
                await take_state_changes(db, runtime.clock())
            await follow_states(db, states_of(known | set(types)))
            yield db, await newest_position(db)


async def wanted_types(db: Connection) -> set[str]:
    """Return the event types that any subscription receives."""
    patterns = [row["pattern"] for row in await db.fetch(SQL["list_patterns"])]
    # a downgrade may have left unknown patterns behind: they are ignored
    return set(expand(pattern for pattern in patterns if pattern == "*" or pattern in EVENTS or pattern in GROUPS))


async def newest_position(db: Connection) -> int:
    """Return the number of the last event."""
    return int(await db.fetchval(SQL["find_last_event"]))


async def last_event_before(db: Connection, at: datetime) -> int:
    """Return the number of the last event that was recorded before a moment; 0 if none was."""
    return int(await db.fetchval(SQL["find_last_event_before"], at))


async def position_before_oldest_event(db: Connection) -> int:
    """Return the number after which a replay can begin: the one before the first event that is kept."""
    return int(await db.fetchval(SQL["find_position_before_oldest"]))


async def delete_old_events(db: Connection, before: datetime) -> None:
    """Delete events that were recorded, and delivery attempts that were made, before a time."""
    await db.execute(SQL["delete_events"], before)
    await db.execute(SQL["delete_deliveries"], before)


async def _heads(db: Connection, wanted: Collection[str]) -> dict[str, int]:
    """Return how far each source table can be read: to its high-water mark if it is wanted, else to its last id."""
    wanted_tables = {table: column for table, column in _TABLES_BY_ID.items() if table in wanted}
    heads = await find_high_water_mark(db, wanted_tables) if wanted_tables else {}
    other_tables = {table: column for table, column in _TABLES_BY_ID.items() if table not in wanted}
    return {**(heads or {}), **await high_water_marks(db, other_tables), CLAIM_TABLE: await last_change(db)}


async def _add(db: Connection, events: list[FoundEvent]) -> None:
    if events:
        await db.execute(
            SQL["insert_events"],
            [event.type for event in events],
            [event.at for event in events],
            [dict(event.data) for event in events],
            [event.ref for event in events],
        )
