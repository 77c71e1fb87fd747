"""Work that one process does once at a time, as often as anybody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from core.errors import MusterError
from core.outages import Outages
from muster.server_errors import server_of

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PeriodicJob:
    """Work that one process does once at a time; asked for in the middle, it goes round once more.

    Attributes:
        name: what logs call it.
        work: one round; says whether there is more to do at once.
        pause: seconds between two rounds, in which what is asked for gathers to be done in one.
        asked: somebody asked since the round began.
        task: the rounds that are going on.
        trouble: what went wrong last, so that it is logged once and not every second.
        closed: nobody can ask any more.
        outages: where it says that a server of ours is away, one line for the whole process.
    """

    name: str
    work: Callable[[], Awaitable[bool]]
    pause: float = 0.0
    asked: bool = False
    task: asyncio.Task[None] | None = None
    trouble: str = ""
    closed: bool = False
    outages: Outages = field(default_factory=Outages)

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
        server = server_of(error)
        if server is not None:
            self.outages.away(server, error)
            return
        trouble = error.message if isinstance(error, MusterError) else repr(error)
        if trouble == self.trouble:
            return
        self.trouble = trouble
        if isinstance(error, (MusterError, OSError)):
            log.warning("this does not work now; trying every second", duty=self.name, error=trouble)
        else:
            log.error("a duty failed; trying every second", duty=self.name, exc_info=error)
