"""A campaign about a question beside one about a ballot: what each message and each answer costs, in turns."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
from twilio.request_validator import RequestValidator

from ballots.spec import BallotSpec
from campaigns.campaigns import create_campaign
from campaigns.spec import CampaignSpec
from core.db import load_queries
from core.runtime import Runtime
from muster.operator import operator
from services.questions.spec import QuestionSpec
from tests.bench.links import HEADERS, NONCE, READS
from tests.bench.processes import Sink, cpu_seconds, open_sink, python
from tests.bench.report import Bar, Report
from tests.bench.servers import (
    BenchServers,
    deliver,
    open_bench_runtime,
    open_bench_servers,
    open_workers,
    pause_senders,
)
from tests.bench.texts import SMS_FROM, open_simulator
from tests.bench.union import add_people, launch_campaign

SQL: Final = load_queries(__file__)

MOST: Final = 1.05
"""The bar: most CPU that a question may take for what takes 1 with a ballot."""
COSTS: Final = ("launch", "mail", "text", "reply", "press")
"""What is measured: putting a message into the outbox, sending one, and taking an answer by text and by link."""
_AT_ONCE: Final = 32
_TIMEOUT: Final = 300.0

_MENUS: Final = {"ballot": "{1: voted, 2: not_voted, 3: no_ballot_paper}", "question": "{1: good, 2: fair, 3: poor}"}
_SMS: Final = (
    "---\npurpose: service\nmenu: %(menu)s\n---\n"
    "Hello {{ first_name }}, {{ organisation }} here about %(title)s. Reply 1%(letter)s one, 2%(letter)s two, "
    "3%(letter)s three, or tap {{ confirm_link }}\nSTOP to opt out\n"
)
_EMAIL: Final = """---
purpose: service
subject: "%(title)s: please answer"
preheader: "It takes a moment."
why: "You get this email because {{ organisation }} is asking you about %(title)s."
---
Hello{%% if first_name %%} {{ first_name }}{%% endif %%},

{{ organisation }} would like to hear from you about %(title)s. It takes a moment, and somebody reads every answer.

[Answer here]({{ confirm_link }})

Thank you,\\
{{ organisation }}
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """People who are to answer: the phones that text, and the links that are pressed."""

    phones: list[str]
    links: list[str]


