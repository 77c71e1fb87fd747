"""Servers of the benchmarks: PostgreSQL and Valkey as Muster starts them, and real worker processes."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.db.logins import Login
from core.db.migrate import migrate
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from muster.embedded.postgres import Postgres, start_postgres
from muster.embedded.valkey import Valkey, start_valkey
from muster.worker import ArqWake
from tests.bench.processes import cpu_seconds, family_cpu_seconds, python

SECRET: Final = "a secret for benchmarks only and long enough"
_OPEN: Final = (
    "select exists (select from unnest('{sms,email}'::text[]) c join queue on queue_id = queue_of($1, c, null))"
    " or exists (select from in_flight where step_of_queue(queue_id) = $1)"
)
_CAME_TO: Final = (
    "select state, count(*) as n, max(sent_at) as at from message"
    " where step_id = $1 and state <> 'skipped' group by state"
)


@dataclass(frozen=True, slots=True)
class BenchServers:
    """Servers of a benchmark's own.

    Attributes:
        home: their folder, erased at the end.
    """

    home: Path
    postgres: Postgres
    valkey: Valkey

    @property
    def database_cpu(self) -> float:
        """Seconds that the database server has computed."""
        return family_cpu_seconds(self.postgres.process.pid)

    async def new_database(self, name: str, *, migrated: bool = True) -> str:
        """A database, with every migration; returns its address."""
        await asyncio.to_thread(self.postgres.roles.provide, name)
        if migrated:
            await migrate(self.postgres.url(name, role=Login.OWNER))
        return self.postgres.url(name, role=Login.WORKER)

    def environment(self, database_url: str, more: Mapping[str, str]) -> dict[str, str]:
        """A Muster's configuration."""
        return {
            "MUSTER_HOME": str(self.home),
            "MUSTER_DATABASE_URL": database_url,
            "MUSTER_REDIS_URL": self.valkey.url,
            "MUSTER_SECRET_KEY": SECRET,
            "MUSTER_PUBLIC_URL": "https://vote.union.example.org",
            "MUSTER_EMAIL_FROM": "The Union <ballot@union.example.org>",
            "MUSTER_ORGANISATION": "The Union",
            "MUSTER_CONTACT": "0800 001066",
            **more,
        }


@dataclass(frozen=True, slots=True)
class Sent:
    """One measured delivery.

    Attributes:
        rate: messages a second, from the moment they might go until the last was recorded as accepted.
        worker_cpu, database_cpu, provider_cpu: microseconds computed for each message; workers' together.
        launching: seconds it took to put them into the outbox.
    """

    rate: float
    worker_cpu: float
    database_cpu: float
    provider_cpu: float
    launching: float = 0.0


@asynccontextmanager
async def open_bench_servers(
    start: Callable[..., Postgres] = start_postgres, /, **settings: str
) -> AsyncIterator[BenchServers]:
    """Start servers with an empty home, as durable as Muster's own.

    Args:
        start: starts PostgreSQL.
        settings: of PostgreSQL, on top of Muster's.
    """
    async with AsyncExitStack() as stack:
        home = stack.enter_context(_home())
        postgres = await asyncio.to_thread(start, home, **settings)
        stack.callback(postgres.stop)
        valkey = await asyncio.to_thread(start_valkey, home)
        stack.callback(valkey.stop)
        yield BenchServers(home, postgres, valkey)


@asynccontextmanager
async def open_bench_runtime(environment: Mapping[str, str]) -> AsyncIterator[Runtime]:
    """A runtime in this process, with the same configuration as the workers."""
    given: dict[str, Any] = {name.removeprefix("MUSTER_").lower(): text for name, text in environment.items()}
    settings = Settings(_env_file=None, **given)
    async with ArqWake(given["redis_url"]) as wake, open_runtime(settings, wake=wake) as runtime:
        yield runtime


@contextmanager
def open_workers(
    servers: BenchServers, environment: Mapping[str, str], count: int
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many `muster worker` processes, up and idle."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                python(
                    "muster", "worker",
                    environment=environment, log=servers.home / f"worker-{n}.log",
                    ready="connected to Redis for wake-ups",
                )
            )
            for n in range(count)
        ]  # fmt: skip


async def deliver(
    servers: BenchServers,
    runtime: Runtime,
    step_id: int,
    workers: list[subprocess.Popen[bytes]],
    provider: subprocess.Popen[bytes],
) -> Sent:
    """Let a launched step go, whose sender is paused, and measure until its last message is recorded.

    Args:
        servers: the servers.
        runtime: on the same database.
        step_id: the step; everything of it is queued.
        workers: up, idle, and ready to send it.
        provider: the process that takes the messages.
    """
    pids = [worker.pid for worker in workers]
    async with runtime.pool.acquire() as db:
        before = sum(map(cpu_seconds, pids)), servers.database_cpu, cpu_seconds(provider.pid)
        began = await db.fetchval("update sender set paused_reason = null returning clock_timestamp()")
        await runtime.wake("deliver")
        while await db.fetchval(_OPEN, step_id):  # noqa: ASYNC110  # what is waited for is in another process
            await asyncio.sleep(0.1)
        after = sum(map(cpu_seconds, pids)), servers.database_cpu, cpu_seconds(provider.pid)
        counts = await db.fetch(_CAME_TO, step_id)
        await pause_senders(runtime)
    if [row["state"] for row in counts] != ["accepted"]:
        raise RuntimeError(f"not everything was accepted: { {row['state']: row['n'] for row in counts} }")
    n, seconds = counts[0]["n"], (counts[0]["at"] - began).total_seconds()
    return Sent(n / seconds, *((late - early) / n * 1e6 for early, late in zip(before, after, strict=True)))


async def pause_senders(runtime: Runtime) -> None:
    """Nothing leaves until `deliver` says so: launching and sending are measured apart."""
    await runtime.pool.execute("update sender set paused_reason = 'bench'")


@contextmanager
def _home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="muster-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
