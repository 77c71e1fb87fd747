"""One fault's environment: a database with a campaign, real worker and web processes, and the providers.

Nothing of Muster runs in this process but a launch. What this writes into the database itself is only time:
`skip_waits` lets waits that are not what a fault is about end at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import asyncpg

from campaigns.launch import launch
from core.db import Connection
from core.runtime import open_runtime
from core.settings import Settings
from muster.operator import operator
from tests.faults.providers import Providers, open_providers
from tests.faults.scale import Scale
from tests.faults.servers import LOOPBACK, MAIL_FROM, SECRET, SMS_FROM, Servers, ask, free_port

T = TypeVar("T")
Process = asyncio.subprocess.Process

ROOT = Path(__file__).resolve().parents[2]
WORKER = ("-m", "muster", "worker")
WEB = ("-m", "muster", "serve")
STOPPING = 60.0
"""Seconds a process has to stop in order."""

_SKIP_TRIES = """
update queue set not_before = now()
where message_id in (
  select message_id from queue where attempt > 0 and not_before > now()
  for update skip locked
)
"""
_SKIP_UNKNOWN = """
update message set changed_at = now() - interval '1 minute'
where message_id in (
  select message_id from message
  where state = 'ambiguous' and reason is distinct from 'held' and changed_at > now() - interval '30 seconds'
  for update skip locked
)
"""
_SKIP_HEARTS = """
-- the dead have been silent for a whole lease, and the reconciling worker has been steady for as long
update dispatcher
set until = case when name like any ($1::text[]) then now() - interval '1 second' else until end,
    steady_since = now() - interval '1 minute'
