"""The logs of the processes while a server is away: one line, one when it is back, and never a traceback."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from structlog.testing import capture_logs

from core.db.logins import Login, address_as
from core.db.migrate import migrate
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from muster.embedded.postgres import Postgres, start_postgres
from muster.embedded.valkey import Valkey
from sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.postmaster import MailConditions
from tests.support.outbox_rows import add_messages, add_step
from tests.support.running_worker import NOWHERE, working
from tests.support.waiting import until

SECRET = "a secret for tests only and long enough"
AT_THE_END = {
    "claimed messages could not be handed back; they wait until this worker is declared gone",
    "a job cannot run now; trying every second",
}
"""Further log lines of a worker that is stopped while PostgreSQL is away: claimed messages stay behind."""


@pytest.fixture
def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="muster-outage-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


class Processes:
    """A worker and a web server with logs for programs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, command: str) -> None:
        with (self.folder / command).open("wb") as log:
            self.running[command] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "muster", command, env=self.environment, stdout=log, stderr=log, cwd=self.folder
            )

    def text(self, command: str) -> str:
        return (self.folder / command).read_text()

    def log(self, command: str) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.text(command).splitlines() if line.startswith("{")]

    async def said(self, command: str, event: str, times: int = 1) -> None:
        async def found() -> bool:
            return [line["event"] for line in self.log(command)].count(event) >= times

        await until(found, seconds=60)


def crash(server: Postgres) -> None:
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait()


async def ask(http: aiohttp.ClientSession, base: str) -> None:
    """Somebody opens a link."""
    async with http.get(f"{base}/zzzz456789abc") as answer:
        assert answer.status == 503, await answer.text()


async def test_an_outage_of_postgresql_is_two_lines_in_each_process(
    folder: Path, valkey: Valkey, unused_tcp_port_factory: Any
) -> None:
    port, web_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    options: dict[str, Any] = {
        "let_in": ["host all all 127.0.0.1/32 trust"], "fsync": "off", "listen_addresses": "127.0.0.1",
        "port": str(port),
    }  # fmt: skip
    url, base = f"postgresql://{Login.WORKER}@127.0.0.1:{port}/muster", f"http://127.0.0.1:{web_port}"
    server = await asyncio.to_thread(start_postgres, folder, **options)
    try:
        await migrate(address_as(url, Login.OWNER))
        async with open_sandbox(SandboxConfig(mail=MailConditions(latency=0.3))) as sandbox:
            processes = Processes(folder, _environment(url, valkey.url, base, sandbox))
            await _queue(url, valkey.url, 500)
            for command in ("worker", "serve"):
                await processes.start(command)
            await processes.said("serve", "the web server listens")

            async def under_way() -> bool:
                return len(sandbox.mailbox) > 20

            await until(under_way, seconds=60)
            await asyncio.to_thread(crash, server)
            async with aiohttp.ClientSession() as http:
                for _ in range(20):
                    await ask(http, base)
            await processes.said("worker", "a server is away")
            server = await asyncio.to_thread(start_postgres, folder, **options)
            for command in ("worker", "serve"):
                await processes.said(command, "a server is back")
            sent = len(sandbox.mailbox)

            async def goes_on() -> bool:
                return len(sandbox.mailbox) > sent + 20

            await until(goes_on, seconds=60)
            await asyncio.to_thread(crash, server)
            await processes.said("worker", "a server is away", 2)
            for process in processes.running.values():
                process.send_signal(signal.SIGTERM)
            for command, process in processes.running.items():
                assert await asyncio.wait_for(process.wait(), 60) == 0, processes.text(command)
            for command in ("worker", "serve"):
                loud = [line["event"] for line in processes.log(command) if line["level"] != "info"]
                assert loud.count("a server is away") <= 2, loud
                assert set(loud) <= {"a server is away", *AT_THE_END}, processes.text(command)
                assert {line["server"] for line in processes.log(command) if "away" in line["event"]} == {"PostgreSQL"}
                assert "Traceback" not in processes.text(command)
                assert "never retrieved" not in processes.text(command)
    finally:
        server.stop()


def _environment(database_url: str, redis_url: str, base: str, sandbox: Sandbox) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
        "MUSTER_DATABASE_URL": database_url,
        "MUSTER_REDIS_URL": redis_url,
        "MUSTER_SECRET_KEY": SECRET,
        "MUSTER_PUBLIC_URL": base,
        "MUSTER_LISTEN": base.removeprefix("http://"),
        "MUSTER_SMTP_URL": sandbox.smtp_url,
        "MUSTER_SMTP_CONNECTIONS": "4",
        "MUSTER_LOG_FORMAT": "json",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }


async def _queue(database_url: str, redis_url: str, count: int) -> None:
    settings = Settings(_env_file=None, database_url=database_url, redis_url=redis_url, secret_key=SECRET)
    async with open_runtime(settings, pool_size=1) as runtime, runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", [f"m{n}@x.test" for n in range(count)])


async def test_a_worker_that_can_send_nothing_logs_it(runtime: Runtime) -> None:
    with capture_logs() as logs:
        async with working(runtime):
            await until(lambda: _said(logs, "this worker can send nothing"))
    (line,) = [entry for entry in logs if entry["event"].startswith("this worker can send nothing")]
    assert line["log_level"] == "error"
    assert "MUSTER_SMTP_URL" in line["remedy"]


async def test_an_absent_redis_is_logged_at_the_start(runtime: Runtime) -> None:
    lonely = replace(runtime, settings=runtime.settings.model_copy(update={"redis_url": NOWHERE}))
    with capture_logs() as logs:
        async with working(lonely):
            await until(lambda: _said(logs, "a server is away"))
    assert next(entry["server"] for entry in logs if entry["event"] == "a server is away") == "Redis"


async def _said(logs: list[Any], begin: str) -> bool:
    return any(entry["event"].startswith(begin) for entry in logs)
