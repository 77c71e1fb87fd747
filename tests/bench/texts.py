"""Texts: the whole pipeline, against a bare aiohttp client that posts the same forms to the same simulator."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import aiohttp

from core.runtime import Runtime
from messaging.channels.channel import OutboundText
from messaging.channels.twilio.channel import RETRIES
from messaging.outbox.claim import ClaimedMessage
from messaging.outbox.compose import Composers
from tests.bench.processes import python
from tests.bench.report import RATE, Bar, Report, middle
from tests.bench.servers import Sent, deliver, open_bench_runtime, open_bench_servers, open_workers, pause_senders
from tests.bench.union import add_people, launch_campaign, make_campaign

CONNECTIONS: Final = (32, 128)
"""Muster's default, and many: the more are open, the more is written down by one statement."""
SHARE: Final = 0.6
"""The bar: the least share of the bare client's pace."""
SMS_FROM: Final = "+447480000001"


async def sms(*, quick: bool = False) -> Report:
    """From a launched campaign to texts recorded as accepted by one worker."""
    texts, rounds = (1_500, 1) if quick else (6_000, 5)
    ours: dict[int, list[Sent]] = {}
    bare: dict[int, list[_Bare]] = {}
    async with open_bench_servers() as servers:
        url = await servers.new_database("texts")
        await add_people(url, 1, 2 * texts)  # half of them have a phone
        for turn, connections in product(range(rounds), CONNECTIONS):
            # a new simulator each time: the agenda of one that has taken many grows
            with open_simulator(servers.home) as (process, provider):
                environment = servers.environment(
                    url, {**provider, "MUSTER_SMS_FROM": SMS_FROM, "MUSTER_SMS_CONNECTIONS": str(connections)}
                )
                async with open_bench_runtime(environment) as runtime:
                    campaign_id = await make_campaign(runtime, f"texts-{turn}-{connections}", "sms")
                    await pause_senders(runtime)
                    step_id, _ = await launch_campaign(runtime, campaign_id)
                    with open_workers(servers, environment, 1) as workers:
                        run = await deliver(servers, runtime, step_id, workers, process)
                        ours.setdefault(connections, []).append(run)
                    forms = await _forms(runtime, step_id)
            with open_simulator(servers.home) as (_, provider):
                bare.setdefault(connections, []).append(await _post(provider, forms, connections))
    sent = {n: middle(runs) for n, runs in ours.items()}
    posted = {n: middle(runs) for n, runs in bare.items()}
    top, other = max(sent.values(), key=RATE), max(posted.values(), key=RATE)
    return Report(
        "sms",
        {
            "texts a round": texts,
            "rounds, of which the median": rounds,
            **{f"one worker, {n} connections, texts/s": rate.rate for n, rate in sent.items()},
            **{f"bare aiohttp client, {n} connections, texts/s": rate.rate for n, rate in posted.items()},
            f"one worker to a bare client, {CONNECTIONS[0]} connections": sent[CONNECTIONS[0]].rate / other.rate,
            "bare client, CPU µs a text": other.cpu,
            "worker, CPU µs a text": top.worker_cpu,
            "PostgreSQL, CPU µs a text": top.database_cpu,
            "simulator, CPU µs a text": top.provider_cpu,
        },
        [Bar("one worker to a bare aiohttp client, each at its best", top.rate / other.rate, at_least=SHARE)],
    )


@dataclass(frozen=True, slots=True)
class _Bare:
    """One run of the bare client: texts a second, and CPU µs for each."""

    rate: float
    cpu: float


@contextmanager
def open_simulator(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """A simulator, and what points Muster at it."""
    log = home / "simulator.log"
    with python("tests.bench.simulator", environment={}, log=log, ready="\n") as process:
        _, base, account, token = log.read_text().split()
        yield (
            process,
            {
                "MUSTER_TWILIO_BASE_URL": base,
                "MUSTER_TWILIO_ACCOUNT_SID": account,
                "MUSTER_TWILIO_AUTH_TOKEN": token,
            },
        )


async def _forms(runtime: Runtime, step_id: int) -> list[dict[str, str]]:
    """What the worker posted, word for word."""
    forms: list[dict[str, str]] = []
    async with runtime.pool.acquire() as db:
        composer = await Composers(runtime.settings, runtime.keyring).get(db, step_id, "sms")
        rows = await db.fetch(
            "select message_id, address, variables, sender_id from message where channel = 'sms' and step_id = $1",
            step_id,
        )
    for row in rows:
        outbound = composer.compose(
            ClaimedMessage(row["message_id"], 1, row["address"], row["variables"], row["sender_id"], 0), runtime.clock()
        ).outbound
        assert isinstance(outbound, OutboundText)
        callback = f"{runtime.settings.public_url}/webhooks/twilio/status?m={outbound.signed_id}{RETRIES}"
        forms.append({"To": outbound.to, "From": outbound.sender, "Body": outbound.body, "StatusCallback": callback})
    return forms


async def _post(provider: dict[str, str], forms: list[dict[str, str]], connections: int) -> _Bare:
    """Post forms as fast as aiohttp can on so many connections."""
    account, token = provider["MUSTER_TWILIO_ACCOUNT_SID"], provider["MUSTER_TWILIO_AUTH_TOKEN"]
    url = f"{provider['MUSTER_TWILIO_BASE_URL']}/2010-04-01/Accounts/{account}/Messages.json"
    left = iter(forms)

    async def post() -> None:
        for form in left:
            async with session.post(url, data=form) as answer:
                assert answer.status == 201, await answer.text()
                assert (await answer.json())["sid"]

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections), auth=aiohttp.BasicAuth(account, token)
    ) as session:
        began, computed = time.perf_counter(), time.process_time()
        await asyncio.gather(*(post() for _ in range(connections)))
        seconds, computed = time.perf_counter() - began, time.process_time() - computed
    return _Bare(len(forms) / seconds, computed / len(forms) * 1e6)
