"""Choose how many ready messages may wait for a free connection: as few as keep the connections busy.

A message that waits for a connection when its worker is killed gets an unknown outcome, although it never left. So the
number follows how many connections become free while one statement runs: hardly any with a slow provider, up to all of
them with a provider that is faster than the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

SHRINK_AFTER: Final = 1.0
"""Seconds after which the number shrinks if it was not used up."""
MIN_KEPT_SHARE: Final = 0.75
"""Least share of the number that remains then."""


class WaitingMessages:
    """Number of one channel's messages in one worker that may wait for a connection.

    Args:
        connections: its maximum.
        clock: returns monotonic seconds.

    Attributes:
        size: how many messages may be ready beyond one for each connection.
    """

    def __init__(self, connections: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = connections
        self._clock = clock
        self._peak = 0
        self._until = clock() + SHRINK_AFTER
        self.size = 1

    @property
    def is_provider_quick(self) -> bool:
        """Tell whether lately at least half of the connections came free while one statement ran."""
        return 2 * self.size > self._most

    def used(self, count: int, *, gathered: int = 0) -> None:
        """Adjust the size after a statement.

        Args:
            count: connections that came free while it ran.
            gathered: outcomes that it recorded. With a quick provider they waited for each other, instead of coming
                while a statement ran.
        """
        if self.is_provider_quick:
            count = max(count, gathered)
        self._peak = max(self._peak, count)
        self.size = min(self._most, max(self.size, count + 1))
        now = self._clock()
        if now >= self._until:
            self.size = min(self._most, max(self._peak + 1, int(self.size * MIN_KEPT_SHARE)))
            self._peak, self._until = 0, now + SHRINK_AFTER
