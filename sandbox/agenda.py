"""Things to do later, at most so many at once: receipts to post, messages to read, buttons to press."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

log = structlog.get_logger(__name__)

Act = Callable[..., Awaitable[None]]


class Agenda:
    """A heap of things that are due at a time, on one timer.

    Args:
        name: what it is for, in the log.
        at_once: most things under way at the same time; what is due beyond that waits.
    """

    def __init__(self, name: str, *, at_once: int) -> None:
        self._name = name
        self._at_once = at_once
        self._heap: list[tuple[float, int, Act, tuple[object, ...]]] = []
        self._order = count()
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @property
    def pending(self) -> int:
        """How many things are waiting or under way."""
        return len(self._heap) + len(self._running)

    def later(self, seconds: float, act: Act, *args: object) -> None:
        """Do something in so many seconds; nothing is accepted once closed."""
        if self._closed:
            return
        due = asyncio.get_running_loop().time() + max(seconds, 0.0)
        heapq.heappush(self._heap, (due, next(self._order), act, args))
        self._idle.clear()
        self._set_timer()

    async def idle(self) -> None:
        """Wait until nothing is waiting or under way."""
        await self._idle.wait()

    async def close(self) -> None:
        """Drop what is waiting and stop what is under way."""
        self._closed = True
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._idle.set()

    def _set_timer(self) -> None:
        """Ring when the first thing is due; while all hands are busy, the next free one looks instead."""
        if not self._heap or len(self._running) >= self._at_once:
            return
        due = self._heap[0][0]
        if due >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().call_at(due, self._start_due)

    def _start_due(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        loop = asyncio.get_running_loop()
        # a loop's timer may ring a clock tick early
        horizon = loop.time() + 0.002
        while self._heap and self._heap[0][0] <= horizon and len(self._running) < self._at_once:
            _, _, act, args = heapq.heappop(self._heap)
            task = loop.create_task(self._do(act, args))
            self._running.add(task)
            task.add_done_callback(self._done)
        self._set_timer()

    async def _do(self, act: Act, args: tuple[object, ...]) -> None:
        try:
            await act(*args)
        except Exception:
            # one simulated person who stumbles must not stop the others
            log.exception("Something in the sandbox went wrong", agenda=self._name)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._heap:
            self._set_timer()
        elif not self._running:
            self._idle.set()
