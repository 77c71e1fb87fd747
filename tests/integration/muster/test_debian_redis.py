"""Muster on Redis itself, as Debian installs it: wake-ups and the shared rate limits."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from structlog.testing import capture_logs

from core.db import Pool
from core.redis_address import open_redis_pool
from core.runtime import Runtime
from muster.worker import ArqWake
from sandbox import SandboxConfig, open_sandbox
from tests.support.outbox_rows import add_messages, add_step, states, with_sandbox
from tests.support.outbox_steps import mailboxes
from tests.support.running_worker import working
from tests.support.waiting import until

MAILS = 60


@pytest.fixture(scope="module")
def redis_url(home: Path) -> Iterator[str]:
    socket = home / "redis.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(home)],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not socket.exists():
        assert server.poll() is None, "bash .ci/redis installs it"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"unix://{socket}"
    server.terminate()
    server.wait(20)


async def test_a_worker_is_woken_and_keeps_to_the_shared_rate(runtime: Runtime, pool: Pool, redis_url: str) -> None:
    redis = AsyncRedis.from_pool(open_redis_pool(redis_url))
    async with open_sandbox(SandboxConfig()) as sandbox, ArqWake(redis_url) as wake:
        settings = with_sandbox(runtime.settings, sandbox, redis_url=redis_url)
        on_redis = replace(runtime, settings=settings, redis=redis, wake=wake)
        with capture_logs() as logs:
            async with working(on_redis):
                await until(lambda: any(line["event"] == "connected to Redis for wake-ups" for line in logs))
                # in one transaction, or the clock finishes the step before it has messages
                async with pool.acquire() as db, db.transaction():
                    step = await add_step(db)
                    await db.execute("update sender set pace = 100")
                    await add_messages(db, step, "email", mailboxes(MAILS))
                await on_redis.wake("deliver")
                await until(lambda: len(sandbox.mailbox) == MAILS)
        assert not [line for line in logs if line["event"] == "a server is away"]
        async with pool.acquire() as db:
            assert await states(db, step) == {"accepted": MAILS}
    with Redis.from_url(redis_url) as server:
        assert "redis_version" in server.info("server")
        assert any(server.type(key) == b"hash" and server.hexists(key, "tokens") for key in server.scan_iter())
    await redis.aclose()
