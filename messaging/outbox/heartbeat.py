"""A courier's presence in the database: what it has claimed is its own for as long as its heart beats.

Claims have no clock of their own, so a slow sender's queue can wait as long as it must. A worker that is killed, hangs
or is cut off stops beating; `LEASE` seconds later, by PostgreSQL's clock, the sweep of a worker whose own heart has
beaten without a break for as long declares it gone and takes what it had. So nobody is declared gone because the
database was away: whoever lives beats again before anybody may judge.

The worker itself is stricter: `MARGIN` seconds before others may take over, it hands nothing over any more (`holds`),
and looks at that right before each text or request, not only when it takes a message up.
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
from core.runtime import Runtime
from messaging.outbox.outcome_writer import LOST

SQL: Final = load_queries(__file__)

LEASE: Final = 15.0
"""Seconds without a heartbeat after which a courier counts as gone."""
BEAT: Final = 3.0
ANSWER: Final = 5.0
"""Seconds a heartbeat may take before its connection counts as lost."""
AGAIN: Final = 0.5
"""Seconds until the next one after one that failed."""
BREAK: Final = 7.5
"""Seconds between two heartbeats after which they count as interrupted: half a lease, so that in a shorter one nobody
who lives can have missed a whole lease."""
MARGIN: Final = 3.0
"""Seconds before the end of its lease from which on a courier hands nothing over: more than what is between its look
and the last byte."""
STOOD_STILL: Final = 5.0
"""Seconds by which a heartbeat came late that say that the whole process stood still."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

log = structlog.get_logger(__name__)


def now() -> float:
    """Seconds that also pass while the machine sleeps, where it can say so."""
    return time.clock_gettime(_CLOCK)


class Heartbeat:
    """One courier's, from its first claim to the end of its run, or for as long as its worker lives.

    Args:
        runtime: the database.
        name: the courier's, for people.

    Attributes:
        courier_id: its row; None while it has none.
    """

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        assert runtime.settings.database_url is not None
        # of its own: a heart must not wait for a pool that slow work has emptied
        self._line = KeptConnection.of_its_own(runtime.settings.database_url)
        self._runs = 0
        self._stays = False
        self._confirmed_at = 0.0
        self._entering = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self.courier_id: int | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Be present as long as one of these is open, from the first claim on."""
        self._runs += 1
        try:
            yield
        finally:
            self._runs -= 1
            if not self._runs:
                await self._leave()

    @asynccontextmanager
    async def stay(self) -> AsyncIterator[None]:
        """Be present at once, claims or none: only who has a heartbeat may judge those of others."""
        async with self.run():
            self._stays = True
            self._begin()
            try:
                yield
            finally:
                self._stays = False

    @property
    def is_sure(self) -> bool:
        """Whether this worker is certainly not taken for gone, and will not be for a moment."""
        return self.courier_id is not None and now() - self._confirmed_at < LEASE - MARGIN

    def holds(self, courier_id: int) -> bool:
        """Whether what was claimed under this id is certainly still this worker's."""
        return courier_id == self.courier_id and self.is_sure

    async def enter(self, db: Connection) -> int:
        """The id to claim under; call it before each claim."""
        async with self._entering:  # channels claim at the same moment, under one id
            if self.courier_id is None:
                asked = now()
                self.courier_id = await db.fetchval(SQL["enter"], self._name, LEASE)
                self._confirmed_at = asked
            self._begin()
            assert self.courier_id is not None
            return self.courier_id

    def renounce(self) -> None:
        """Let go of what is claimed and could not be handed back: others have it when the lease has ended."""
        self.courier_id = None

    def _begin(self) -> None:
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat(), name="heartbeat")

    async def _beat(self) -> None:
        pause = 0.0 if self._stays else BEAT
        while True:
            since = now()
            await asyncio.sleep(pause)
            if (late := now() - since - pause) > STOOD_STILL:
                log.warning("this process stood still, or its machine did", seconds=round(late))
            pause = BEAT if await self._say() else AGAIN

    async def _say(self) -> bool:
        """One heartbeat; whether the server heard it."""
        try:
            async with asyncio.timeout(ANSWER):
                db = await self._line.get()
                if self.courier_id is None:
                    if self._stays:
                        await self.enter(db)
                    return True
                courier_id, asked = self.courier_id, now()
                alive = await db.fetchval(SQL["beat"], courier_id, LEASE, BREAK)
        except Exception as error:  # noqa: BLE001  # a heart that stopped would leave a worker that sends nothing
            self._runtime.outages.met(error)
            await self._line.drop()
            return False
        if self.courier_id != courier_id:  # renounced meanwhile
            return True
        if alive is None:
            log.warning("this worker was taken for gone; what it had claimed is no longer its own")
            self.courier_id = None
        else:
            self._confirmed_at = asked
        return True

    async def _leave(self) -> None:
        """Gone in order; whatever could not be handed back is free at once."""
        beating, self._beating = self._beating, None
        courier_id, self.courier_id = self.courier_id, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        if courier_id is not None:
            with contextlib.suppress(*LOST):
                async with asyncio.timeout(ANSWER):
                    await self._runtime.pool.execute(SQL["leave"], courier_id)
        await self._line.drop()