@dataclass(frozen=True, slots=True)
class Web:
    """Web process and worker that take answers, and a client of theirs."""

    http: aiohttp.ClientSession
    pids: list[int]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared, with a database of its own.

    Attributes:
        kind: `ballot` or `question`.
        servers: the servers.
        environment: of its processes.
        runtime: on its database.
        sink: takes its emails.
        simulator: takes its texts.
        costs: CPU in microseconds by what is measured, of each round.
    """

    kind: str
    servers: BenchServers
    environment: dict[str, str]
    runtime: Runtime
    sink: Sink
    simulator: subprocess.Popen[bytes]
    costs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def ask(self, turn: int, answers: int) -> Answers:
        """Ask everybody by email and by text about something new, keep what it cost, and return who is to answer."""
        own = _subject(self.kind, f"{self.kind}-{turn}")
        steps: dict[str, int] = {}
        launched = computed = 0.0
        for channel, provider in (("email", self.sink.process), ("sms", self.simulator)):
            campaign_id = await _make(self.runtime, own, channel)
            await pause_senders(self.runtime)
            before = self.servers.database_cpu, time.process_time()
            steps[channel], done = await launch_campaign(self.runtime, campaign_id)
            computed += self.servers.database_cpu - before[0] + time.process_time() - before[1]
            launched += done.by_channel[channel]
            with open_workers(self.servers, self.environment, 1) as workers:
                sent = await deliver(self.servers, self.runtime, steps[channel], workers, provider)
            self.costs["mail" if channel == "email" else "text"].append(sent.worker_cpu + sent.database_cpu)
        self.costs["launch"].append(computed / launched * 1e6)
        pool = self.runtime.pool
        texts = await pool.fetch(SQL["texts"], steps["sms"], answers)
        mails = [row["message_id"] for row in await pool.fetch(SQL["mails"], steps["email"], answers)]
        await pool.execute(SQL["sent_earlier"], [*mails, *(row["message_id"] for row in texts)])
        links = [f"/{self.runtime.keyring.email_token(message_id, 'confirm')}" for message_id in mails]
        return Answers([row["address"] for row in texts], links)

    @asynccontextmanager
    async def open_web(self) -> AsyncIterator[Web]:
        """Run a web process and a worker, which take answers."""
        log = self.servers.home / f"serve-{self.kind}.log"
        listen = {"MUSTER_LISTEN": "127.0.0.1:0"}
        with (
            python(
                "muster", "serve", environment=self.environment | listen, log=log, ready="the web server listens"
            ) as web,
            open_workers(self.servers, self.environment, 1) as workers,
        ):
            where = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
            assert where is not None
            connector = aiohttp.TCPConnector(limit=_AT_ONCE)
            async with aiohttp.ClientSession(where[0], connector=connector, timeout=aiohttp.ClientTimeout(60)) as http:
                yield Web(http, [web.pid, *(worker.pid for worker in workers)])

    async def answer(self, web: Web, phones: Sequence[str], links: Sequence[str]) -> None:
        """Have some people answer by text, and some by link, and keep what an answer cost."""
        for cost, answered in (("reply", self._reply(web.http, phones)), ("press", self._press(web.http, links))):
            counted = await self.runtime.pool.fetchval(SQL["counted"])
            before = sum(map(cpu_seconds, web.pids)) + self.servers.database_cpu
            n = await answered
            await self._until_counted(counted + n)
            after = sum(map(cpu_seconds, web.pids)) + self.servers.database_cpu
            self.costs[cost].append((after - before) / n * 1e6)

    async def close(self) -> None:
        """Let what was asked about be over."""
        await self.runtime.pool.execute(SQL["close_questions"])

    async def _reply(self, http: aiohttp.ClientSession, phones: Sequence[str]) -> int:
        """Text the first digit from each phone, as Twilio passes it on; returns how many there were."""
        path = "/webhooks/twilio/inbound"
        url = f"{self.environment['MUSTER_PUBLIC_URL']}{path}"
        validator = RequestValidator(self.environment["MUSTER_TWILIO_AUTH_TOKEN"])

        async def text(phone: str) -> None:
            sid = f"SM{phone[1:]:0>16}{time.time_ns():016x}"[:34]
            form = {
                "AccountSid": self.environment["MUSTER_TWILIO_ACCOUNT_SID"], "ApiVersion": "2010-04-01", "Body": "1",
                "From": phone, "MessageSid": sid, "NumMedia": "0", "NumSegments": "1", "SmsMessageSid": sid,
                "SmsSid": sid, "SmsStatus": "received", "To": SMS_FROM,
            }  # fmt: skip
            headers = {"X-Twilio-Signature": validator.compute_signature(url, form)}
            async with http.post(path, data=form, headers=headers) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"a text was answered with {answer.status}: {await answer.text()}")

        await _all(text, phones)
        return len(phones)

    async def _press(self, http: aiohttp.ClientSession, links: Sequence[str]) -> int:
        """Open each link, read the page, and press its first answer; returns how many there were."""
        value = "voted" if self.kind == "ballot" else "answer_good"
        nonces: dict[str, str] = {}

        async def look(link: str) -> None:
            async with http.get(link, headers=HEADERS) as answer:
                found = NONCE.search(await answer.text())
            if found is None:
                raise RuntimeError(f"{link} was answered with {answer.status}")
            nonces[link] = found[1]

        async def press(link: str) -> None:
            async with http.post(link, headers=HEADERS, data={"nonce": nonces[link], "answer": value}) as answer:
                if answer.status != 200 or 'value="undo"' not in await answer.text():
                    raise RuntimeError(f"an answer was not taken: {answer.status}")

        await _all(look, links)
        await asyncio.sleep(READS)
        await _all(press, links)
        return len(links)

    async def _until_counted(self, number: int) -> None:
        """Wait until so many answers count: nothing is measured that was not done."""
        deadline = time.monotonic() + _TIMEOUT
        while (counted := await self.runtime.pool.fetchval(SQL["counted"])) != number:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{counted} answers count, of {number}")
            await asyncio.sleep(0.1)


async def subjects(*, quick: bool = False) -> Report:
    """Ask the same people about ballots and questions by turns, from the launch to the answers.

    A machine is not equally quick at every moment: what is compared was done one right after the other, many times.
    """
    people, rounds, slices, answers = (600, 1, 2, 50) if quick else (40_000, 9, 4, 300)
    async with AsyncExitStack() as stack:
        sink = stack.enter_context(open_sink())
        servers = await stack.enter_async_context(open_bench_servers())
        templates = _write_templates(servers.home / "templates")
        simulator, provider = stack.enter_context(open_simulator(servers.home))
        sides = []
        for kind in ("ballot", "question"):
            url = await servers.new_database(f"about_a_{kind}")
            more = {"MUSTER_SMTP_URL": sink.url, "MUSTER_SMS_FROM": SMS_FROM, "MUSTER_TEMPLATES": str(templates)}
            environment = servers.environment(url, {**provider, **more})
            runtime = await stack.enter_async_context(open_bench_runtime(environment))
            await add_people(url, 1, people)
            sides.append(Side(kind, servers, environment, runtime, sink, simulator))
        for turn in range(rounds):
            await _round(sides if turn % 2 else sides[::-1], turn, slices, answers)
    ballot, question = sides
    usual = {side.kind: {name: median(side.costs[name]) for name in COSTS} for side in sides}
    ratios = {
        name: median(q / b for b, q in zip(ballot.costs[name], question.costs[name], strict=True)) for name in COSTS
    }
    return Report(
        "subjects",
        {
            "people": people,
            "messages a round": people + people // 2,
            "answers by each way a round": slices * answers,
            "rounds": rounds,
        },
        [Bar(f"CPU of a {name}, a question to a ballot", ratios[name], at_most=MOST) for name in COSTS],
        [
            (
                ("CPU µs, medians", "ballot", "question", "ratio, median of pairs"),
                [(cost, usual["ballot"][cost], usual["question"][cost], ratios[cost]) for cost in COSTS],
            )
        ],
    )


async def _round(sides: Sequence[Side], turn: int, slices: int, answers: int) -> None:
    """Ask about something of each kind, then have people answer: some to one, as many to the other, and so on."""
    asked = [await side.ask(turn, slices * answers) for side in sides]
    async with AsyncExitStack() as stack:
        webs = [await stack.enter_async_context(side.open_web()) for side in sides]
        for n in range(slices):
            part = slice(n * answers, (n + 1) * answers)
            for side, web, everybody in zip(sides, webs, asked, strict=True):
                await side.answer(web, everybody.phones[part], everybody.links[part])
    for side in sides:
        await side.close()


async def _all(act: Callable[[str], Awaitable[None]], items: Sequence[str]) -> None:
    """Do something with each of many items, a few at a time."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await act(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work())


