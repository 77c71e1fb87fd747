"""Session of a command: the servers it works on, and an event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import structlog
import uvloop

from core.db import connect
from core.db.logins import Login, address_as, check_login
from core.db.migrate import migrate, pending
from core.db.pooler import shares_sessions
from core.db.session_settings import check_session
from core.errors import Conflict
from core.plurals import plural
from core.runtime import Runtime, open_runtime
from core.settings import Settings, check_for_production
from messaging.settings import load_settings
from muster.embedded.client import Servers, connect_to_servers
from muster.embedded.running import served_at
from muster.embedded.secret import kept_secret
from muster.logs import configure_logs
from muster.worker import ArqWake

T = TypeVar("T")

log = structlog.get_logger(__name__)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run an async command to its end, on uvloop."""
    return uvloop.run(work)


@asynccontextmanager
async def open_session(
    *, pool_size: int = 5, stays_up: bool = False, for_staff: bool = False
) -> AsyncIterator[Runtime]:
    """Open a runtime on the configured servers, or on embedded ones that stay up as long as a process uses them.

    The database must have the newest schema; embedded ones are brought to it.

    Args:
        pool_size: most database connections at once.
        stays_up: exit (by SIGTERM to ourselves) when the embedded servers stop; a restart gets new ones.
        for_staff: the logins of staff will be used, too.

    Raises:
        SettingsError: the configuration cannot work, or a login to PostgreSQL has more rights than it may have.
        Conflict: the configured database lacks migrations, or is from before version 0.1.0.
        NotFound: no database is configured, and there is no Muster in MUSTER_HOME.
        Unavailable: a server does not answer.
    """
    async with open_servers(stays_up=stays_up) as settings:
        assert settings.database_url is not None
        assert settings.redis_url is not None
        for login in (Login.WORKER, Login.STAFF, Login.STAFF_ALL) if for_staff else (Login.WORKER,):
            await _check(settings.database_url, login)
        if missing := await pending(settings.database_url):
            raise Conflict(
                f"The database lacks {plural(len(missing), 'migration')}.",
                remedy="Run: muster migrate",
            )
        async with (
            ArqWake(settings.redis_url) as wake,
            open_runtime(settings, pool_size=pool_size, wake=wake) as runtime,
        ):
            yield runtime


async def _check(url: str, login: Login) -> None:
    db = await connect(url if login is Login.WORKER else address_as(url, login))
    try:
        await check_login(db, login)
        await check_session(db)
    finally:
        await db.close(timeout=5)


@asynccontextmanager
async def open_servers(*, stays_up: bool = False) -> AsyncIterator[Settings]:
    """Open the servers; yield the settings, with the addresses of embedded servers if none are configured.

    Embedded servers stay up while this is open; their database is brought to the newest schema.

    Args:
        stays_up: see `open_session`.

    Raises:
        NotFound, SettingsError, Unavailable: see `open_session`.
    """
    settings = load_settings()
    # A command prints what it did; a process that stays up has only its log.
    configure_logs(settings.log_format, level=logging.INFO if stays_up else logging.WARNING)
    check_for_production(settings)
    if stays_up and (settings.owner_database_url or settings.admin_database_url):
        log.warning(
            "this process has the password of the tables' owner or of an administrator, which is for `muster migrate`:"
            " take MUSTER_OWNER_DATABASE_URL and MUSTER_ADMIN_DATABASE_URL out of its environment and of .env"
        )
    async with AsyncExitStack() as stack:
        if settings.database_url is None:
            servers = await asyncio.to_thread(connect_to_servers, settings.home, make=False)
            stack.callback(servers.close)
            if stays_up:
                asyncio.get_running_loop().add_reader(servers.line.fileno(), _end)
                stack.callback(asyncio.get_running_loop().remove_reader, servers.line.fileno())
            settings = await _with_embedded(settings, servers)
        else:
            await shares_sessions(settings.database_url)  # refuses a pooler that cannot work
        yield settings


def _end() -> None:
    """Stop this process in order when the daemon hangs up, because its servers are stopping."""
    log.warning("the embedded servers stopped")
    os.kill(os.getpid(), signal.SIGTERM)


async def _with_embedded(settings: Settings, servers: Servers) -> Settings:
    if await pending(servers.owner_url):
        await migrate(servers.owner_url)
    return settings.model_copy(
        update={
            "database_url": servers.database_url,
            "redis_url": settings.redis_url or servers.redis_url,
            "secret_key": settings.secret_key or (kept_secret(settings.home),),
            "public_url": _public_url(settings),
        }
    )


def _public_url(settings: Settings) -> str:
    """Return the address of members' links; `muster run` may have taken another port than the usual one."""
    running = None if "public_url" in settings.model_fields_set else served_at(settings.home)
    return running or settings.public_url
