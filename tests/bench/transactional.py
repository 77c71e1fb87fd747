"""Transactional texts beside a campaign: how soon each is at the provider, and what the campaign pays for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Final

from core.db import load_queries
from core.runtime import Runtime
from messaging.outbox.concealment import Contents
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from tests.bench.processes import cpu_seconds
from tests.bench.report import Bar, Report
from tests.bench.servers import (
    BenchServers,
    open_bench_runtime,
    open_bench_servers,
    open_workers,
    pause_senders,
)
from tests.bench.texts import SMS_FROM, open_simulator
from tests.bench.union import add_people, launch_campaign, make_campaign

SQL: Final = load_queries(__file__)

MAX_SECONDS: Final = 1.0
"""The bar: seconds after which the last must be at the provider."""
MAX_COST: Final = 1.05
"""The bar: most CPU that a message may take beside transactional ones, for what takes 1 without them."""
SMS_TO: Final = "+447900000001"
_PAUSE: Final = 0.25
"""Seconds before a transactional text."""


@dataclass(slots=True)
class _Windows:
    """What the windows of one kind came to: CPU in microseconds of each message, and seconds to the provider."""

    costs: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


async def transactional(*, quick: bool = False) -> Report:
    """Send a campaign of texts by one worker, some seconds at a time, by turns alone and beside transactional texts."""
    texts, turns, tries, seconds = (10_000, 1, 2, 0.8) if quick else (120_000, 5, 8, 3.0)
    alone, beside = _Windows(), _Windows()
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(open_bench_servers())
        url = await servers.new_database("transactional")
        await add_people(url, 1, 2 * texts)  # half of them have a phone
        _, provider = stack.enter_context(open_simulator(servers.home))
        environment = servers.environment(url, {**provider, "MUSTER_SMS_FROM": SMS_FROM})
        runtime = await stack.enter_async_context(open_bench_runtime(environment))
        campaign_id = await make_campaign(runtime, "texts", "sms")
        await pause_senders(runtime)
        await launch_campaign(runtime, campaign_id)
        workers = stack.enter_context(open_workers(servers, environment, 1))
        computed = partial(_computed, servers, [worker.pid for worker in workers])
        await _send(runtime, _Windows(), computed, seconds, tries)  # statements are prepared, the step compiled
        for turn in range(turns):
            for windows in (alone, beside) if turn % 2 else (beside, alone):
                await _send(runtime, windows, computed, seconds, tries if windows is beside else 0)
        left = await runtime.pool.fetchval(SQL["left"])
    if not left:
        raise RuntimeError("the campaign was over before the last window")
    ratio = median(beside.costs) / median(alone.costs)
    return Report(
        "transactional",
        {
            "texts of the campaign": texts,
            "of which still queued at the end": left,
            "turns, of which the median": turns,
            "transactional texts": len(beside.waits),
            "half of them at the provider within, ms": median(beside.waits) * 1e3,
            "CPU µs a text, worker and PostgreSQL, alone": median(alone.costs),
            "CPU µs a text beside transactional ones": median(beside.costs),
        },
        [
            Bar("the slowest at the provider within, s", max(beside.waits), at_most=MAX_SECONDS),
            Bar("CPU of a text beside transactional ones to one alone", ratio, at_most=MAX_COST),
        ],
    )


def _computed(servers: BenchServers, pids: Sequence[int]) -> float:
    """Seconds that workers and the database have computed."""
    return sum(map(cpu_seconds, pids)) + servers.database_cpu


async def _send(runtime: Runtime, windows: _Windows, computed: Callable[[], float], seconds: float, tries: int) -> None:
    """Let the campaign go for some seconds, with so many transactional texts in them."""
    pool = runtime.pool
    before, sent_before = computed(), await pool.fetchval(SQL["sent"])
    await pool.execute("update sender set paused_reason = null")
    await runtime.wake("deliver")
    queued = [await _queue(runtime) for _ in range(tries)]
    await asyncio.sleep(seconds - tries * _PAUSE)
    await pause_senders(runtime)
    while await pool.fetchval(SQL["on_the_wire"]):  # noqa: ASYNC110  # what is waited for is in another process
        await asyncio.sleep(0.05)
    windows.costs.append((computed() - before) / (await pool.fetchval(SQL["sent"]) - sent_before) * 1e6)
    windows.waits += [row["waited"] for row in await pool.fetch(SQL["waits"], queued)]


async def _queue(runtime: Runtime) -> int:
    """Queue a transactional text after a pause; return its id."""
    await asyncio.sleep(_PAUSE)
    text = Contents("Thank you. We will call you.")
    async with runtime.pool.acquire() as db:
        sender_id = await db.fetchval(SQL["find_sender"], SMS_FROM)
        reply = NewMessage(MessageKind.STAFF_REPLY, "sms", SMS_TO, sender_id, text, "bench")
        message_id = await send_to(db, reply, at=runtime.clock())
    await runtime.wake("deliver")
    return message_id
