"""Heartbeat of a worker: its claimed messages belong to it as long as heartbeats arrive in the database.

Claims do not expire by themselves, so a slow sender's queue can wait as long as it must. A worker that is killed, hangs
or is cut off sends no heartbeats; `LEASE_LASTS` seconds later, by PostgreSQL's clock, another worker declares it gone
and takes over its messages. Only a worker with an unbroken heartbeat of at least `LEASE_LASTS` seconds may do that, so
after an outage of the database nobody is declared gone: every live worker sends a heartbeat again before any may do so.

The worker itself is stricter: `LEASE_MARGIN` seconds before others may take over, it sends nothing any more (`holds`).
It checks that right before each email's text or request is written, not only when it takes a message from the queue.

With each heartbeat it learns the version of the outbox in the database. When a migration has changed it, a worker of
the version before claims nothing more, records what is on the wire and hands back the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from core.db import Connection, KeptConnection, load_queries
from core.db.away import TEMPORARY
from core.errors import Conflict
from core.runtime import Runtime

SQL: Final = load_queries(__file__)

LEASE_LASTS: Final = 15.0
"""Seconds without a heartbeat after which a worker counts as gone."""
BEAT_EVERY: Final = 3.0
"""Seconds between two heartbeats."""
HEARTBEAT_TIMEOUT: Final = 5.0
"""Seconds a heartbeat may take before its connection counts as lost."""
RETRY_AFTER: Final = 0.5
"""Seconds until the next heartbeat after one that failed."""
INTERRUPTED_AFTER: Final = 7.5
"""Seconds between two heartbeats after which they count as interrupted: half a lease, so that in a shorter gap no live
worker can have missed a whole lease."""
LEASE_MARGIN: Final = 3.0
"""Seconds before the end of its lease at which a worker stops sending: more than the time between its check and the
last byte."""
OUTBOX_VERSION: Final = 2
"""Version of the outbox that this program works with, as the database's function `outbox_version` has it."""
SUSPENDED_AFTER: Final = 5.0
"""Least seconds of delay of a heartbeat that mean that the whole process was suspended."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

log = structlog.get_logger(__name__)


def now() -> float:
    """Return monotonic seconds that also pass while the machine sleeps, if its clock can tell."""
    return time.clock_gettime(_CLOCK)


async def is_anybody_sending(db: Connection) -> bool:
    """Tell whether any worker has sent a heartbeat lately."""
    return bool(await db.fetchval(SQL["is_anybody_sending"]))


def outdated() -> Conflict:
    """Return the error about a worker whose version is not that of the outbox in the database."""
    return Conflict(
        "The database has been migrated by another version of Muster, and this worker sends nothing more.",
        remedy="Restart it with the version that ran `muster migrate`. What it had claimed has been handed back.",
    )


class Heartbeat:
    """Heartbeat of one worker, from its first claim to the end of its run, or as long as the worker lives.

    Args:
        runtime: has the database.
        name: the worker's, as alerts and events show it.

    Attributes:
        dispatcher_id: id of its row; None while it has none.
        is_outdated: a migration has changed the outbox since this worker started.
    """

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        assert runtime.settings.database_url is not None
        # a connection of its own: a heartbeat must not wait for a pool that slow work has emptied
        self._connection = KeptConnection.of_its_own(runtime.settings.database_url)
        self._runs = 0
        self._stays_alive = False
        self._confirmed_at = 0.0
        self._entering = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self.dispatcher_id: int | None = None
        self.is_outdated = False

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Send heartbeats from the first claim on, while at least one such context is open."""
        self._runs += 1
        try:
            yield
        finally:
            self._runs -= 1
            if not self._runs:
                await self._leave()

    @asynccontextmanager
    async def while_alive(self) -> AsyncIterator[None]:
        """Send heartbeats at once, with or without claims: only a worker with a heartbeat may declare others gone."""
        async with self.run():
            self._stays_alive = True
            self._begin()
            try:
                yield
            finally:
                self._stays_alive = False

    @property
    def is_sure(self) -> bool:
        """Tell whether this worker was certainly not declared gone, and cannot be within `LEASE_MARGIN` seconds."""
        return self.dispatcher_id is not None and now() - self._confirmed_at < LEASE_LASTS - LEASE_MARGIN

    def holds(self, dispatcher_id: int) -> bool:
        """Tell whether messages claimed under this id are certainly still this worker's."""
        return dispatcher_id == self.dispatcher_id and self.is_sure

    async def enter(self, db: Connection) -> int:
        """Return the id to claim under, and start the heartbeat if need be; call it before each claim.

        Raises:
            Conflict: the outbox has another version than this worker.
        """
        async with self._entering:  # channels claim at the same moment, under one id
            if self.dispatcher_id is None:
                asked_at = now()
                self.dispatcher_id = await db.fetchval(SQL["enter"], self._name, LEASE_LASTS, OUTBOX_VERSION)
                if self.dispatcher_id is None:
                    self.is_outdated = True
                    raise outdated()
                self._confirmed_at = asked_at
            self._begin()
            assert self.dispatcher_id is not None
            return self.dispatcher_id

    def give_up_claims(self) -> None:
        """Give up claimed messages that could not be handed back: others take them when the lease has ended."""
        self.dispatcher_id = None

    def _begin(self) -> None:
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat(), name="heartbeat")

    async def _beat(self) -> None:
        pause = 0.0 if self._stays_alive else BEAT_EVERY
        while True:
            since = now()
            await asyncio.sleep(pause)
            if (late := now() - since - pause) > SUSPENDED_AFTER:
                log.warning("this process or its machine was suspended", seconds=round(late))
            pause = BEAT_EVERY if await self._beat_once() else RETRY_AFTER

    async def _beat_once(self) -> bool:
        """Send one heartbeat; return whether the server answered."""
        try:
            async with asyncio.timeout(HEARTBEAT_TIMEOUT):
                db = await self._connection.get()
                if self.dispatcher_id is None:
                    if self._stays_alive:
                        await self.enter(db)
                    return True
                dispatcher_id, asked_at = self.dispatcher_id, now()
                row = await db.fetchrow(SQL["beat"], dispatcher_id, LEASE_LASTS, INTERRUPTED_AFTER)
        except Conflict:
            return True  # there is nothing more to claim, and so no more need of a heartbeat
        except Exception as error:  # noqa: BLE001  # without its heartbeat a worker would send nothing any more
            self._runtime.outages.note_error(error)
            await self._connection.drop()
            return False
        if self.dispatcher_id != dispatcher_id:  # given up meanwhile
            return True
        if row is None:
            log.warning("this worker was declared gone; its claimed messages may go to others")
            self.dispatcher_id = None
        else:
            self._confirmed_at = asked_at
            self.is_outdated = row["version"] != OUTBOX_VERSION
        return True

    async def _leave(self) -> None:
        """End the heartbeat in order; messages that could not be handed back can be taken over at once."""
        beating, self._beating = self._beating, None
        dispatcher_id, self.dispatcher_id = self.dispatcher_id, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        if dispatcher_id is not None:
            with contextlib.suppress(*TEMPORARY):
                async with asyncio.timeout(HEARTBEAT_TIMEOUT):
                    await self._runtime.pool.execute(SQL["leave"], dispatcher_id)
        await self._connection.drop()
