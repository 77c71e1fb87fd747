"""Long polling: one database query a second serves all waiting clients, even thousands."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from ballots import feed
from core.db import load_queries
from core.errors import Unavailable
from core.runtime import Runtime

SQL: Final = load_queries(__file__)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for changes, for all waiting clients together."""
MAX_WAITING: Final = 500
"""Clients that may wait in one process at once."""


@dataclass(slots=True)
class LongPoll:
    """Wake waiting clients when their ballot's feed has new changes.

    Args:
        runtime: has the database.
        every: seconds between two queries.
    """

    runtime: Runtime
    every: float = LOOK_EVERY
    closed: bool = False
    _waiting: dict[asyncio.Future[None], tuple[int, int]] = field(default_factory=dict)
    _looking: asyncio.Task[None] | None = None

    async def wait(self, ballot_id: int, after: int, poll_timeout: float) -> None:
        """Return when there is a change after a position, when `poll_timeout` has passed, or when the server stops.

        Raises:
            Unavailable: too many clients wait already.
        """
        if self.closed:
            return
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("Too many clients follow this feed already.", remedy="Please try again in a minute.")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = (ballot_id, after)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="turnout feed")
        try:
            async with asyncio.timeout(poll_timeout):
                await waiter
        except TimeoutError:
            pass
        finally:
            del self._waiting[waiter]

    async def close(self) -> None:
        """Release all waiting clients so that the server can stop."""
        self.closed = True
        for waiter in self._waiting:
            _tell(waiter)
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(self.every)
            try:
                ends = await self._ends(sorted({ballot_id for ballot_id, _ in self._waiting.values()}))
            except Exception as error:  # noqa: BLE001  # who waits must not wait for nobody
                self.runtime.outages.note_error(error)
                continue
            for waiter, (ballot_id, after) in self._waiting.items():
                if ends.get(ballot_id, 0) > after:
                    _tell(waiter)

    async def _ends(self, ballots: list[int]) -> dict[int, int]:
        async with self.runtime.pool.acquire() as db:
            await feed.number_claims(db)
            return {row["ballot_id"]: row["seq"] for row in await db.fetch(SQL["find_last_changes"], ballots)}


def _tell(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


LONG_POLL: Final = web.AppKey("long_poll", LongPoll)
