"""Log lines that strangers could have written without end: the first at once, then one a minute with their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from aiohttp import web

EVERY: Final = timedelta(minutes=1)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LogLimit:
    """Writes warnings that repeat themselves; one for each web application."""

    _written: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _left_out: dict[tuple[str, str], int] = field(default_factory=dict)

    def warn(self, event: str, about: str, now: datetime, **more: object) -> None:
        """Write a warning, unless the same was written within a minute: then it is counted.

        Args:
            event: what happened.
            about: the same for lines that are one kind, such as a route; few different ones.
            now: what time it is.
            more: of the latest only.
        """
        kind = (event, about)
        if kind in self._written and abs(now - self._written[kind]) < EVERY:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._written[kind] = now
        times = self._left_out.pop(kind, 0) + 1
        log.warning(event, about=about, times=times, **more)


LOG_LIMIT: Final = web.AppKey("log_limit", LogLimit)
