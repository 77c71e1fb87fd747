"""PostgreSQL with its own defaults, as Debian installs it: with just-in-time compilation, and without, by turns."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.bench.claims import prepare
from tests.bench.mail import CONNECTIONS, Post
from tests.bench.processes import open_sink, python
from tests.bench.report import Bar, Report
from tests.bench.servers import open_bench_runtime, open_bench_servers, open_workers
from tests.bench.union import add_people
from tests.support.debian_postgres import start_debian_postgres

MOST: Final = 1.1
"""The bar: most CPU of PostgreSQL a mail with compilation, for what takes 1 without."""
MOST_IDLE: Final = 5.0
"""The bar: most per cent of a core for PostgreSQL while two workers and a web process have nothing to do."""


@dataclass(slots=True)
class Side:
    """One of the two servers, with Muster's processes for it.

    Attributes:
        jit: `on` or `off`, as the server has it.
        mail: CPU microseconds of PostgreSQL a mail, of each round.
        idle: per cent of a core that PostgreSQL computes for idle processes.
        version: of PostgreSQL.
    """

    jit: str
    post: Post
    mail: list[float] = field(default_factory=list)
    idle: float = 0.0
    version: str = ""

    async def send(self, turn: int) -> None:
        sent = await self.post.send(f"jit-{self.jit}-{turn}", 2)
        self.mail.append(sent.database_cpu)

    async def rest(self, stored: int, seconds: float) -> None:
        """Measure what idle workers and an idle web process cost PostgreSQL, beside stored messages that are over.

        Args:
            stored: how many messages.
            seconds: how long; a third of it before, until what happens once after a start is over.
        """
        servers = self.post.servers
        url = await servers.new_database("stored")
        await prepare(url, stored, 0)
        environment = self.post.environment | {"MUSTER_DATABASE_URL": url}
        listen = {"MUSTER_LISTEN": "127.0.0.1:0"}
        log = servers.home / "serve.log"
        with (
            python("muster", "serve", environment=environment | listen, log=log, ready="the web server listens"),
            open_workers(servers, environment, 2),
        ):
            await asyncio.sleep(seconds / 3)
            before = servers.database_cpu
            await asyncio.sleep(seconds)
            self.idle = (servers.database_cpu - before) / seconds * 100
        found = re.match(r"PostgreSQL (\S+)", await self.post.runtime.pool.fetchval("select version()"))
        assert found is not None
        self.version = found[1]


async def own_defaults(*, quick: bool = False) -> Report:
    """Send mails on Debian's PostgreSQL with JIT and without; then let the processes rest beside stored messages."""
    mails, rounds, stored, seconds = (1_000, 1, 20_000, 5.0) if quick else (12_000, 5, 1_000_000, 60.0)
    async with AsyncExitStack() as stack:
        sink = stack.enter_context(open_sink())
        sides = []
        for jit in ("on", "off"):
            servers = await stack.enter_async_context(open_bench_servers(start_debian_postgres, jit=jit))
            url = await servers.new_database("mail")
            environment = servers.environment(
                url, {"MUSTER_SMTP_URL": sink.url, "MUSTER_SMTP_CONNECTIONS": str(CONNECTIONS)}
            )
            runtime = await stack.enter_async_context(open_bench_runtime(environment))
            await add_people(url, 1, mails)
            sides.append(Side(jit, Post(servers, runtime, environment, sink)))
        for turn in range(rounds):
            for side in sides if turn % 2 else reversed(sides):
                await side.send(turn)
        for side in sides:
            await side.rest(stored, seconds)
    on, off = sides
    return Report(
        "own_defaults",
        {
            "PostgreSQL, as Debian installs it": on.version,
            "mails a round": mails,
            "rounds, of which the median": rounds,
            "messages stored while idle": stored,
            "PostgreSQL, CPU µs a mail, jit = on": median(on.mail),
            "PostgreSQL, CPU µs a mail, jit = off": median(off.mail),
        },
        [
            Bar("CPU of PostgreSQL a mail, with JIT to without", median(on.mail) / median(off.mail), at_most=MOST),
            Bar("% of a core while idle, jit = on", on.idle, at_most=MOST_IDLE),
            Bar("% of a core while idle, jit = off", off.idle, at_most=MOST_IDLE),
        ],
    )
