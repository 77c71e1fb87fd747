"""Agenda of delayed actions with a limit of concurrency: receipts to post, messages to read, buttons to press."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

log = structlog.get_logger(__name__)

TimedCall = Callable[..., Awaitable[None]]


class Agenda:
    """Heap of delayed actions, on one timer.

    Args:
        name: its name in the log.
        at_once: most actions running at the same time; further due ones wait.
    """

    def __init__(self, name: str, *, at_once: int) -> None:
        self._name = name
        self._at_once = at_once
        self._heap: list[tuple[float, int, TimedCall, tuple[object, ...]]] = []
        self._order = count()
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @property
    def pending(self) -> int:
        """Count actions that are waiting or running."""
        return len(self._heap) + len(self._running)

    def later(self, seconds: float, act: TimedCall, *args: object) -> None:
        """Schedule an action in so many seconds; none is accepted once closed."""
        if self._closed:
            return
        due = asyncio.get_running_loop().time() + max(seconds, 0.0)
        heapq.heappush(self._heap, (due, next(self._order), act, args))
        self._idle.clear()
        self._set_timer()

    async def idle(self) -> None:
        """Wait until no action is waiting or running."""
        await self._idle.wait()

    async def close(self) -> None:
        """Drop waiting actions and cancel running ones."""
        self._closed = True
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._idle.set()

    def _set_timer(self) -> None:
        """Set the timer for the first due action; at the limit of concurrency, the next action that ends sets it."""
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
        # a loop's timer may fire a clock tick early
        horizon = loop.time() + 0.002
        while self._heap and self._heap[0][0] <= horizon and len(self._running) < self._at_once:
            _, _, act, args = heapq.heappop(self._heap)
            task = loop.create_task(self._do(act, args))
            self._running.add(task)
            task.add_done_callback(self._done)
        self._set_timer()

    async def _do(self, act: TimedCall, args: tuple[object, ...]) -> None:
        try:
            await act(*args)
        except Exception:
            # an error in one action must not stop the others
            log.exception("a task of the sandbox failed", agenda=self._name)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._heap:
            self._set_timer()
        elif not self._running:
            self._idle.set()
