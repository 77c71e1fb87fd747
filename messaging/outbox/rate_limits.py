"""Limit the rate of each sender, by one token bucket for each sender in Redis, shared by all workers on all hosts.

A token is an SMS segment or an email. A sender without a rate limit has no bucket; it pauses only when the
provider asks for it (429, 421). Each pause is twice as long, until a message is accepted again. Without Redis a worker
uses its share of the rate: the rate divided by the number of workers it last saw, or by `ASSUMED_WORKERS` if it never
saw any.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.outages import REDIS, Outages

BucketKey = int | str
"""Key of a bucket: a sender's id, or the name of a group of domains."""

BURST_SECONDS: Final = 0.1
"""Seconds of sending that may go at once after a pause; at least one token."""
ASSUMED_WORKERS: Final = 8
"""Number of workers that a worker assumes if it has never reached Redis."""
FIRST_PAUSE: Final = 0.5
"""Seconds a sender pauses when its provider first says that it is too fast; each further pause is twice as long."""
MAX_PAUSE: Final = 30.0
"""Most seconds of such a pause."""
REDIS_TIMEOUT: Final = 0.5
"""Seconds Redis has to answer."""
REDIS_PAUSE: Final = 1.0
"""Seconds before Redis is tried again after it did not answer."""

_SCRIPT: Final = """
-- KEYS: bucket, workers. ARGV: rate, burst, wanted, worker, slow (1: halve the rate for a while)
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'factor')
local tokens, at = tonumber(kept[1]) or burst, tonumber(kept[2]) or now
local factor = tonumber(kept[3]) or 1
local passed = math.max(0, now - at)
factor = math.min(1, factor + passed / 60)
if ARGV[5] == '1' then factor = math.max(0.05, factor / 2) end
tokens = math.min(burst, tokens + passed * rate * factor)
local granted = math.min(wanted, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now), 'factor', tostring(factor))
redis.call('EXPIRE', KEYS[1], 120)
redis.call('ZADD', KEYS[2], now, ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 10)
redis.call('EXPIRE', KEYS[2], 20)
local wait = granted > 0 and 0 or (1 - tokens) / (rate * factor)
return {granted, tostring(wait), redis.call('ZCARD', KEYS[2])}
"""


@dataclass(slots=True)
class _Sender:
    """State of one sender's rate limit in this worker.

    Attributes:
        credit: tokens granted and not used; below zero if a message cost more than there was.
        ready_at: nothing leaves before this time (monotonic).
        pause: seconds of the last pause that the provider asked for; the next is twice as long.
        tokens, filled_at: this worker's own bucket while Redis is away.
        slowed: the provider asked to slow down since the last request for tokens.
    """

    credit: float = 0.0
    ready_at: float = 0.0
    pause: float = 0.0
    tokens: float = 0.0
    filled_at: float = 0.0
    slowed: bool = False


class RateLimits:
    """Rate limits of all senders in one worker.

    Args:
        redis: shared with all workers.
        worker: this worker's name.
        outages: reports that Redis is away.
    """

    def __init__(self, redis: Redis, worker: str, outages: Outages | None = None) -> None:
        self._outages = outages or Outages()
        self._script = redis.register_script(_SCRIPT)
        self._worker = worker
        self._senders: dict[BucketKey, _Sender] = {}
        self._seen = 0
        self._redis_from = 0.0

    @property
    def sharers(self) -> int:
        """Number of workers that share the rates, as far as is known."""
        return self._seen or 1

    def wait(self, key: BucketKey) -> float:
        """Return the seconds until this sender may be tried again; 0 for now."""
        sender = self._senders.get(key)
        return max(0.0, sender.ready_at - time.monotonic()) if sender else 0.0

    def spend(self, key: BucketKey, rate: float | None, cost: int) -> bool:
        """Use tokens for one message and return True, if there is credit; senders without a limit always have it."""
        if rate is None:
            return True
        sender = self._sender(key)
        if sender.credit <= 0:
            return False
        sender.credit -= cost
        return True

    async def fill(self, key: BucketKey, rate: float, wanted: int) -> None:
        """Take tokens from the bucket, so that `spend` has credit or `wait` says when to try again."""
        sender = self._sender(key)
        if sender.credit >= wanted:
            return
        granted, wait = await self._take(key, sender, rate, wanted - min(0.0, sender.credit))
        sender.credit += granted
        if sender.credit <= 0:
            sender.ready_at = max(sender.ready_at, time.monotonic() + min(wait, 1.0))

    def slow(self, key: BucketKey, after: float | None) -> float:
        """Stop all messages of a sender for a while, twice as long each time, because the provider asked to slow down.

        Args:
            key: the sender.
            after: seconds the provider asked to wait, if it said so.

        Returns:
            Seconds for which they wait.
        """
        sender = self._sender(key)
        now = time.monotonic()
        if sender.ready_at <= now:  # the same request on many connections at once counts once
            sender.pause = min(MAX_PAUSE, sender.pause * 2 or FIRST_PAUSE)
            sender.slowed = True
        sender.ready_at = max(sender.ready_at, now + max(sender.pause, min(after or 0.0, MAX_PAUSE)))
        return sender.ready_at - now

    def went_well(self, key: BucketKey) -> bool:
        """Reset the pause of a sender after a message was accepted; return whether it had been slowed down."""
        sender = self._senders.get(key)
        if sender is None or not sender.pause:
            return False
        sender.pause = 0.0
        return True

    def _sender(self, key: BucketKey) -> _Sender:
        return self._senders.setdefault(key, _Sender())

    async def _take(self, key: BucketKey, sender: _Sender, rate: float, wanted: float) -> tuple[float, float]:
        now = time.monotonic()
        if now >= self._redis_from:
            try:
                return await self._take_shared(key, sender, rate, wanted)
            except (RedisError, OSError, TimeoutError) as error:
                self._redis_from = now + REDIS_PAUSE
                self._outages.note_outage(REDIS, error)
        return self._take_own(sender, rate / (self._seen or ASSUMED_WORKERS), wanted, now)

    async def _take_shared(self, key: BucketKey, sender: _Sender, rate: float, wanted: float) -> tuple[float, float]:
        keys = [f"muster:pace:{key}", f"muster:pace:{key}:workers"]
        args: list[Any] = [rate, max(1.0, rate * BURST_SECONDS), wanted, self._worker, int(sender.slowed)]
        sender.slowed = False
        async with asyncio.timeout(REDIS_TIMEOUT):
            granted, wait, sharers = await self._script(keys=keys, args=args)
        self._seen = int(sharers)
        return float(granted), float(wait)

    def _take_own(self, sender: _Sender, rate: float, wanted: float, now: float) -> tuple[float, float]:
        burst = max(1.0, rate * BURST_SECONDS)
        passed = now - sender.filled_at if sender.filled_at else 0.0
        sender.tokens, sender.filled_at = min(burst, sender.tokens + passed * rate), now
        granted = float(min(wanted, int(sender.tokens)))
        sender.tokens -= granted
        return granted, 0.0 if granted else (1 - sender.tokens) / rate
