"""Rate limit for log lines that strangers could cause without end: one at once, then one a minute with a count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web

LOG_EVERY: Final = 60.0
"""Seconds between two lines about the same thing."""

LogKind = tuple[str, str]
"""Event, and what it was about."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LogLimit:
    """Write repeated warnings at a limited rate, counted by their words and what they are about.

    Attributes:
        every: seconds between two lines about the same thing.
    """

    every: float = LOG_EVERY
    _since: dict[LogKind, int] = field(default_factory=dict)
    _timers: dict[LogKind, asyncio.TimerHandle] = field(default_factory=dict)
    _levels: dict[LogKind, int] = field(default_factory=dict)

    def write(self, event: str, about: str = "", **detail: object) -> None:
        """Write a warning at once if there was none like it for a while; else count it in the next minute's line.

        Args:
            event: what happened.
            about: what the lines of one kind share, such as a route; there must be few different values.
            detail: what the line says besides about the first event of its kind.
        """
        self._write((event, about), logging.WARNING, detail)

    def note(self, event: str, **detail: object) -> None:
        """Write a routine event in the same way, at debug level."""
        self._write((event, ""), logging.DEBUG, detail)

    def _write(self, kind: LogKind, level: int, detail: Mapping[str, object]) -> None:
        if kind in self._timers:
            self._since[kind] += 1
            self._levels[kind] = max(self._levels[kind], level)
            return
        self._levels[kind] = level
        event, about = kind
        log.log(level, event, **_about(about), **detail)
        self._wait(kind)

    def close(self) -> None:
        """Write what has only been counted so far."""
        for kind, timer in self._timers.items():
            timer.cancel()
            self._tell(kind)
        self._timers.clear()

    def _wait(self, kind: LogKind) -> None:
        self._since[kind] = 0
        self._timers[kind] = asyncio.get_running_loop().call_later(self.every, self._minute_over, kind)

    def _minute_over(self, kind: LogKind) -> None:
        if self._tell(kind):
            self._wait(kind)
        else:
            del self._timers[kind], self._since[kind], self._levels[kind]

    def _tell(self, kind: LogKind) -> bool:
        event, about = kind
        if more := self._since[kind]:
            log.log(self._levels[kind], event, **_about(about), more=more, seconds=round(self.every))
        return more > 0


def _about(about: str) -> dict[str, str]:
    return {"about": about} if about else {}


LOG_LIMIT: Final = web.AppKey("log_limit", LogLimit)
