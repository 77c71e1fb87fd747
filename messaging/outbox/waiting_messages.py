"""How many messages are marked for the wire ahead of free connections: as few as keep the connections busy.

Whatever is marked and waits for a connection when its worker is killed becomes unknown, though it never left. So the
stock follows what is really used up while one statement runs: next to nothing where a provider takes its time, up to
one for each connection where it is quicker than the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

WINDOW: Final = 1.0
"""Seconds after which a stock that was not used up shrinks."""
KEPT: Final = 0.75
"""The share of it that is left then, at least."""


class WaitingMessages:
    """The stock of one channel in one worker.

    Args:
        connections: the most it can be.
        clock: seconds that only go forward.

    Attributes:
        size: how many may be marked beyond one for each connection.
    """

    def __init__(self, connections: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = connections
        self._clock = clock
        self._peak = 0
        self._until = clock() + WINDOW
        self.size = 1

    def used(self, count: int) -> None:
        """So many connections came free while a statement marked the next messages."""
        self._peak = max(self._peak, count)
        self.size = min(self._most, max(self.size, count + 1))
        now = self._clock()
        if now >= self._until:
            self.size = min(self._most, max(self._peak + 1, int(self.size * KEPT)))
            self._peak, self._until = 0, now + WINDOW