def _write_templates(folder: Path) -> Path:
    """Write a template of the same words about each kind of subject; returns the folder."""
    for kind, menu in _MENUS.items():
        about = folder / "messages" / f"ask-{kind}"
        about.mkdir(parents=True)
        words = {"menu": menu, "title": f"{{{{ {kind}.title }}}}", "letter": "{{ letter }}" * (kind == "question")}
        (about / "sms.txt").write_text(_SMS % words, encoding="utf-8")
        (about / "email.md").write_text(_EMAIL % words, encoding="utf-8")
    return folder


def _subject(kind: str, name: str) -> BallotSpec | QuestionSpec:
    """Describe what is asked about; both have the same title and the same dates."""
    today = datetime.now(UTC).date()
    if kind == "ballot":
        dates: dict[str, Any] = {"opens": today - timedelta(days=10), "closes": today + timedelta(days=20)}
        return BallotSpec.model_validate({"name": name, "title": "Your year 2026", **dates})
    answers = [
        {"name": word, "label": word.title(), "digit": digit, "words": [f"very {word}"], "low": word == "poor"}
        for digit, word in enumerate(("good", "fair", "poor"), start=1)
    ]
    return QuestionSpec.model_validate(
        {
            "name": name, "title": "Your year 2026", "asks": "How was it?", "closes": today + timedelta(days=20),
            "opens": today - timedelta(days=10), "answers": answers,
        }
    )  # fmt: skip


async def _make(runtime: Runtime, own: BallotSpec | QuestionSpec, channel: str) -> int:
    """Make a campaign that asks everybody about something by one channel; returns its id."""
    kind = "ballot" if isinstance(own, BallotSpec) else "question"
    step = {"template": f"ask-{kind}", "channels": [channel]}
    name = f"{own.name}-{channel}"
    spec = {"name": name, "title": name, "about": {kind: own.name}, "quiet_hours": "none", "steps": [step]}
    return (await create_campaign(runtime, CampaignSpec.model_validate(spec), operator("bench"), own=own)).campaign_id
