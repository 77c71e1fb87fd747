"""Circuit breaker for a provider that fails: one for each provider in each worker.

```
closed ──MAX_FAILURES failures in a row──► open ──its pause is over──► one message as a probe ──it succeeded──► closed
                                          ▲                                  │
                                          └───── twice the pause ◄───────────┘ it failed
```
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

MAX_FAILURES: Final = 5
"""Failures in a row that open it."""
FIRST_PAUSE: Final = 15.0
"""Seconds before the first probe."""
MAX_PAUSE: Final = 300.0
"""Most seconds between two probes."""
PROBE_LASTS: Final = 150.0
"""Seconds a probe may take; after that the next message is the probe."""


class Breaker:
    """Circuit breaker of one provider.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._probe: int | None = None
        self._probe_until = 0.0
        self.open_until: float | None = None
        """Time of the next probe, by `clock`; None while it is closed."""

    @property
    def closed(self) -> bool:
        """Tell whether its provider gets messages as usual."""
        return self.open_until is None

    @property
    def wants_probe(self) -> bool:
        """Tell whether its pause is over and no probe is under way."""
        if self.open_until is None:
            return False
        now = self._clock()
        return now >= self.open_until and (self._probe is None or now >= self._probe_until)

    def probe_with(self, message_id: int) -> None:
        """Use a message as the probe of its provider."""
        self._probe, self._probe_until = message_id, self._clock() + PROBE_LASTS

    def lets_through(self, message_id: int) -> bool:
        """Tell whether a message may be given to its provider now."""
        return self.closed or message_id == self._probe

    def went_well(self) -> bool:
        """Record a success of its provider; return whether that closed it."""
        opened = not self.closed
        self._failures, self._pause, self._probe, self.open_until = 0, FIRST_PAUSE, None, None
        return opened

    def failed(self, message_id: int) -> bool:
        """Record a failure of its provider; return whether that opened it."""
        if self.closed:
            self._failures += 1
            if self._failures < MAX_FAILURES:
                return False
            self.open_until = self._clock() + self._pause
            return True
        if message_id == self._probe:  # failures of messages that were in flight when it opened do not count
            self._pause = min(MAX_PAUSE, self._pause * 2)
            self._probe, self.open_until = None, self._clock() + self._pause
        return False
