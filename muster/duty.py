"""Work that one process does once at a time, as often as anybody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from muster.lost import server_lost

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Duty:
    """Work that one process does once at a time; asked for in the middle, it goes round once more.

    Attributes:
        name: what logs call it.
        work: one round; says whether there is more to do at once.
        pause: seconds between two rounds, in which what is asked for gathers to be done in one.
        asked: somebody asked since the round began.
        task: the rounds that are going on.
        trouble: what went wrong last, so that it is logged once and not every second.
        closed: nobody can ask any more.
    """

    name: str
    work: Callable[[], Awaitable[bool]]
    pause: float = 0.0
    asked: bool = False
    task: asyncio.Task[None] | None = None
    trouble: str = ""
    closed: bool = False

    def ask(self) -> asyncio.Task[None]:
        """Have it done from now on; returns the task that does it."""
        self.asked = not self.closed
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._rounds(), name=self.name)
        return self.task

    def close(self) -> asyncio.Task[None] | None:
        """Begin no other round; returns the one that is going on."""
        self.closed, self.asked = True, False
        return self.task

    async def _rounds(self) -> None:
        while self.asked:
            self.asked = False
            try:
                more = await self.work()
            except Exception as error:  # noqa: BLE001  # the next second tries again
                self._report(error)
                return
            if self.trouble:
                log.info("it works again", duty=self.name)
                self.trouble = ""
            if not more:
                await asyncio.sleep(self.pause)
            self.asked = (self.asked or more) and not self.closed

    def _report(self, error: Exception) -> None:
        lost = server_lost(error)
        trouble = lost.message if lost is not None else repr(error)
        if trouble == self.trouble:
            return
        self.trouble = trouble
        if lost is not None or isinstance(error, OSError):
            log.warning("a server is away; trying every second", duty=self.name, error=trouble)
        else:
            log.error("a duty failed; trying every second", duty=self.name, exc_info=error)
