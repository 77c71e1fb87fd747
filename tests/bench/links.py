"""Members' links: how long a page takes among ten million links that live, asked for at a moderate, steady rate."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from random import Random
from statistics import quantiles
from typing import Final

import aiohttp
from pydantic import SecretStr

from core.db import connect, load_queries
from core.db.logins import address_as
from core.keyring import Keyring
from muster.embedded.roles import SUPERUSER
from tests.bench.bulk import UNLOGGED, emptied, settle
from tests.bench.processes import cpu_seconds, python
from tests.bench.report import Bar, Report
from tests.bench.servers import SECRET, open_bench_servers

SQL: Final = load_queries(__file__)
TOKENS: Final = 10_000_000
MAX_MS: Final = 20.0
"""The bar: what 99 of 100 pages must take at most, in milliseconds."""
RATE: Final = 200
"""Visits a second: in each ten, seven look, one unsubscribes, one is lost, and one looks and answers. Of those who look
more than half come by a text's link, which has a row, the others by an email's, whose token names the message."""
READS: Final = 1.5
"""Seconds a member looks at the page before they press."""
MAX_TRIES: Final = 20
"""Times a page is opened that a busy machine answers with 503."""

_STEPS: Final = 10
_CHUNK: Final = 500_000
_TABLES: Final = (
    "message", "link", "person", "address", "elector", "claim", "claim_status", "goal_met", "suppression",
    "suppression_event", "page_view", "feed_backlog", "turnout_change",
)  # fmt: skip
_BROWSER: Final = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
)
HEADERS: Final = {
    "User-Agent": _BROWSER,
    "Accept": "text/html",
    "Accept-Language": "en-GB",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
}
NONCE: Final = re.compile(r'name="nonce" value="([^"]+)"')


@dataclass
class _Round:
    """What was seen of one round: by kind of visit, how long each answer took, in milliseconds."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def at(self, kind: str, percent: int) -> float:
        return quantiles(self.took[kind], n=100)[percent - 1]


async def links(*, quick: bool = False) -> Report:
    """Look at, and answer by, links of a web process over loopback.

    Args:
        quick: 200,000 links and one round instead of ten million and four.
    """
    tokens, rounds, seconds = (200_000, 1, 10) if quick else (TOKENS, 4, 30)
    async with open_bench_servers(**UNLOGGED) as servers:
        url = await servers.new_database("links")
        began = time.perf_counter()
        await _fill(url, tokens)
        filling = time.perf_counter() - began
        environment = servers.environment(url, {"MUSTER_LISTEN": "127.0.0.1:0"})
        log = servers.home / "serve.log"
        with python("muster", "serve", environment=environment, log=log, ready="the web server listens") as server:
            where = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
            assert where is not None
            visitors = _Visitors(where[0], tokens)
            await visitors.come(5)  # connections, statements and plans are made once
            before = cpu_seconds(server.pid), servers.database_cpu
            seen = [await visitors.come(seconds) for _ in range(rounds)]
            computed = cpu_seconds(server.pid) - before[0], servers.database_cpu - before[1]
        await _check(url, visitors.answers)
    best = min(seen, key=lambda round_: round_.at("page", 99))
    answered = sum(len(times) for round_ in seen for times in round_.took.values())
    return Report(
        "links",
        {
            "live links": tokens,
            "messages, people": f"{tokens // 2:,}, {tokens // 2 // _STEPS:,}",
            "seconds to fill the tables": filling,
            "rounds, of which the best": rounds,
            "visits a second": RATE,
            **{
                f"{words}, ms, p50 and p99": f"{best.at(kind, 50):.2f} and {best.at(kind, 99):.2f}"
                for kind, words in (
                    ("page", "the page"), ("email page", "the page by an email's link"), ("answer", "an answer"),
                    ("unsubscribe", "the unsubscribe page"), ("lost", "a link that does not exist"),
                )
            },
            "the page, ms, p99 of each round": ", ".join(f"{round_.at('page', 99):.1f}" for round_ in seen),
            "web process, CPU µs a request": computed[0] / answered * 1e6,
            "PostgreSQL, CPU µs a request": computed[1] / answered * 1e6,
        },
        [Bar("p99 of the page, ms", best.at("page", 99), at_most=MAX_MS)],
    )  # fmt: skip


async def _fill(url: str, tokens: int) -> None:
    """Two links for each message, a message of each step for each person."""
    messages = tokens // 2
    people = messages // _STEPS
    db = await connect(address_as(url, SUPERUSER))
    await db.execute(SQL["ballots"])
    async with emptied(db, _TABLES):
        for first in range(1, people + 1, _CHUNK):
            await db.execute(SQL["people"], first, min(first + _CHUNK - 1, people), timeout=600)
        for first in range(1, messages + 1, _CHUNK):
            last = min(first + _CHUNK - 1, messages)
            await db.execute(SQL["messages"], first, last, people, timeout=600)
            await db.execute(SQL["links"], first, last, timeout=600)
    await settle(db, _TABLES)
    await db.close()


