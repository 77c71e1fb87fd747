"""Batch of outcomes that will be recorded by one statement, with the intents of the next messages.

With a provider that is quicker than the database the outcomes of all messages in flight come back before the next
statement could have ended. So the first ones wait for the others for a moment: few large statements cost less than many
small ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from messaging.outbox.outcome_writer import BroadRefusal
from messaging.outbox.outcomes import Outcome
from messaging.outbox.waiting_messages import WaitingMessages

MAX_OUTCOME_DELAY: Final = 0.01
"""Seconds an outcome may wait to be recorded together with others, while no connection waits for a message."""
GATHER_TIME: Final = 0.003
"""Seconds an outcome may wait for those of messages that are being sent by a quick provider."""
GATHERED_SHARE: Final = 0.9
"""Share of the messages in flight whose outcomes do not wait for the others."""


class OutcomeBatch:
    """Outcomes and refusals that came back since the last statement.

    Args:
        waiting: knows whether the provider is quick.
        clock: returns monotonic seconds.
    """

    def __init__(self, waiting: WaitingMessages, clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting = waiting
        self._clock = clock
        self._began = 0.0
        self._outcomes: list[Outcome] = []
        self._refusals: list[BroadRefusal] = []

    def __len__(self) -> int:
        return len(self._outcomes)

    def add(self, outcome: Outcome) -> bool:
        """Add an outcome; return whether it is the first one."""
        self._outcomes.append(outcome)
        if len(self._outcomes) > 1:
            return False
        self._began = self._clock()
        return True

    def add_refusal(self, refusal: BroadRefusal) -> None:
        """Add a refusal that affects an address or a sender."""
        self._refusals.append(refusal)

    def take(self) -> tuple[list[Outcome], list[BroadRefusal]]:
        """Take everything, to record it."""
        taken = self._outcomes, self._refusals
        self._outcomes, self._refusals = [], []
        return taken

    def put_back(self, outcomes: list[Outcome], refusals: list[BroadRefusal]) -> None:
        """Put back what could not be recorded."""
        self._outcomes = [*outcomes, *self._outcomes]
        self._refusals = [*refusals, *self._refusals]

    def is_due(self) -> bool:
        """Tell whether the outcomes have to be recorded now, also without intents."""
        return bool(self._outcomes) and self._clock() >= self._began + MAX_OUTCOME_DELAY

    def gathers(self, in_flight: int) -> bool:
        """Tell whether the outcomes wait for more.

        Args:
            in_flight: messages without a recorded outcome, those of this batch included.
        """
        return (
            0 < len(self._outcomes) < GATHERED_SHARE * in_flight
            and self._waiting.is_provider_quick
            and self._clock() < self._began + GATHER_TIME
        )

    def wait(self, in_flight: int, longest: float) -> float:
        """Return the seconds until the outcomes have to be recorded, at most `longest`."""
        if not self._outcomes:
            return longest
        if self.gathers(in_flight):
            return self._began + GATHER_TIME - self._clock()
        return min(longest, self._began + MAX_OUTCOME_DELAY - self._clock())
