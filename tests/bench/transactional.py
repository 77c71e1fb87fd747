"""Transactional texts beside a campaign: how soon each is at the provider, and what the campaign pays for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
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
"""The bar: most CPU that a campaign's text may take beside transactional ones, for what takes 1 without them."""
SMS_TO: Final = "+447900000001"
_PAUSE: Final = 0.25
"""Seconds before a transactional text."""


@dataclass(frozen=True, slots=True)
class _Window:
    """What came of some seconds: CPU in microseconds, texts sent, and the seconds each transactional one took."""

    cpu: float
    sent: int
    waits: list[float]


async def transactional(*, quick: bool = False) -> Report:
    """Send transactional texts alone, a campaign alone, and both, some seconds at a time, by one worker."""
    texts, turns, tries, seconds = (40_000, 1, 2, 0.8) if quick else (200_000, 5, 8, 2.5)
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(open_bench_servers())
        url = await servers.new_database("transactional")
        await add_people(url, 1, 2 * texts)  # half of them have a phone
        _, provider = stack.enter_context(open_simulator(servers.home))
        environment = servers.environment(url, {**provider, "MUSTER_SMS_FROM": SMS_FROM})
        runtime = await stack.enter_async_context(open_bench_runtime(environment))
        campaign_id = await make_campaign(runtime, "texts", "sms")
        await pause_senders(runtime)
        workers = stack.enter_context(open_workers(servers, environment, 1))
        send = partial(_send, runtime, partial(_computed, servers, [worker.pid for worker in workers]), seconds)
        idle, lone = await _by_turns(send, turns, tries)
        await launch_campaign(runtime, campaign_id)
        alone, beside = await _by_turns(send, turns, tries)
        left = await runtime.pool.fetchval(SQL["left"])
    if not left:
        raise RuntimeError("the campaign was over before the last window")
    own = (median(window.cpu for window in lone) - median(window.cpu for window in idle)) / tries
    usual = median(window.cpu / window.sent for window in alone)
    cost = median((window.cpu - tries * own) / (window.sent - tries) for window in beside)
    waits = [wait for window in beside for wait in window.waits]
    return Report(
        "transactional",
        {
            "texts of the campaign": texts,
            "of which still queued at the end": left,
            "turns, of which the median": turns,
            "transactional texts beside it": len(waits),
            "half of them at the provider within, ms": median(waits) * 1e3,
            "a campaign's text, CPU µs of worker and PostgreSQL": usual,
            "beside transactional ones": cost,
            "a transactional text where nothing else is sent": own,
        },
        [
            Bar("the slowest at the provider within, s", max(waits), at_most=MAX_SECONDS),
            Bar("CPU of a campaign's text beside transactional ones to one alone", cost / usual, at_most=MAX_COST),
        ],
    )


async def _by_turns(
    send: Callable[[int], Awaitable[_Window]], turns: int, tries: int
) -> tuple[list[_Window], list[_Window]]:
    """Send by turns without and with transactional texts, and return what came of it."""
    await send(tries)  # statements are prepared, the step compiled
    without, beside = list[_Window](), list[_Window]()
    for turn in range(turns):
        for windows in (without, beside) if turn % 2 else (beside, without):
            windows.append(await send(tries if windows is beside else 0))
    return without, beside


def _computed(servers: BenchServers, pids: Sequence[int]) -> float:
    """Seconds that workers and the database have computed."""
    return sum(map(cpu_seconds, pids)) + servers.database_cpu


async def _send(runtime: Runtime, computed: Callable[[], float], seconds: float, tries: int) -> _Window:
    """Let everything that is queued go for some seconds, with so many transactional texts in them."""
    pool = runtime.pool
    sent_before = await pool.fetchval(SQL["sent"])
    before = computed()
    await pool.execute("update sender set paused_reason = null")
    await runtime.wake("deliver")
    queued = [await _queue(runtime) for _ in range(tries)]
    await asyncio.sleep(seconds - tries * _PAUSE)
    await pause_senders(runtime)
    while await pool.fetchval(SQL["on_the_wire"]):  # noqa: ASYNC110  # what is waited for is in another process
        await asyncio.sleep(0.05)
    cpu = (computed() - before) * 1e6
    sent = await pool.fetchval(SQL["sent"]) - sent_before
    return _Window(cpu, sent, [row["waited"] for row in await pool.fetch(SQL["waits"], queued)])


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
