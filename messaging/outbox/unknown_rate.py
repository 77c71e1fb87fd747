"""When so many messages of a sender get no answer that it is better to go slower than to make more of the unknown."""

from __future__ import annotations

from collections import deque
from typing import Final

LAST: Final = 50
"""Tries looked back on."""
MANY: Final = 10
"""Unknown outcomes among those that are too many to be chance."""


class UnknownRate:
    """The last outcomes of each sender, in one worker."""

    def __init__(self) -> None:
        self._last: dict[int, deque[bool]] = {}

    def note(self, sender_id: int, *, unknown: bool) -> bool:
        """Remember an outcome.

        Returns:
            Whether it was unknown and one of too many: hold the sender back.
        """
        last = self._last.setdefault(sender_id, deque(maxlen=LAST))
        last.append(unknown)
        return unknown and sum(last) >= MANY
