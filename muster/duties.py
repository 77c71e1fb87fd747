"""What a worker does, whoever asks for it: deliver, read the inbox, and look after whatever is due."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
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
INBOX_PAUSE: Final = 0.1
"""Seconds in which receipts gather: a batch costs the database little more than a single one."""
COUNT_EVERY: Final = 10.0
"""Seconds between two rounds of the turnout counts' upkeep; without it they are as right, only slower to read."""
COUNT_SHARE: Final = 0.05
"""The most of the time that the upkeep may take, in an electorate of any size."""

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
    deliveries: list[Duty] = field(init=False)
    inbox: Duty = field(init=False)
    launch: Duty = field(init=False)
    sweep: Duty = field(init=False)
    counts: Duty = field(init=False)
    count_at: float = 0.0

    def __post_init__(self) -> None:
        # one for each channel: texts may trickle for hours at their sender's pace, and emails must not wait for them
        self.deliveries = [Duty(f"deliver {name}", partial(self._deliver, name)) for name in self.courier.channels]
        self.inbox = Duty("inbox", self._read_inbox, INBOX_PAUSE)
        self.launch = Duty("launch", self._launch)
        self.sweep = Duty("sweep", self._sweep)
        self.counts = Duty("counts", self._count)

    def tick(self) -> list[asyncio.Task[None]]:
        """Have everything done that is due by the clock."""
        due = [self.launch, self.sweep, self.inbox, *self.deliveries]
        if time.monotonic() >= self.count_at:
            due.append(self.counts)
        return [duty.ask() for duty in due]

    def deliver(self) -> list[asyncio.Task[None]]:
        """Have whatever is due sent, by every channel."""
        return [duty.ask() for duty in self.deliveries]

    async def finish(self, patience: float) -> None:
        """Begin nothing new, finish what is in flight, hand the rest back.

        Args:
            patience: seconds; what is not finished by then is cancelled.
        """
        duties = (*self.deliveries, self.inbox, self.launch, self.sweep, self.counts)
        going = [task for duty in duties if (task := duty.close()) is not None]
        self.courier.stop()
        if not going:
            return
        _, late = await asyncio.wait(going, timeout=patience)
        for task in late:
            log.warning("a duty did not finish in time", duty=task.get_name())
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    async def _deliver(self, channel: str) -> bool:
        await self.courier.run(only=channel)
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
        began = time.monotonic()
        await refresh_open(self.runtime)
        took = time.monotonic() - began
        self.count_at = began + max(COUNT_EVERY, took / COUNT_SHARE)
        return False
