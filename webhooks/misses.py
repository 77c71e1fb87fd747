"""Links that do not exist: who asks for too many is asked to wait.

Nobody guesses a token of 65 bits; the limit keeps whoever tries from costing members a slow page. Too many misses from
one network, or from all of them together, and further misses are told to wait. A good link is answered all the same:
an office behind one address, or all of a town behind a proxy, must not lose theirs because of one neighbour. Only a
network that floods us is turned away before anything is looked up.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

MINUTE: Final = 60
PER_NETWORK: Final = 60
"""Misses in a minute from one network: an office that opens a mail cut off by its gateway stays below."""
IN_ALL: Final = 3000
FLOOD: Final = 1200
"""Misses in a minute from one network that nobody makes by mistake."""
ANSWERS_WITHIN: Final = 0.25
REST: Final = 5.0
"""Seconds Redis is left alone after it did not answer; meanwhile this process counts for itself."""
REMEMBERED: Final = 10_000
"""Networks one process remembers within a minute."""
INSIDE: Final = "inside"
"""The network of those for whom a proxy does not speak."""
_ALL: Final = "all"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Misses:
    """Counts misses by network and minute, in Redis for all processes, or here while Redis is away."""

    _counted: dict[str, int] = field(default_factory=dict)
    _minute: int = 0
    _away_until: float = 0.0

    def floods(self, where: str, now: datetime) -> bool:
        """Whether a network is to be turned away outright; asks nobody, so that a good link costs nothing.

        Args:
            where: as `network` names it.
            now: what time it is.
        """
        self._turn(now)
        return self._counted.get(where, 0) > FLOOD and where != "inside"

    async def count(self, redis: Redis, where: str, now: datetime) -> bool:
        """Note one miss; returns whether that was one too many.

        Args:
            redis: where all processes count.
            where: as `network` names it.
            now: what time it is.
        """
        self._turn(now)
        own, everybody = self._add(where), self._add(_ALL)
        if time.monotonic() >= self._away_until:
            seen = await self._count_together(redis, where)
            own, everybody = max(own, seen[0]), max(everybody, seen[1])
        if where in self._counted:
            self._counted[where] = own
        return own > PER_NETWORK or everybody > IN_ALL

    async def _count_together(self, redis: Redis, where: str) -> tuple[int, int]:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), redis.pipeline(transaction=False) as pipe:
                for key in (where, _ALL):
                    name = f"muster:misses:{self._minute}:{key}"
                    pipe.incr(name)
                    pipe.expire(name, 2 * MINUTE)
                own, _, everybody, _ = await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("Redis is away; this process counts misses by itself", error=type(error).__name__)
            self._away_until = time.monotonic() + REST
            return 0, 0
        return own, everybody

    def _add(self, key: str) -> int:
        if key not in self._counted and len(self._counted) >= REMEMBERED:
            return 1
        self._counted[key] = self._counted.get(key, 0) + 1
        return self._counted[key]

    def _turn(self, now: datetime) -> None:
        minute = int(now.timestamp()) // MINUTE
        if minute != self._minute:
            self._minute, self._counted = minute, {}


def network(request: web.Request) -> str:
    """The network a request comes from: /24 of IPv4, /48 of IPv6, so that changing the last digits helps nobody.

    Where it comes through a proxy next to us, what that proxy says of its client counts (the last entry of
    `X-Forwarded-For`, the one it added itself); from anybody else that header is worth nothing. `INSIDE` where a proxy
    does not say.
    """
    peer = _address(request.remote)
    if peer is None or not peer.is_global:
        peer = _address(request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip())
    if peer is None:
        return INSIDE
    return str(ipaddress.ip_network((peer, 24 if peer.version == 4 else 48), strict=False))


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
