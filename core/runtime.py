"""Runtime: everything a running part of Muster needs, built once and passed explicitly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import aiohttp
from redis.asyncio import Redis

from core.clock import Clock, system_clock
from core.db import Pool, open_pool, probe
from core.db.logins import Login, address_as
from core.errors import SettingsError
from core.keyring import Keyring
from core.outages import POSTGRES, REDIS, Outages
from core.redis_address import open_redis_pool
from core.settings import Settings

Wake = Callable[[str], Awaitable[None]]
"""Function that wakes the workers for a job: `await wake("deliver")`. Losing a wake-up only costs time."""


async def nobody_to_wake(_job: str) -> None:
    """Do nothing, in a process that has no Redis: the workers find the work by polling."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Shared resources, passed to everything that does something.

    Attributes:
        settings: the configuration.
        pool: PostgreSQL, which holds all data; its login may read and write every row.
        staff_pool: the same for a member of staff, who sees what the actor of the transaction may.
        staff_all_pool: the same for staff whose grant is the whole organisation.
        redis: wake-ups and rate limits; flushing it loses nothing.
        http: one shared session for every outgoing request.
        keyring: derives and checks the tokens in members' links.
        clock: returns the current time.
        wake: wakes the workers.
        outages: logs when a server goes away and comes back.
    """

    settings: Settings
    pool: Pool
    staff_pool: Pool
    staff_all_pool: Pool
    redis: Redis
    http: aiohttp.ClientSession
    keyring: Keyring
    clock: Clock = system_clock
    wake: Wake = nobody_to_wake
    outages: Outages = field(default_factory=Outages)


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, pool_size: int = 10, clock: Clock = system_clock, wake: Wake = nobody_to_wake
) -> AsyncIterator[Runtime]:
    """Open everything a runtime holds, and close it again.

    Args:
        settings: must have `database_url`, `redis_url`, `secret_key`; the package `muster` fills them in for embedded
            servers.
        pool_size: most database connections at once.
        clock: another clock, for tests.
        wake: how to wake the workers; the package `muster` passes one through Redis.

    Raises:
        SettingsError, Unavailable: a server is not configured or does not answer.
    """
    if settings.database_url is None or settings.redis_url is None or not settings.secret_key:
        raise SettingsError("No database is configured here.", remedy="Start through the `muster` command.")
    async with AsyncExitStack() as stack:
        redis: Redis = Redis.from_pool(open_redis_pool(settings.redis_url))
        stack.push_async_callback(redis.aclose)
        outages = Outages({POSTGRES: partial(probe, settings.database_url), REDIS: partial(_ping, redis)})
        pool = await open_pool(settings.database_url, size=pool_size, when_away=partial(outages.note_outage, POSTGRES))
        stack.push_async_callback(pool.close)
        # no connection before the first request of staff: most processes never have one
        staff_pool, staff_all_pool = [
            await open_pool(
                address_as(settings.database_url, login),
                size=max(2, pool_size // 4), when_away=partial(outages.note_outage, POSTGRES),
                lazily=True, for_staff=True,
            )
            for login in (Login.STAFF, Login.STAFF_ALL)
        ]  # fmt: skip
        for opened in (staff_pool, staff_all_pool):
            stack.push_async_callback(opened.close)
        stack.push_async_callback(outages.close)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=settings.sms_connections),
                timeout=aiohttp.ClientTimeout(total=30, connect=10),
                cookie_jar=aiohttp.DummyCookieJar(),  # no provider's API keeps any
            )
        )
        keyring = Keyring(settings.secret_key)
        yield Runtime(settings, pool, staff_pool, staff_all_pool, redis, http, keyring, clock, wake, outages)


async def _ping(redis: Redis) -> None:
    await redis.ping()
