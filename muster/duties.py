"""What a worker does, whoever asks for it: deliver, read the inbox, and look after whatever is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from campaigns.launch import launch_due_steps
from campaigns.turnout.counts import refresh_open
from messaging.outbox.send import Courier
from messaging.outbox.sweep import sweep
from messaging.runtime import Runtime
from muster.lost import server_lost
from webhooks import process_inbox

INBOX_BATCH: Final = 500
COUNT_EVERY: Final = 10
"""Ticks between two rounds of the turnout counts' upkeep; what is counted is right without it, only slower to read."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Duty:
    """Work that one process does once at a time; asked for in the middle, it goes round once more.

    Attributes:
        name: what logs call it.
        work: one round; says whether there is more to do at once.
        asked: somebody asked since the round began.
        task: the rounds that are going on.
        trouble: what went wrong last, so that it is logged once and not every second.
        closed: nobody can ask any more.
    """

    name: str
    work: Callable[[], Awaitable[bool]]
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


@dataclass(slots=True)
class Duties:
    """The duties of one worker process. Each stands by itself: one that fails keeps none of the others waiting.

    Args:
        runtime: what they work on.
        courier: sends what is due.
    """

    runtime: Runtime
    courier: Courier
    deliver: Duty = field(init=False)
    inbox: Duty = field(init=False)
    launch: Duty = field(init=False)
    sweep: Duty = field(init=False)
    counts: Duty = field(init=False)
    ticks: int = 0

    def __post_init__(self) -> None:
        self.deliver = Duty("deliver", self._deliver)
        self.inbox = Duty("inbox", self._read_inbox)
        self.launch = Duty("launch", self._launch)
        self.sweep = Duty("sweep", self._sweep)
        self.counts = Duty("counts", self._count)

    def tick(self) -> list[asyncio.Task[None]]:
        """Have everything done that is due by the clock."""
        self.ticks += 1
        due = [self.launch, self.sweep, self.inbox, self.deliver]
        if self.ticks % COUNT_EVERY == 0:
            due.append(self.counts)
        return [duty.ask() for duty in due]

    async def finish(self, patience: float) -> None:
        """Begin nothing new, finish what is in flight, hand the rest back.

        Args:
            patience: seconds; what is not finished by then is cancelled.
        """
        duties = (self.deliver, self.inbox, self.launch, self.sweep, self.counts)
        going = [task for duty in duties if (task := duty.close()) is not None]
        if not going:
            return
        _, late = await asyncio.wait(going, timeout=patience)
        for task in late:
            log.warning("a duty did not finish in time", duty=task.get_name())
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    async def _deliver(self) -> bool:
        await self.courier.run(until_idle=True, deadline=None)
        return False

    async def _read_inbox(self) -> bool:
        return await process_inbox(self.runtime, INBOX_BATCH) >= INBOX_BATCH

    async def _launch(self) -> bool:
        await launch_due_steps(self.runtime)
        return False

    async def _sweep(self) -> bool:
        await sweep(self.runtime)
        return False

    async def _count(self) -> bool:
        await refresh_open(self.runtime)
        return False
