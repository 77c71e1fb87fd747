"""Web server: serve the web application on an address until a signal stops it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from core.errors import Conflict, SettingsError
from core.log_limit import LOG_LIMIT
from core.outages import REDIS
from core.runtime import Runtime
from muster.app import HEADERS, make_app
from muster.connection_limits import Limits, network_of
from muster.connections import Connections
from muster.gc_tuning import tune_gc
from muster.http_server import Runner
from muster.metrics import METRICS

STOP_TIMEOUT: Final = 10.0
"""Seconds that requests in progress get when the server stops."""

_REDIS_TIMEOUT: Final = 3.0
"""Seconds that Redis gets to answer when the server starts."""

log = structlog.get_logger(__name__)


def address(listen: str) -> tuple[str, int]:
    """Read `host:port`, `[v6]:port` or `:port`.

    Raises:
        SettingsError: the address has none of these forms.
    """
    host, _, port = listen.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535 or (":" in host and host[0] != "["):
        raise SettingsError(f"MUSTER_LISTEN is {listen!r}; it must be host:port, such as 127.0.0.1:8000.")
    return host.strip("[]") or "0.0.0.0", int(port)


async def serve(runtime: Runtime) -> None:
    """Serve on MUSTER_LISTEN until SIGTERM or SIGINT; requests in progress are finished.

    Raises:
        Conflict: the address is taken.
        SettingsError: the address cannot be listened on.
    """
    stop = stop_signal()
    async with listening(runtime) as where:
        tune_gc()
        log.info("the web server listens", address=where)
        await _look_for_redis(runtime)
        await stop.wait()
        log.info("the web server stops")


async def _look_for_redis(runtime: Runtime) -> None:
    """Log at once if Redis does not answer; otherwise only the first page that needs it would say so."""
    try:
        async with asyncio.timeout(_REDIS_TIMEOUT):
            await runtime.redis.ping()
    except (RedisError, OSError) as error:
        runtime.outages.note_outage(REDIS, error)


@asynccontextmanager
async def listening(
    runtime: Runtime, *, limits: Limits | None = None, network: Callable[[str], str | None] | None = None
) -> AsyncIterator[str]:
    """Serve while this context is open.

    Args:
        runtime: the application's runtime.
        limits: of connections; default the configured ones.
        network: see `Connections`; default by address, and None for configured proxies.

    Yields:
        The address: `http://127.0.0.1:8000`, with the assigned port when MUSTER_LISTEN asked for port 0.
    """
    host, port = address(runtime.settings.listen)
    app = make_app(runtime)
    by_network = network or partial(network_of, proxies=runtime.settings.proxies)
    connections = Connections(limits or Limits.of(runtime.settings), app[METRICS].count_ended, by_network)
    app[METRICS].count_open(connections.__len__)
    runner = Runner(app, connections=connections, headers=HEADERS, shutdown_timeout=STOP_TIMEOUT)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise _cannot_listen(error, host, port) from error
        yield f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        connections.log_limit.close()
        app[LOG_LIMIT].close()


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _cannot_listen(error: OSError, host: str, port: int) -> Conflict | SettingsError:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"Port {port} on {host} is taken by another program.",
            remedy="Stop that one, or set MUSTER_LISTEN to another port, such as 127.0.0.1:8001.",
        )
    why = os.strerror(error.errno) if error.errno else str(error)
    return SettingsError(f"Nothing can listen on {host}:{port}: {why}.", remedy="Check MUSTER_LISTEN.")
