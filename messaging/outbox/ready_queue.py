"""Queue of messages that are ready to be sent, and wait for a connection.

With a provider that takes announced messages, a message costs less on a connection that carries the one before it, too.
So a free connection is woken for several messages at once; a quick relay has taken all of them before the others would
have been awake. With a slow one the others are woken a moment later.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from messaging.outbox.schedule import Dispatch

MAILS_TOGETHER: Final = 8
"""Messages for which one free connection is woken, where messages can be announced."""
MAX_WAIT: Final = 0.01
"""Seconds a ready message may wait for a busy connection while another one is free."""


class ReadyQueue:
    """Messages that wait for a connection, transactional ones before all others; each connection has a task.

    Unlike the queue of asyncio, it knows which messages free connections are about to take, so that none of these is
    bound to a busy one.

    Args:
        announces: messages can be announced, so that it is worth to send several by one connection.
    """

    def __init__(self, *, announces: bool) -> None:
        self._together = MAILS_TOGETHER if announces else 1
        self._dispatches: deque[Dispatch] = deque()
        self._free: deque[asyncio.Future[None]] = deque()
        self._promised = 0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, dispatches: list[Dispatch]) -> None:
        """Add messages that have just become ready."""
        now = time.monotonic()
        urgent = 0
        for dispatch in dispatches:
            dispatch.ready_since = now
            if dispatch.is_transactional:
                self._dispatches.appendleft(dispatch)
                urgent += 1
            else:
                self._dispatches.append(dispatch)
        self._wake(urgent - (urgent - len(dispatches)) // self._together)
        if self._waiting and self._free:
            self._look_in(MAX_WAIT)

    async def get(self) -> Dispatch:
        """Take the next message; wait for one if there is none."""
        while not self._waiting:
            promise = asyncio.get_running_loop().create_future()
            self._free.append(promise)
            try:
                await promise
            except asyncio.CancelledError:
                if promise.cancelled():
                    self._free.remove(promise)
                else:
                    self._promised -= 1
                    self._wake(1)
                raise
            self._promised -= 1
        return self._dispatches.popleft()

    def take_next(self) -> list[Dispatch]:
        """Take a message to be sent after the present one on a busy connection; none if it should wait for a free one.

        A transactional message is never bound to a busy connection: somebody waits for it.
        """
        if not self._waiting or self._dispatches[0].is_transactional:
            return []
        return [self._dispatches.popleft()]

    def take_all(self) -> list[Dispatch]:
        """Take all messages."""
        dispatches = list(self._dispatches)
        self._dispatches.clear()
        return dispatches

    @property
    def _waiting(self) -> bool:
        """Tell whether there is a message that no free connection is about to take."""
        return len(self._dispatches) > self._promised

    def _wake(self, count: int) -> None:
        """Promise messages to so many free connections."""
        for _ in range(count):
            if not self._free or not self._waiting:
                break
            self._free.popleft().set_result(None)
            self._promised += 1

    def _look_in(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Wake all free connections if a message has waited for long: those that are busy may be slow, or stuck."""
        self._timer = None
        if not self._waiting or not self._free:
            return
        left = min(dispatch.ready_since for dispatch in self._dispatches) + MAX_WAIT - time.monotonic()
        if left > 0:
            self._look_in(left)
        else:
            self._wake(len(self._free))
