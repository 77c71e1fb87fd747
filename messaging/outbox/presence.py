"""A courier's presence in the database: what it has claimed is its own for as long as its heart beats.

Claims have no clock of their own, so a slow sender's queue can wait as long as it must. A worker that is killed, hangs
or is cut off stops beating; `LEASE` seconds later, by PostgreSQL's clock, any worker's sweep declares it gone and takes
what it had. One that was declared gone can put nothing more on the wire: it enters anew, and claims anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from messaging.db import Connection, load_queries
from messaging.outbox.journal import LOST
from messaging.runtime import Runtime

SQL: Final = load_queries(__file__)

LEASE: Final = 15.0
"""Seconds without a heartbeat after which a courier counts as gone."""
BEAT: Final = 3.0

log = structlog.get_logger(__name__)


class Presence:
    """One courier's, from its first claim to the end of its run.

    Args:
        runtime: the database.
        name: the courier's, for people.

    Attributes:
        courier_id: its row; None while it has claimed nothing.
    """

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        self._runs = 0
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

    async def enter(self, db: Connection) -> int:
        """The id to claim under; call it before each claim."""
        async with self._entering:  # channels claim at the same moment, under one id
            if self.courier_id is None:
                self.courier_id = await db.fetchval(SQL["enter"], self._name, LEASE)
            if self._beating is None:
                self._beating = asyncio.create_task(self._beat(), name="heartbeat")
            assert self.courier_id is not None
            return self.courier_id

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            if self.courier_id is None:
                continue
            try:
                async with asyncio.timeout(LEASE):
                    alive = await self._runtime.pool.fetchval(SQL["beat"], self.courier_id, LEASE)
            except LOST as error:
                log.warning("a heartbeat was missed", error=str(error))
                continue
            if alive is None:
                log.warning("this worker was taken for gone; what it had claimed is no longer its own")
                self.courier_id = None

    async def _leave(self) -> None:
        """Gone in order; whatever could not be handed back is free at once."""
        beating, self._beating = self._beating, None
        courier_id, self.courier_id = self.courier_id, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        if courier_id is not None:
            with contextlib.suppress(*LOST):
                await self._runtime.pool.execute(SQL["leave"], courier_id)