where gone_at is null and until > now()
"""


@dataclass
class Environment:
    """What a fault is injected into.

    Attributes:
        servers: PostgreSQL and Valkey.
        providers: the providers.
        scale: how large.
        database: its name.
        folder: where the processes' logs are.
        settings: as the processes have them.
        workers: those that are meant to live.
        killed: process ids of workers that were killed.
        asked: ids of the messages to one person whose queueing was committed.
        answered: what was committed when: (seconds since 1970, message ids) of answers and opt-outs.
        paused: when the ballot campaign stood still: (seconds since 1970, until).
        steps: how many of the ballot campaign's steps are launched.
        most_workers: the most that were ever at work at once.
        wrong: what went wrong in the environment itself.
        over_at: when the fault's cause was gone; None if it never is.
    """

    servers: Servers
    providers: Providers
    scale: Scale
    database: str
    folder: Path
    variables: dict[str, str]
    settings: Settings
    workers: list[Process] = field(default_factory=list)
    web: Process | None = None
    killed: list[int] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    answered: list[tuple[float, set[int]]] = field(default_factory=list)
    paused: list[tuple[float, float]] = field(default_factory=list)
    steps: int = 1
    most_workers: int = 0
    wrong: list[str] = field(default_factory=list)
    over_at: float | None = None

    @property
    def url(self) -> str:
        return self.servers.database_url(self.database)

    @property
    def messages(self) -> int:
        """How many messages the campaigns have to send."""
        return self.scale.messages(self.steps)

    async def ask(self, what: Callable[[Connection], Awaitable[T]]) -> T:
        """Ask the database, whatever has just been done to it."""
        return await ask(self.url, what)

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        return await self.ask(lambda db: db.fetch(query, *args))

    # processes

    async def start(self, *command: str, before: tuple[str, ...] = (), **variables: str) -> Process:
        """Start a Python process of ours; its log is kept in the environment's folder."""
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *before, sys.executable, *command, env=self.variables | variables, cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    async def add_workers(self, number: int = 1) -> None:
        """Start workers."""
        for _ in range(number):
            self.employ(await self.start(*WORKER))

    def employ(self, worker: Process) -> None:
        """Count a process among the workers."""
        self.workers.append(worker)
        self.most_workers = max(self.most_workers, len(self.workers))

    async def start_web(self) -> None:
        """Start the web server, and wait until it answers."""
        self.web = await self.start(*WEB)
        async with aiohttp.ClientSession() as http:
            async with asyncio.timeout(STOPPING):
                while not await _answers(http, f"{self.settings.public_url}/healthz"):
                    if self.web.returncode is not None:
                        raise AssertionError(f"the web server did not come up: {self.log()}")
                    await asyncio.sleep(0.05)

    async def kill(self, worker: Process) -> None:
        """SIGKILL a worker."""
        self.workers.remove(worker)
        self.killed.append(worker.pid)
        worker.kill()
        await worker.wait()

    async def terminate(self, worker: Process) -> None:
        """SIGTERM a worker: it drains, and ends well."""
        self.workers.remove(worker)
        await self._end(worker, "worker")

    async def command(self, *words: str) -> int:
        """A `muster` command to its end; returns its status."""
        return await (await self.start("-m", "muster", *words)).wait()

    async def stop(self) -> None:
        """Stop every process in order, and see that each was alive until now and ends well."""
        await self.until_at_work()  # one that is still starting knows no order
        ends = [self._end(worker, "worker") for worker in self.workers]
        if self.web is not None:
            ends.append(self._end(self.web, "web"))
        self.workers, self.web = [], None
        await asyncio.gather(*ends)

    async def _end(self, process: Process, name: str) -> None:
        if process.returncode is not None:
            self.wrong.append(f"a {name} process ended by itself with status {process.returncode}")
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOPPING):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            self.wrong.append(f"a {name} process did not stop on SIGTERM")
            return
        if status != 0:
            self.wrong.append(f"a {name} process ended with status {status} on SIGTERM")

    async def abandon(self) -> None:
        """Leave no process behind, however the fault went."""
        for process in [*self.workers, *([self.web] if self.web else [])]:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _said(self, words: str) -> int:
        path = self.folder / "log"
        return path.read_text(errors="replace").count(words) if path.exists() else 0

    def log(self) -> str:
        """The end of what the processes said."""
        path = self.folder / "log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    # the campaigns

    async def launch(self, *names: str) -> None:
        """Launch the first steps of campaigns."""
        async with open_runtime(self.settings, pool_size=3) as runtime:
            for name in names:
                campaign_id = await runtime.pool.fetchval("select campaign_id from campaign where name = $1", name)
                await launch(runtime, campaign_id, operator("the harness"))

    async def until_at_work(self) -> None:
        """Wait until every worker has come up."""
        await self.until(lambda: self._said("the worker has started") >= len(self.workers))

    async def until_taken(self, share: float) -> None:
        """Wait until the providers have taken that share of what is to come, by each channel; not all of it."""
        everything = {"email": self.scale.emails, "sms": self.scale.texts}
        await self.until(lambda: all(self.providers.taken[name] >= share * n for name, n in everything.items()))
        for name, number in everything.items():
            if self.providers.taken[name] >= number * self.steps:
                self.wrong.append(f"everything by {name} had left before {share:.0%} of both had: nothing was tested")

    async def until(self, true: Callable[[], bool]) -> None:
        """Poll until something is so; what is waited for happens in other processes."""
        deadline = time.monotonic() + self.scale.end_timeout
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not become so in time: {self.log()}")
            await asyncio.sleep(0.01)

    async def until_found(self, query: str) -> None:
        """Poll until a query finds something."""
        deadline = time.monotonic() + self.scale.end_timeout
        while not await self.fetch(query):
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing was found in time by: {query}")
            await asyncio.sleep(0.1)

    def over(self) -> None:
        """The cause of the trouble is gone from now on."""
        self.over_at = time.time()

    async def skip_waits(self) -> None:
        """Let every wait end that is not what is tested: for a retry, for the settling of what is unknown, and for
        the heartbeats of workers that this environment has killed. Those of live workers are never stopped."""
        dead = [f"%-{pid}-%" for pid in self.killed]

        async def all_three(db: Connection) -> None:
            await db.execute(_SKIP_TRIES)
            await db.execute(_SKIP_UNKNOWN)
            if dead:
                await db.execute(_SKIP_HEARTS, dead)

        await self.ask(all_three)

    async def until_settled(self, *, skips_waits: bool) -> None:
        """Wait until no message is open any more, or time is out; then the reconciliation names what is."""
        deadline = time.monotonic() + self.scale.end_timeout
        while time.monotonic() < deadline:
            if skips_waits:
                await self.skip_waits()
            rows = await self.fetch(
                "select (select count(*) from step where state = 'launching') as steps,"
                " (select count(*) from message"
                "  where state in ('queued', 'sending', 'ambiguous') and reason is distinct from 'held') as messages"
            )
            if rows[0]["messages"] == 0 and rows[0]["steps"] == 0:
                return
            await asyncio.sleep(0.1)

    async def until_heard(self, *, skips_waits: bool) -> None:
        """Wait until people have answered, and what they said has been read and, where need be, asked back."""
        events, deadline = -1, time.monotonic() + self.scale.end_timeout
        while time.monotonic() < deadline:
            await self.until_settled(skips_waits=skips_waits)
            before, events = events, (await self.fetch("select count(*) as n from message_event"))[0]["n"]
            if events == before:  # nothing was sent while people answered, so there is nothing new to answer
                return
            await asyncio.to_thread(self.providers.idle)
            await self.until_found("select where not exists (select from inbound_log where state = 'new')")


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def open_environment(
    servers: Servers, scale: Scale, provider_config: tuple[Any, Any], address: str
) -> AsyncIterator[Environment]:
    """A environment, until the block is left; then nothing of it is left running.

    Args:
        servers: what it stands on.
        scale: how large.
        provider_config: what goes wrong with emails and with texts.
        address: where they listen.
    """
    async with AsyncExitStack() as stack:
        providers = stack.enter_context(open_providers(address, *provider_config))
        servers.redis.flushall()
        database = await servers.new_database()
        stack.push_async_callback(servers.drop_database, database)
        folder = servers.home / database
        folder.mkdir()
        variables, settings = _configure(servers, scale, database, folder, providers)
        providers.pass_on(f"{settings.public_url}/webhooks/twilio/inbound")
        environment = Environment(servers, providers, scale, database, folder, variables, settings)
        stack.push_async_callback(environment.abandon)
        yield environment


def _configure(
    servers: Servers, scale: Scale, database: str, folder: Path, providers: Providers
) -> tuple[dict[str, str], Settings]:
    listen = f"{LOOPBACK}:{free_port()}"
    ours = {
        **providers.variables,
        "MUSTER_HOME": str(folder),
        "MUSTER_DATABASE_URL": servers.database_url(database),
        "MUSTER_REDIS_URL": servers.redis_url,
        "MUSTER_SECRET_KEY": SECRET,
        "MUSTER_LISTEN": listen,
        "MUSTER_PUBLIC_URL": f"http://{listen}",
        "MUSTER_SMS_FROM": SMS_FROM,
        "MUSTER_EMAIL_FROM": MAIL_FROM,
        "MUSTER_ORGANISATION": "The Union",
        "MUSTER_CONTACT": "0800 001066",
        "MUSTER_SMTP_CONNECTIONS": str(scale.smtp_connections),
        "MUSTER_SMS_CONNECTIONS": str(scale.sms_connections),
    }
    rest = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    settings = Settings.model_validate(
        {name.removeprefix("MUSTER_").lower(): value for name, value in ours.items()} | {"_env_file": None}
    )
    return {**rest, **ours, "PYTHONPATH": str(ROOT)}, settings
