"""Claiming and recording: in an outbox that holds only what is due, and in one with ten million finished messages."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final

import asyncpg

from core.db import Connection, connect, load_queries, open_pool
from core.db.logins import address_as
from messaging.outbox.claim import ClaimedMessage, DueQueue
from messaging.outbox.claim import claim as take
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.schedule import CLAIM_SIZE
from messaging.states import State
from muster.embedded.roles import SUPERUSER
from tests.bench.bulk import UNLOGGED, emptied, settle
from tests.bench.report import Bar, Report
from tests.bench.servers import open_bench_servers

SQL: Final = load_queries(__file__)
BATCH: Final = 16
"""Messages that are recorded and marked at once: half of those that a worker with 16 connections has on the wire."""
MOST: Final = 1.2
"""The bar: how much slower it may be with the finished ones there."""
_TABLES: Final = ("message", "message_event", "link")
_CHUNK: Final = 500_000
_FINISHED: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A database under test: its connection, the due queue, who claims, and what each call took, in seconds."""

    db: Connection
    due: DueQueue
    dispatcher_id: int
    claims: list[float]
    records: list[float]


async def claim(*, quick: bool = False, finished: int | None = None) -> Report:
    """Time `claim` and `record_outcomes` by turns in two databases of one server, which differ in size.

    Args:
        quick: a million finished messages instead of ten.
        finished: how many, if not that.
    """
    finished = finished or (1_000_000 if quick else _FINISHED)
    rounds = 40 if quick else 100
    async with open_bench_servers(**UNLOGGED) as servers:
        began = time.perf_counter()
        urls = [await servers.new_database(name) for name in ("fresh", "grown")]
        places = [
            await prepare(url, done, rounds * CLAIM_SIZE + CLAIM_SIZE)
            for url, done in zip(urls, (0, finished), strict=True)
        ]
        filling = time.perf_counter() - began
        pools = [await open_pool(url, size=1) for url in urls]
        try:
            empty, full = [await enter(await pool.acquire(), due) for pool, due in zip(pools, places, strict=True)]
            for turn in range(rounds):
                for place in (empty, full) if turn % 2 else (full, empty):
                    await work(place)
        finally:
            for pool in pools:
                pool.terminate()
    # the first calls plan and warm up
    shown = [[median(calls[5:]) for calls in (place.claims, place.records)] for place in (empty, full)]
    (claim_empty, record_empty), (claim_full, record_full) = shown
    return Report(
        "claim",
        {
            "finished messages, each with an event and a link": finished,
            "rounds, of which the median": rounds,
            "seconds to fill the table": filling,
            f"claim of {CLAIM_SIZE}, ms, none finished": claim_empty * 1e3,
            f"claim of {CLAIM_SIZE}, ms, all those finished": claim_full * 1e3,
            "claimed messages/s, all those finished": CLAIM_SIZE / claim_full,
            f"record of {BATCH} and {BATCH}, ms, none finished": record_empty * 1e3,
            f"record of {BATCH} and {BATCH}, ms, all those finished": record_full * 1e3,
            "recorded messages/s, all those finished": BATCH / record_full,
        },
        [
            Bar("claim with the finished ones to claim without", claim_full / claim_empty, at_most=MOST),
            Bar("record with the finished ones to record without", record_full / record_empty, at_most=MOST),
        ],
    )


async def prepare(url: str, finished: int, due: int) -> DueQueue:
    """Fill a database; returns the due queue."""
    db = await connect(address_as(url, SUPERUSER))
    await db.execute(SQL["steps"], 1 + finished // 120_000)
    sender_id = await db.fetchval(SQL["sender"])
    if finished:
        await _fill(db, finished, sender_id)
    await db.execute(SQL["queued"], due, sender_id)
    await settle(db, _TABLES)
    await db.close()
    return DueQueue(0, "email", 0, sender_id, None)


async def enter(db: Connection, due: DueQueue) -> Place:
    dispatcher_id: int = await db.fetchval(
        "insert into dispatcher (name, until) values ('bench', now() + interval '1 day') returning dispatcher_id"
    )
    return Place(db, due, dispatcher_id, [], [])


async def _fill(db: asyncpg.Connection, finished: int, sender_id: int) -> None:
    """The finished messages."""
    async with emptied(db, _TABLES):
        for first in range(1, finished + 1, _CHUNK):
            last = min(first + _CHUNK - 1, finished)
            await db.execute(SQL["finished"], first, last, sender_id, timeout=600)
            for name in ("finished_events", "finished_links"):
                await db.execute(SQL[name], first, last, timeout=600)
        await db.execute(SQL["go_on_numbering"], finished)


async def work(place: Place) -> None:
    """A claim, and what a worker then records: by turns the next ones' marks with the last ones' outcomes."""
    now = datetime.now(UTC)
    began = time.perf_counter()
    taken = await take(place.db, place.due, limit=CLAIM_SIZE, now=now, dispatcher_id=place.dispatcher_id)
    place.claims.append(time.perf_counter() - began)
    if len(taken.messages) != CLAIM_SIZE:
        raise RuntimeError(f"{len(taken.messages)} were claimed")
    batches = [taken.messages[first : first + BATCH] for first in range(0, 10 * BATCH, BATCH)]
    last: list[ClaimedMessage] = []
    for batch in batches:
        outcomes = [Outcome(message.message_id, message.attempt, State.ACCEPTED, reply="250 ok") for message in last]
        intents = [
            Intent(message.message_id, message.attempt, _digest("c", message), _digest("u", message))
            for message in batch
        ]
        began = time.perf_counter()
        granted = await record_outcomes(place.db, outcomes, intents, source="smtp", now=now)
        if last:
            place.records.append(time.perf_counter() - began)
        if len(granted) != len(batch):
            raise RuntimeError(f"{len(granted)} were marked")
        last = batch


def _digest(action: str, message: ClaimedMessage) -> bytes:
    return f"{action}{message.message_id:031d}".encode()
