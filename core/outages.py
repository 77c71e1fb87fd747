"""Outages of servers: logged when one goes away, once a minute while it stays away, and when it is back.

All code of a process that meets an outage reports it here; a task of its own probes the server once a second until it
answers, so the end is noticed whether or not anything else uses the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from core.db.away import AWAY
from core.errors import MusterError, error_in_words

POSTGRES: Final = "PostgreSQL"
REDIS: Final = "Redis"
PROBE_EVERY: Final = 1.0
"""Seconds between two probes of a server that is away."""
PROBE_TIMEOUT: Final = 5.0
"""Seconds a server has to answer a probe."""
REMIND_EVERY: Final = 60.0
"""Seconds between two log lines while a server stays away."""
ECHO_TIME: Final = 15.0
"""Seconds after an outage in which an error may still belong to it, such as a connection that broke then and is used
only now."""

_MEANWHILE: Final[Mapping[str, str]] = {
    POSTGRES: "nothing is sent or counted meanwhile, and nothing is lost",
    REDIS: "the database is polled every second, each worker sends its share of each rate limit, and nothing is lost",
}

Probe = Callable[[], Awaitable[None]]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Outage:
    """Outage of a server.

    Attributes:
        began: on the monotonic clock.
        error: words of the first error.
        errors: how often it was reported.
        logged: whether it has been logged.
    """

    began: float
    error: str
    errors: int = 1
    logged: bool = False
    watch: asyncio.Task[None] | None = field(default=None, repr=False)


class Outages:
    """Outages of the servers that one process depends on.

    Args:
        probes: by server, a function that raises an error while it is away.
        every: seconds between two probes.
        remind: seconds between two log lines while a server stays away.
    """

    def __init__(
        self, probes: Mapping[str, Probe] | None = None, *, every: float = PROBE_EVERY, remind: float = REMIND_EVERY
    ) -> None:
        self._probes = dict(probes or {})
        self._every = every
        self._remind = remind
        self._open: dict[str, _Outage] = {}
        self._back_at: dict[str, float] = {}
        self._closed = False
        self._logged_again_at: dict[str, float] = {}

    def note_outage(self, server: str, error: BaseException | str) -> None:
        """Note that a server did not answer; the first time, log it and begin to probe it.

        Right after an outage, a new one is logged only if the server does not answer a probe either.
        """
        outage = self._open.get(server)
        if outage is not None:
            outage.errors += 1
            return
        if self._closed:
            return
        outage = self._open[server] = _Outage(time.monotonic(), error_in_words(error))
        is_echo = outage.began < self._back_at.get(server, -ECHO_TIME) + ECHO_TIME
        if not is_echo:
            _log_away(server, outage)
        outage.watch = asyncio.create_task(self._watch(server, outage, at_once=is_echo), name=f"is {server} back")

    def away_for(self, server: str) -> tuple[float, str] | None:
        """Return for how many seconds a server has been away, and its first error; None if it is not away."""
        outage = self._open.get(server)
        return (time.monotonic() - outage.began, outage.error) if outage is not None else None

    def note_error(self, error: Exception) -> None:
        """Note an error of a statement that is tried again: an outage, a temporary error of the server, or a bug.

        A deadlock or a full disk is logged once a minute: the server is there, but cannot do what it is asked. So is an
        unexpected error, with its traceback.
        """
        if isinstance(error, AWAY):
            self.note_outage(POSTGRES, error)
            return
        kind, now = type(error).__name__, time.monotonic()
        if now >= self._logged_again_at.get(kind, 0.0):
            self._logged_again_at[kind] = now + self._remind
            if isinstance(error, (asyncpg.PostgresError, MusterError)):
                log.warning("PostgreSQL refuses a statement; it is tried again", error=error_in_words(error), kind=kind)
            else:
                log.error("an unexpected error; the statement is tried again", kind=kind, exc_info=error)

    async def close(self) -> None:
        """Stop probing."""
        self._closed = True
        watches = [outage.watch for outage in self._open.values() if outage.watch is not None]
        self._open.clear()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def _watch(self, server: str, outage: _Outage, *, at_once: bool) -> None:
        remind_at = outage.began + self._remind
        asking: asyncio.Task[None] | None = None
        try:
            while True:
                if not at_once:
                    await asyncio.sleep(self._every)
                at_once = False
                if asking is None:
                    asking = asyncio.create_task(self._ask(server))
                await asyncio.wait([asking], timeout=self._every)
                if asking.done():
                    answered, asking = asking, None
                    if answered.exception() is None:
                        break
                if not outage.logged:
                    _log_away(server, outage)
                elif time.monotonic() >= remind_at:
                    remind_at += self._remind
                    log.warning("a server is still away", server=server, seconds=_since(outage), errors=outage.errors)
        finally:
            if asking is not None:
                asking.cancel()
            self._open.pop(server, None)  # in any case: a server that is still listed here is not probed again
        self._back_at[server] = time.monotonic()
        if outage.logged:
            log.info("a server is back", server=server, seconds=_since(outage), errors=outage.errors)

    async def _ask(self, server: str) -> None:
        probe = self._probes.get(server)
        if probe is not None:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await probe()


def _log_away(server: str, outage: _Outage) -> None:
    outage.logged = True
    log.warning("a server is away", server=server, error=outage.error, meanwhile=_MEANWHILE.get(server, ""))


def _since(outage: _Outage) -> int:
    return round(time.monotonic() - outage.began)
