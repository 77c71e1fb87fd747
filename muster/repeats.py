"""Log lines about what may happen thousands of times: the first at once, then one a minute with how many there were."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

EVERY: Final = 60.0
"""Seconds between two lines about the same thing."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Repeats:
    """Counts events by the words they are logged with, so that nobody fills the log from outside.

    Attributes:
        every: seconds between two lines about the same thing.
    """

    every: float = EVERY
    _since: dict[str, int] = field(default_factory=dict)
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def warn(self, event: str, **detail: object) -> None:
        """Log a warning: at once where there was none like it for a while, else with the next minute's count.

        Args:
            event: the words of the line; what has the same words is counted together.
            detail: what the line says of the first one beside its words.
        """
        if event in self._timers:
            self._since[event] += 1
            return
        log.warning(event, **detail)
        self._wait(event)

    def close(self) -> None:
        """Log what was only counted so far."""
        for event, timer in self._timers.items():
            timer.cancel()
            self._tell(event)
        self._timers.clear()

    def _wait(self, event: str) -> None:
        self._since[event] = 0
        self._timers[event] = asyncio.get_running_loop().call_later(self.every, self._minute_over, event)

    def _minute_over(self, event: str) -> None:
        if self._tell(event):
            self._wait(event)
        else:
            del self._timers[event], self._since[event]

    def _tell(self, event: str) -> bool:
        if more := self._since[event]:
            log.warning(event, more=more, seconds=round(self.every))
        return more > 0
