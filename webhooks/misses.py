"""Links that do not exist: who asks for too many is asked to wait.

Nobody guesses a token of 65 bits; the limit keeps whoever tries from costing members a slow page. While one network, or
all of them together, miss too often, networks that have missed are turned away before anything is looked up. A network
that has only ever come with good links is never turned away.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

MINUTE: Final = 60
PER_NETWORK: Final = 60
"""Misses in a minute from one network: an office that clicks a mail cut off by its gateway stays below."""
IN_ALL: Final = 3000
ANSWERS_WITHIN: Final = 0.25
REST: Final = 5.0
"""Seconds Redis is left alone after it did not answer; meanwhile this process counts for itself."""
REMEMBERED: Final = 10_000
_ALL: Final = "all"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Misses:
    """Counts misses by network and minute, in Redis for all processes, or here while Redis is away."""

    _local: dict[str, int] = field(default_factory=dict)
    _minute: int = 0
    _away_until: float = 0.0

    async def too_many(self, redis: Redis, remote: str | None, now: datetime) -> bool:
        """Whether this client has to wait.

        Args:
            redis: where all processes count.
            remote: the client's address.
            now: what time it is.
        """
        self._turn(now)
        where = network(remote)
        own, everybody = await self._ask(redis, where)
        return own >= PER_NETWORK or (own > 0 and everybody >= IN_ALL)

    async def count(self, redis: Redis, remote: str | None, now: datetime) -> None:
        """Note one miss."""
        self._turn(now)
        where = network(remote)
        for key in (where, _ALL):
            if key in self._local or len(self._local) < REMEMBERED:
                self._local[key] = self._local.get(key, 0) + 1
        if self._is_away():
            return
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), redis.pipeline(transaction=False) as pipe:
                for key in (where, _ALL):
                    pipe.incr(self._key(key))
                    pipe.expire(self._key(key), 2 * MINUTE)
                await pipe.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    async def _ask(self, redis: Redis, where: str) -> tuple[int, int]:
        own, everybody = self._local.get(where, 0), self._local.get(_ALL, 0)
        if self._is_away():
            return own, everybody
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                found = await redis.mget(self._key(where), self._key(_ALL))
        except (RedisError, OSError) as error:
            self._rest(error)
            return own, everybody
        return max(own, int(found[0] or 0)), max(everybody, int(found[1] or 0))

    def _turn(self, now: datetime) -> None:
        minute = int(now.timestamp()) // MINUTE
        if minute != self._minute:
            self._minute, self._local = minute, {}

    def _key(self, where: str) -> str:
        return f"muster:misses:{self._minute}:{where}"

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _rest(self, error: Exception) -> None:
        log.warning("Redis is away; this process counts misses by itself", error=type(error).__name__)
        self._away_until = time.monotonic() + REST


def network(remote: str | None) -> str:
    """The network an address is in: /24 of IPv4, /48 of IPv6, so that changing the last digits helps nobody."""
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
