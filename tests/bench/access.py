"""Row-level security: what a policy costs beside the same query cut by hand, and what it costs the workers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import orjson

from core.access import ReadScope, Scope
from core.db import Connection, Pool, connect, load_queries, open_pool
from core.db.logins import Login, address_as
from messaging.outbox import counts
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.outbox.schedule import CLAIM_SIZE
from messaging.states import State
from people.scope import ScopedPools
from tests.bench.claims import enter, prepare, work
from tests.bench.report import Bar, Report
from tests.bench.servers import open_bench_servers

SQL: Final = load_queries(__file__)
BRANCH: Final = 1.3
"""The bar for a branch's page and search: how many times as long as by hand, and as many buffers."""
REGION: Final = 2.0
"""The same for a region."""
WHOLE: Final = 1.1
"""The same for the whole organisation."""
WORKERS: Final = 1.05
"""The bar for what workers do all day."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads: in which units, and how many times as long as by hand it may take."""

    name: str
    scope: ReadScope
    units: list[int]
    at_most: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Query under a policy, and the same by hand, each with its arguments, and how often in a round."""

    name: str
    policy: str
    policy_args: tuple[Any, ...]
    by_hand: str
    by_hand_args: tuple[Any, ...]
    each: int = 10


Times = Mapping[tuple[str, str], list[float]]


async def access(*, quick: bool = False) -> Report:
    """Read pages and search as staff and by hand, by turns; then work with policies and without.

    Args:
        quick: 6,000 people, and few rounds.
    """
    people, rounds, work_rounds = (6_000, 3, 12) if quick else (120_000, 40, 120)
    async with open_bench_servers() as servers:
        url = await servers.new_database("access")
        owner_url = address_as(url, Login.OWNER)
        await _fill(owner_url, people)
        pools = [
            await open_pool(address_as(url, login), size=1, for_staff=True) for login in (Login.STAFF, Login.STAFF_ALL)
        ]
        worker, owner = await open_pool(url, size=2), await open_pool(owner_url, size=1)
        try:
            scoped = ScopedPools(worker, *pools)
            async with owner.acquire() as by_hand:
                readers = await _readers(by_hand)
                pairs = {reader.name: await _pairs(by_hand, reader) for reader in readers}
                await _check(scoped, by_hand, readers, pairs)
                times = await _read(scoped, by_hand, readers, pairs, rounds)
                buffers = await _buffers(scoped, by_hand, readers, pairs)
            opening = await _opening(scoped, owner, readers, rounds)
            worked = await _work(url, worker, owner, work_rounds)
        finally:
            for pool in (*pools, worker, owner):
                pool.terminate()
    return _report(people, rounds, readers, pairs, times, buffers, opening, worked)


async def _fill(url: str, people: int) -> None:
    db = await connect(url)
    try:
        await db.execute(SQL["regions"])
        await db.execute(SQL["lineages"])
        await db.execute(SQL["people"], people)
        await db.execute(SQL["steps"])
        await db.execute(SQL["sent"], timeout=600)
        await db.execute(SQL["settle"])
    finally:
        await db.close()


async def _readers(db: Connection) -> list[Reader]:
    branch = await db.fetchrow("select unit_id, parent_id from unit where kind = 'branch' order by unit_id limit 1")
    assert branch is not None
    region: int = branch["parent_id"]
    below = [row["unit_id"] for row in await db.fetch("select unit_id from unit where $1 = any (lineage)", region)]
    every = [row["unit_id"] for row in await db.fetch("select unit_id from unit")]
    whole = Scope(is_everywhere=True)
    return [
        Reader("branch", _in(branch["unit_id"]), [branch["unit_id"]], BRANCH),
        Reader("region", _in(region), below, REGION),
        Reader("whole organisation", ReadScope(whole, whole), every, WHOLE),
    ]


def _in(unit_id: int) -> ReadScope:
    return ReadScope(Scope(unit_ids=(unit_id,)), Scope(unit_ids=(unit_id,)))


async def _pairs(db: Connection, reader: Reader) -> list[Pair]:
    name: str = await db.fetchval(SQL["somebody"], reader.units[-1] if reader.name != "branch" else reader.units[0])
    everywhere = reader.scope.people.is_everywhere
    # nobody cuts by hand what is for everybody
    cut, units = ("", ()) if everywhere else ("_by_hand", (reader.units,))
    # sums are of everybody: who sees a part has its messages counted
    counting = load_queries(counts.__file__)
    progress, steps = counting["count_steps" if everywhere else "count_partially"], ([101, 102, 103], 60.0)
    sought = ([f"%{name}%", "%", "%"], name, [f"%{name}%"])
    return [
        Pair("page", SQL["page"], (), SQL[f"page{cut}"], units),
        Pair("count", SQL["count"], (), SQL[f"count{cut}"], units),
        Pair("search", SQL["search"], (name,), SQL["search_by_hand"], (*sought, everywhere, reader.units)),
        # what an overview counts every two seconds
        Pair("progress", progress, steps, progress if everywhere else SQL["progress_by_hand"], (*steps, *units), 1),
    ]


async def _check(
    scoped: ScopedPools, by_hand: Connection, readers: list[Reader], pairs: Mapping[str, list[Pair]]
) -> None:
    """Both ways find the same, or there is nothing to compare."""
    for reader in readers:
        for pair in pairs[reader.name]:
            async with scoped.within(reader.scope) as db:
                mine = [tuple(row) for row in await db.fetch(pair.policy, *pair.policy_args)]
            if not mine or _sorted(pair, mine) != _sorted(
                pair, [tuple(row) for row in await by_hand.fetch(pair.by_hand, *pair.by_hand_args)]
            ):
                raise RuntimeError(f"{reader.name}, {pair.name}: the two queries do not find the same")


def _sorted(pair: Pair, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Counts come in no order."""
    return sorted(rows, key=str) if pair.name == "progress" else rows


