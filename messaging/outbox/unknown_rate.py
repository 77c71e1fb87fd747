"""Slow a sender down when too many of its recent sends had no answer."""

from __future__ import annotations

from collections import deque
from typing import Final

RECENT_TRIES: Final = 50
"""Number of recent tries that are counted."""
MIN_UNKNOWN_TRIES: Final = 10
"""Least unknown outcomes among them that slow the sender down: too many to be chance."""


class UnknownRate:
    """Counts the unknown outcomes among each sender's recent tries in one worker."""

    def __init__(self) -> None:
        self._last: dict[int, deque[bool]] = {}

    def note(self, sender_id: int, *, unknown: bool) -> bool:
        """Count the outcome of a try.

        Returns:
            Whether to slow the sender down: this outcome was unknown, and at least `MIN_UNKNOWN_TRIES` of the recent
            ones were.
        """
        last = self._last.get(sender_id)
        if last is None:
            last = self._last[sender_id] = deque(maxlen=RECENT_TRIES)
        last.append(unknown)
        return unknown and sum(last) >= MIN_UNKNOWN_TRIES
