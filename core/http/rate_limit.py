"""Rate limit for clients that ask for too many links or keys that do not exist.

Nobody guesses a token of 65 bits, or a key of 160. The limit keeps clients that try from slowing down others. After too
many misses from one network, or from all of them together, further misses are answered with a request to wait. A valid
link or key is always answered: an office behind one address, a town behind a telephone network and everybody behind a
CDN must not lose their links because of one neighbour. So everything of the form of a link or a key is looked up; but
flooding networks get only a few look-ups at a time, so that the database stays free for everybody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

WINDOW_SECONDS: Final = 60
"""Seconds over which misses are counted."""
MAX_MISSES_PER_NETWORK: Final = 60
"""Misses in a minute that one network may have. An office whose gateway cuts links off, and where many people open the
mail, stays below."""
MAX_MISSES_IN_ALL: Final = 3000
"""Misses in a minute of all networks together."""
FLOOD_MISSES: Final = 1200
"""Misses in a minute from one network that nobody makes by mistake."""
REDIS_TIMEOUT: Final = 0.25
"""Seconds Redis has to answer."""
REDIS_PAUSE: Final = 5.0
"""Seconds without trying Redis after it did not answer; meanwhile this process counts for itself."""
MAX_REMEMBERED_NETWORKS: Final = 10_000
"""Networks one process remembers within a minute."""
MAX_FLOOD_LOOKUPS: Final = 4
"""Look-ups at the same time for all flooding networks together: each takes a millisecond of one connection."""
_ALL: Final = "all"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RateLimit:
    """Count misses by network and minute, in Redis for all processes, or here while Redis is away.

    Attributes:
        use: kind of look-up: `links` or `keys`. Each is counted apart, so that misses of one do not limit the other.
    """

    use: str
    _few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_FLOOD_LOOKUPS))
    _counted: dict[str, int] = field(default_factory=dict)
    _minute: int = 0
    _away_until: float = 0.0

    @asynccontextmanager
    async def turn(self, where: str, now: datetime) -> AsyncIterator[None]:
        """Wait for a turn to look something up; only flooding networks have to wait.

        Args:
            where: as `client_network` names it.
            now: what time it is.
        """
        self._turn_over(now)
        if self._counted.get(where, 0) <= FLOOD_MISSES:
            yield
            return
        async with self._few:
            yield

    async def count(self, redis: Redis, where: str, now: datetime) -> bool:
        """Count one miss; return whether that was one too many.

        Args:
            redis: where all processes count.
            where: as `client_network` names it.
            now: what time it is.
        """
        self._turn_over(now)
        own, everybody = self._add(where), self._add(_ALL)
        if time.monotonic() >= self._away_until:
            seen = await self._count_together(redis, where)
            own, everybody = max(own, seen[0]), max(everybody, seen[1])
        if where in self._counted:
            self._counted[where] = own
        return own > MAX_MISSES_PER_NETWORK or everybody > MAX_MISSES_IN_ALL

    async def _count_together(self, redis: Redis, where: str) -> tuple[int, int]:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT), redis.pipeline(transaction=False) as pipe:
                for key in (where, _ALL):
                    name = f"muster:misses:{self.use}:{self._minute}:{key}"
                    pipe.incr(name)
                    pipe.expire(name, 2 * WINDOW_SECONDS)
                own, _, everybody, _ = await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("Redis is away; this process counts bad links by itself", error=type(error).__name__)
            self._away_until = time.monotonic() + REDIS_PAUSE
            return 0, 0
        return own, everybody

    def _add(self, key: str) -> int:
        if key not in self._counted and len(self._counted) >= MAX_REMEMBERED_NETWORKS:
            return 1
        self._counted[key] = self._counted.get(key, 0) + 1
        return self._counted[key]

    def _turn_over(self, now: datetime) -> None:
        minute = int(now.timestamp()) // WINDOW_SECONDS
        if minute != self._minute:
            self._minute, self._counted = minute, {}
