"""What a worker does, whoever asks for it: deliver, read the inbox, and look after whatever is due."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from campaigns.launch import launch_due_steps
from campaigns.turnout.counts import refresh_open
from messaging.outbox.send import Courier
from messaging.outbox.sweep import sweep
from messaging.runtime import Runtime
from muster.duty import Duty
from webhooks import process_inbox

INBOX_BATCH: Final = 500
COUNT_EVERY: Final = 10
"""Ticks between two rounds of the turnout counts' upkeep; what is counted is right without it, only slower to read."""

log = structlog.get_logger(__name__)


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
        self.courier.stop()
        if not going:
            return
        _, late = await asyncio.wait(going, timeout=patience)
        for task in late:
            log.warning("a duty did not finish in time", duty=task.get_name())
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    async def _deliver(self) -> bool:
        await self.courier.run(until_idle=True)
        return False

    async def _read_inbox(self) -> bool:
        return await process_inbox(self.runtime, INBOX_BATCH) >= INBOX_BATCH

    async def _launch(self) -> bool:
        await launch_due_steps(self.runtime)
        return False

    async def _sweep(self) -> bool:
        await sweep(self.runtime, self.courier.channels)
        return False

    async def _count(self) -> bool:
        await refresh_open(self.runtime)
        return False