async def _read(
    scoped: ScopedPools, by_hand: Connection, readers: list[Reader], pairs: Mapping[str, list[Pair]], rounds: int
) -> Times:
    """Seconds of each call, by reader and query; policy and by hand take turns."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for turn in range(rounds):
        for reader in readers:
            for pair in pairs[reader.name]:
                async with scoped.within(reader.scope) as db:
                    for _ in range(pair.each):
                        sides = [
                            (db, "policy", pair.policy, pair.policy_args),
                            (by_hand, "by hand", pair.by_hand, pair.by_hand_args),
                        ]
                        for connection, side, sql, args in sides[:: -1 if turn % 2 else 1]:
                            began = time.perf_counter()
                            await connection.fetch(sql, *args)
                            times[f"{reader.name}, {pair.name}", side].append(time.perf_counter() - began)
    return times


async def _buffers(
    scoped: ScopedPools, by_hand: Connection, readers: list[Reader], pairs: Mapping[str, list[Pair]]
) -> Mapping[tuple[str, str], int]:
    """Buffers that each query touches."""
    found: dict[tuple[str, str], int] = {}
    for reader in readers:
        for pair in pairs[reader.name]:
            async with scoped.within(reader.scope) as db:
                found[f"{reader.name}, {pair.name}", "policy"] = await _touched(db, pair.policy, pair.policy_args)
            hand = await _touched(by_hand, pair.by_hand, pair.by_hand_args)
            found[f"{reader.name}, {pair.name}", "by hand"] = hand
    return found


async def _touched(db: Connection, sql: str, args: tuple[Any, ...]) -> int:
    explained = await db.fetchval(f"explain (analyze, buffers, format json) {sql}", *args)
    (found,) = orjson.loads(explained)
    # a function plans while it runs
    parts = (found["Plan"], found.get("Planning", {}))
    return sum(part.get(f"Shared {kind} Blocks", 0) for part in parts for kind in ("Hit", "Read"))


async def _opening(scoped: ScopedPools, owner: Pool, readers: list[Reader], rounds: int) -> Mapping[str, float]:
    """Milliseconds to open and close a transaction with a scope, and one without."""
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds * 3):
        for reader in readers:
            began = time.perf_counter()
            async with scoped.within(reader.scope):
                pass
            took[reader.name].append(time.perf_counter() - began)
        began = time.perf_counter()
        async with owner.acquire() as db, db.transaction():
            pass
        took["none"].append(time.perf_counter() - began)
    return {name: median(each) * 1e3 for name, each in took.items()}


async def _work(url: str, worker: Pool, owner: Pool, rounds: int) -> Times:
    """Seconds of claims, records and receipts, by a login under policies and by the tables' owner, in one database."""
    step = await prepare(address_as(url, Login.OWNER), 0, 2 * rounds * CLAIM_SIZE + CLAIM_SIZE)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with worker.acquire() as with_policies, owner.acquire() as without:
        places = {"policy": await enter(with_policies, step), "without": await enter(without, step)}
        for turn in range(rounds):
            for side in ("policy", "without")[:: -1 if turn % 2 else 1]:
                place = places[side]
                await work(place)
                accepted = await place.db.fetch(
                    "select message_id from message where state = 'accepted' order by sent_at desc limit 64"
                )
                receipts = [
                    Receipt(row["message_id"], None, State.DELIVERED, "twilio", None, datetime.now(UTC))
                    for row in accepted
                ]
                began = time.perf_counter()
                await apply_receipts(place.db, receipts)
                times["receipts", side].append(time.perf_counter() - began)
        for side, place in places.items():
            times["claim", side].extend(place.claims)
            times["record", side].extend(place.records)
    return times


def _report(
    people: int,
    rounds: int,
    readers: list[Reader],
    pairs: Mapping[str, list[Pair]],
    times: Times,
    buffers: Mapping[tuple[str, str], int],
    opening: Mapping[str, float],
    worked: Times,
) -> Report:
    bars: list[Bar] = []
    rows: list[tuple[Any, ...]] = []
    for reader in readers:
        for pair in pairs[reader.name]:
            name = f"{reader.name}, {pair.name}"
            policy, by_hand = (median(times[name, side]) for side in ("policy", "by hand"))
            touched, touched_by_hand = (buffers[name, side] for side in ("policy", "by hand"))
            rows.append((name, policy * 1e3, by_hand * 1e3, touched, touched_by_hand))
        # a page has both its list and the count above it
        listed, counted, sought, _ = rows[-4:]
        page = [listing + other for listing, other in zip(listed[1:], counted[1:], strict=True)]
        for what, (policy, by_hand, touched, touched_by_hand) in (("page", page), ("search", sought[1:])):
            bars += [
                Bar(f"{reader.name}, {what}: time with policies to by hand", policy / by_hand, at_most=reader.at_most),
                Bar(f"{reader.name}, {what}: buffers", touched / touched_by_hand, at_most=reader.at_most),
            ]
    for kind in ("claim", "record", "receipts"):
        # the first calls plan and warm up
        policy, without = (median(worked[kind, side][5:]) for side in ("policy", "without"))
        bars.append(Bar(f"{kind}: with policies to without", policy / without, at_most=WORKERS))
        rows.append((f"workers, {kind}", policy * 1e3, without * 1e3, 0, 0))
    return Report(
        "access",
        {
            "people": people,
            "rounds": rounds,
            "ms to open a transaction without a scope": opening["none"],
            **{f"ms to open one for a scope: {reader.name}": opening[reader.name] for reader in readers},
        },
        bars,
        [(("query", "policy, ms", "by hand, ms", "buffers", "by hand"), rows)],
    )