async def _check(url: str, answers: int) -> None:
    """Nothing is measured that was not done."""
    db = await connect(url)
    kept = await db.fetchval(SQL["answered"])
    await db.close()
    if kept != answers:
        raise RuntimeError(f"{answers} members answered, and {kept} answers were kept")


def token(number: int) -> str:
    """The token of a link by its number, from 1; odd ones ask, even ones unsubscribe."""
    return f"{hashlib.md5(str(number).encode()).hexdigest()[:5]}{number:08x}"  # no secret: a spread


class _Visitors:
    """People who come by the clock, whether or not those before them have been served.

    Args:
        base: the web process.
        tokens: how many links there are.
    """

    def __init__(self, base: str, tokens: int) -> None:
        self._base = base
        self._tokens = tokens
        self._chance = Random(2026)
        self._keyring = Keyring((SecretStr(SECRET),))
        self._answered: set[int] = set()  # people: each says it once
        self.answers = 0

    async def come(self, seconds: int) -> _Round:
        """So many seconds of visits; returns what they saw."""
        seen = _Round()
        kinds: Mapping[int, Callable[[_Round], Coroutine[None, None, None]]] = {
            1: self._look_by_email,
            3: self._look_by_email,
            5: self._look_by_email,
            7: self._unsubscribe,
            8: self._get_lost,
            9: self._answer,
        }
        connector = aiohttp.TCPConnector(limit=256)
        async with (
            aiohttp.ClientSession(connector=connector, headers=HEADERS, timeout=aiohttp.ClientTimeout(20)) as session,
            asyncio.TaskGroup() as group,
        ):
            self._session = session
            began = time.perf_counter()
            for number in range(seconds * RATE):
                await asyncio.sleep(began + number / RATE - time.perf_counter())
                group.create_task(kinds.get(number % 10, self._look)(seen))
        return seen

    async def _look(self, seen: _Round) -> None:
        await self._ask(seen, "page", f"/{token(self._any())}", 200)

    async def _look_by_email(self, seen: _Round) -> None:
        message_id = (self._any() + 1) // 2
        await self._ask(seen, "email page", f"/{self._keyring.email_token(message_id, 'confirm')}", 200)

    async def _unsubscribe(self, seen: _Round) -> None:
        """Of those who do not answer: who opens both links of a message within minutes is asked a second question."""
        await self._ask(seen, "unsubscribe", f"/u/{token(self._any(voted=True) + 1)}", 200)

    async def _get_lost(self, seen: _Round) -> None:
        """From anywhere: who asks for too many is told to wait, which would be another page."""
        elsewhere = f"{self._chance.randrange(11, 100)}.{self._chance.randrange(256)}.{self._chance.randrange(256)}.9"
        nowhere = f"z{self._chance.randrange(10**12):012}"
        await self._ask(seen, "lost", f"/{nowhere}", 404, {"X-Forwarded-For": elsewhere})

    async def _answer(self, seen: _Round) -> None:
        number = self._any(voted=False)
        while (person := self._person(number)) in self._answered:
            number = self._any(voted=False)
        self._answered.add(person)
        path = f"/{token(number)}"
        nonce = NONCE.search(await self._ask(seen, "page", path, 200))
        assert nonce is not None
        await asyncio.sleep(READS)
        began = time.perf_counter()
        async with self._session.post(self._base + path, data={"nonce": nonce[1], "answer": "voted"}) as response:
            text = await response.text()
        seen.took["answer"].append((time.perf_counter() - began) * 1e3)
        if response.status != 200 or 'value="undo"' not in text:
            said = re.search(r"<h1>(.*?)</h1>", text)
            raise RuntimeError(f"an answer was not taken: {response.status}, {said and said[1]}")
        self.answers += 1

    async def _ask(
        self, seen: _Round, kind: str, path: str, status: int, headers: Mapping[str, str] | None = None
    ) -> str:
        """Open a page; one that a busy machine asks to open later is, as a browser would: that counts as waiting."""
        began = time.perf_counter()
        for _ in range(MAX_TRIES):
            async with self._session.get(self._base + path, headers=headers) as response:
                text = await response.text()
            if response.status != 503:
                break
            await asyncio.sleep(READS)
        seen.took[kind].append((time.perf_counter() - began) * 1e3)
        if response.status != status:
            raise RuntimeError(f"{path} was answered with {response.status}")
        return text

    def _any(self, *, voted: bool | None = None) -> int:
        """A link that asks; of somebody who had voted before, or not, or either."""
        number = 2 * self._chance.randrange(self._tokens // 2) + 1
        return number if voted in {None, self._person(number) % 5 == 0} else self._any(voted=voted)

    def _person(self, number: int) -> int:
        return 1 + ((number + 1) // 2 - 1) % (self._tokens // 2 // _STEPS)
