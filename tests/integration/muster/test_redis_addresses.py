"""A worker whose address of Redis is wrong says so at once, in its log and to staff, and works on without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from redis import Redis
from structlog.testing import capture_logs

from core.alerts import open_alerts
from core.db import Pool
from core.errors import SettingsError
from core.outages import REDIS, Outages
from core.redis_address import open_redis_pool
from core.runtime import Runtime
from muster import jobs
from muster.embedded.valkey import Valkey, start_valkey
from tests.support.bare_postgres import free_port
from tests.support.running_worker import NOWHERE, working


@pytest.fixture(scope="module")
def port(home: Path) -> Iterator[int]:
    """The port of a Redis that asks for a password."""
    free = free_port()
    folder = home / "asking"
    folder.mkdir(mode=0o755)
    server = start_valkey(folder, port=str(free), bind="127.0.0.1")
    with Redis.from_url(server.url) as redis:
        redis.config_set("requirepass", "right")
    yield free
    server.stop()


@asynccontextmanager
async def silence() -> AsyncIterator[int]:
    """A server that takes connections and says nothing."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def web_server() -> AsyncIterator[int]:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def away() -> None:
    raise ConnectionError("nothing answers there")


async def said_at(runtime: Runtime, address: str) -> list[str]:
    """What a worker with this address of Redis logs about it until it has said that it is away."""
    outages = Outages({REDIS: away})
    lost = replace(runtime, settings=runtime.settings.model_copy(update={"redis_url": address}), outages=outages)
    with capture_logs() as logs:
        async with working(lost), asyncio.timeout(20):
            while outages.away_for(REDIS) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await outages.close()
    return [entry["error"] for entry in logs if entry["event"] == "a server is away" and entry["server"] == "Redis"]


@pytest.mark.parametrize(("address", "words"), [
    ("redis://:wrong@127.0.0.1:{port}/0", "invalid username-password pair"),
    ("redis://127.0.0.1:{port}/0", "Authentication required"),
    ("rediss://127.0.0.1:{port}/0", "Timeout connecting"),
    (NOWHERE, "127.0.0.1:1"),
    ("redis+sentinel://127.0.0.1:1/service/0", "No master found"),
])  # fmt: skip
async def test_a_wrong_address_is_said_once(runtime: Runtime, port: int, address: str, words: str) -> None:
    (said,) = await said_at(runtime, address.format(port=port))
    assert words in said
    assert "wrong@" not in said


async def test_another_kind_of_server_is_said_once(runtime: Runtime) -> None:
    async with web_server() as port:
        assert len(await said_at(runtime, f"redis://127.0.0.1:{port}/0")) == 1


async def test_a_server_that_says_nothing_is_said_once(runtime: Runtime) -> None:
    async with silence() as port:
        assert len(await said_at(runtime, f"redis://127.0.0.1:{port}/0")) == 1


async def test_staff_are_told_and_told_no_more_when_it_is_back(
    runtime: Runtime, pool: Pool, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "REDIS_ALERT_EVERY", 0.1)
    monkeypatch.setattr(jobs, "REDIS_ALERT_KEPT", timedelta(seconds=0.2))

    async def until_alerts(keys: list[str]) -> str:
        async with asyncio.timeout(20), pool.acquire() as db:
            alerts = await open_alerts(db)
            while [alert.key for alert in alerts] != keys:
                await asyncio.sleep(0.05)
                alerts = await open_alerts(db)
        return " ".join(f"{alert.title} {alert.remedy}" for alert in alerts)

    outages = Outages({REDIS: away})
    lost = replace(runtime, settings=runtime.settings.model_copy(update={"redis_url": NOWHERE}), outages=outages)
    async with working(lost):
        assert "MUSTER_REDIS_URL" in await until_alerts(["redis"])
    await outages.close()
    async with working(runtime):
        await until_alerts([])


@pytest.mark.parametrize("address", ["http://127.0.0.1:6379", "postgresql://127.0.0.1/0", "redis://127.0.0.1:port/0",
                                     "redis+sentinel://", "127.0.0.1:6379"])  # fmt: skip
def test_what_is_no_address_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(SettingsError, match="MUSTER_REDIS_URL"):
        open_redis_pool(address)
