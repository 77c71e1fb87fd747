"""Periodic jobs: work that is due again and again, and runs in one process at most once at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from core.errors import MusterError
from core.outages import Outages
from muster.server_errors import server_of

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PeriodicJob:
    """Job that runs at most once at a time; a request during a round starts one more round after it.

    Attributes:
        name: its name in logs.
        work: does one round; returns True if there is more to do at once.
        every: seconds from the beginning of a round until the clock asks for the next; 0 for whenever it ticks.
        next_at: when that is, on the monotonic clock; a request starts a round before then, too.
        pause: seconds between two rounds, in which requests are collected into one round.
        requested: whether a round was asked for since the round began.
        task: the task that runs the rounds.
        trouble: the last error, so that it is logged once and not every second.
        closed: whether further requests are ignored.
        outages: logs that a server of ours is away, in one line for the whole process.
    """

    name: str
    work: Callable[[], Awaitable[object]]
    every: float = 0.0
    next_at: float = 0.0
    pause: float = 0.0
    requested: bool = False
    task: asyncio.Task[None] | None = None
    trouble: str = ""
    closed: bool = False
    outages: Outages = field(default_factory=Outages)

    def is_due(self) -> bool:
        """Tell whether the clock asks for a round."""
        return time.monotonic() >= self.next_at

    def ask(self) -> asyncio.Task[None]:
        """Request a round; return the task that runs it."""
        self.requested = not self.closed
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._rounds(), name=self.name)
        return self.task

    def close(self) -> asyncio.Task[None] | None:
        """Start no other round; return the task of the one in progress."""
        self.closed, self.requested = True, False
        return self.task

    async def _rounds(self) -> None:
        while self.requested:
            self.requested = False
            self.next_at = time.monotonic() + self.every  # also after a failure
            try:
                more = await self.work() is True
            except Exception as error:  # noqa: BLE001  # it is tried again within a second
                self._report(error)
                return
            if self.trouble:
                log.info("a job works again", job=self.name)
                self.trouble = ""
            if not more:
                await asyncio.sleep(self.pause)
            self.requested = (self.requested or more) and not self.closed

    def _report(self, error: Exception) -> None:
        server = server_of(error)
        if server is not None:
            self.outages.note_outage(server, error)
            return
        trouble = error.message if isinstance(error, MusterError) else repr(error)
        if trouble == self.trouble:
            return
        self.trouble = trouble
        if isinstance(error, (MusterError, OSError)):
            log.warning("a job cannot run now; trying every second", job=self.name, error=trouble)
        else:
            log.error("a job failed; trying every second", job=self.name, exc_info=error)
