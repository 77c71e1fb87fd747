"""The inbound log: stored once, processed in order, tried again with pauses, and set aside where that is no use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from core.access import SYSTEM
from core.audit import AuditAction, record
from core.db import Connection, open_pool
from core.errors import InputError, Unavailable
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from webhooks.inbound_log.inbound_log import MAX_PAUSE, MAX_TRIES, SLOW_BATCH_SIZE, Intake, Item, process


class Waking:
    """Remembers who was woken, and what was committed by then."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self.seen: list[tuple[str, int]] = []

    async def __call__(self, job: str) -> None:
        self.seen.append((job, await self.db.fetchval("select count(*) from inbound_log")))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def here(runtime: Runtime, clock: FixedClock) -> Runtime:
    return replace(runtime, clock=clock)


async def put(runtime: Runtime, key: str, subject: str = "", source: str = "t", **payload: object) -> int | None:
    return await Intake().store(
        runtime, source=source, dedupe_key=key, subject=subject or key, payload=payload or {"key": key}
    )


class Noting:
    """A handler that notes what it saw, and fails as told."""

    def __init__(self, *bad: str, error: Exception | None = None) -> None:
        self.bad, self.error = set(bad), error or RuntimeError("no")
        self.seen: list[str] = []

    async def __call__(self, db: Connection, items: Sequence[Item]) -> None:
        for item in items:
            key = str(item.payload["key"])
            await record(db, SYSTEM, AuditAction.PEOPLE_SEEN, key)
            if key in self.bad:
                raise self.error
            self.seen.append(key)


async def states(db: Connection) -> dict[str, str]:
    return {row["dedupe_key"]: row["state"] for row in await db.fetch("select dedupe_key, state from inbound_log")}


async def test_the_workers_are_woken_after_the_commit(here: Runtime, db: Connection) -> None:
    waking = Waking(db)
    assert await put(replace(here, wake=waking), "a") is not None
    assert waking.seen == [("inbound", 1)]
    assert await put(replace(here, wake=waking), "a") is None
    assert len(waking.seen) == 1


async def test_items_that_arrive_together_share_commits(here: Runtime, db: Connection) -> None:
    intake = Intake()

    stored = await asyncio.gather(
        *(intake.store(here, source="test", dedupe_key=f"{n}", subject=f"{n}", payload={}) for n in range(80))
    )

    assert len(set(stored)) == 80
    assert len({row["xmin"] for row in await db.fetch("select xmin::text from inbound_log")}) <= 3


async def test_a_bad_item_costs_none_that_arrived_with_it(here: Runtime, db: Connection) -> None:
    intake = Intake()

    async def put(key: str, results: str) -> int | None:
        return await intake.store(here, source="test", dedupe_key=key, subject=key, payload={"said": results})

    results = await asyncio.gather(
        put("a", "1"), put("b", "2"), put("b", "2"), put("c", "\x00"), put("d", "4"), return_exceptions=True
    )

    assert [isinstance(result, int) for result in results] == [True, True, False, False, True]
    assert results[2] is None
    assert isinstance(results[3], asyncpg.DataError)
    keys = [row["dedupe_key"] for row in await db.fetch("select dedupe_key from inbound_log order by inbound_id")]
    assert keys == ["a", "b", "d"]


async def test_a_repeated_item_is_stored_once_even_at_the_same_moment(here: Runtime, db: Connection) -> None:
    stored = await asyncio.gather(*(put(here, "a") for _ in range(10)))
    assert sum(result is not None for result in stored) == 1
    assert await put(here, "a", source="another") is not None


async def test_a_database_that_is_away_is_unavailable(here: Runtime) -> None:
    pool = await open_pool(here.settings.database_url or "", size=1)
    await pool.close()
    with pytest.raises(Unavailable):
        await put(replace(here, pool=pool), "a")


async def test_no_request_waits_longer_than_a_provider_when_the_database_hangs(
    here: Runtime, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.db.in_time.ANSWER_TIMEOUT", 0.5)
    intake = Intake()

    async def store(key: str) -> int | None:
        return await intake.store(here, source="t", dedupe_key=key, subject=key, payload={})

    async with db.transaction():
        await db.execute("lock table inbound_log in access exclusive mode")
        first = asyncio.create_task(store("a"))
        await asyncio.sleep(0.2)
        second = asyncio.create_task(store("b"))
        results = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 10)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    # both are told to come again; what then is stored is stored once
    assert await store("b") is not None
    assert await states(db) == {"b": "new"}


async def test_requests_beyond_the_limit_are_refused(
    here: Runtime, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.inbound_log.inbound_log.MAX_WAITING", 3)
    intake = Intake()
    results = await asyncio.gather(
        *(intake.store(here, source="t", dedupe_key=f"{n}", subject=f"{n}", payload={}) for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Unavailable) for result in results) == 7
    assert len(await states(db)) == 3


async def test_every_item_is_processed_once(here: Runtime, db: Connection) -> None:
    for number in range(250):
        await put(here, f"{number:03}", subject=f"s{number % 7}")
    handlers = [Noting() for _ in range(3)]
    while sum(await asyncio.gather(*(process(here, 100, {"t": handler}) for handler in handlers))):
        pass
    seen = [key for handler in handlers for key in handler.seen]
    assert sorted(seen) == [f"{number:03}" for number in range(250)]
    assert set((await states(db)).values()) == {"done"}
    assert await process(here, 100, {"t": handlers[0]}) == 0


async def test_processing_stops_at_its_limit(here: Runtime) -> None:
    for number in range(12):
        await put(here, str(number))
    assert await process(here, 5, {"t": Noting()}) == 5
    assert await process(here, 50, {"t": Noting()}) == 7


async def test_slow_items_share_small_transactions_and_delay_no_others(here: Runtime, db: Connection) -> None:
    together: dict[str, list[int]] = {"slow": [], "t": []}

    async def count(_db: Connection, items: Sequence[Item]) -> None:
        together[items[0].source].append(len(items))

    for number in range(12):
        await put(here, f"slow {number}", source="slow")
        await put(here, f"quick {number}")
    assert await process(here, 100, {"slow": count, "t": count}, slow={"slow"}) == 24
    assert together == {"slow": [SLOW_BATCH_SIZE, SLOW_BATCH_SIZE, 2], "t": [12]}
    assert set((await states(db)).values()) == {"done"}


async def test_a_bad_item_delays_no_other_and_leaves_nothing_half_done(here: Runtime, db: Connection) -> None:
    for key in ("a", "b", "c"):
        await put(here, key)
    await process(here, 10, {"t": Noting("b")})
    assert await states(db) == {"a": "done", "b": "new", "c": "done"}
    done = [row["subject"] for row in await db.fetch("select subject from audit_shown order by subject")]
    assert done == ["a", "c"]


async def test_items_of_one_subject_are_processed_in_order(here: Runtime, clock: FixedClock, db: Connection) -> None:
    await put(here, "first", subject="phone:1")
    clock.wait(seconds=0.1)
    await put(here, "second", subject="phone:1")
    await put(here, "other", subject="phone:2")
    handler = Noting("first")
    await process(here, 10, {"t": handler})
    assert handler.seen == ["other"]
    handler.bad = set()
    clock.wait(seconds=5)
    while await process(here, 10, {"t": handler}):
        pass
    assert handler.seen == ["other", "first", "second"]


async def test_retries_grow_apart_until_the_item_is_parked_with_an_alert(
    here: Runtime, clock: FixedClock, db: Connection
) -> None:
    await put(here, "a")
    handler = Noting("a")
    pauses = []
    for _ in range(MAX_TRIES):
        assert await process(here, 10, {"t": handler}) == 1
        assert await process(here, 10, {"t": handler}) == 0, "not before its pause is over"
        due = await db.fetchval("select next_try_at from inbound_log")
        pauses.append(due - clock())
        clock.now = due
    assert pauses[:4] == [timedelta(seconds=2**n) for n in range(4)]
    assert max(pauses) <= MAX_PAUSE
    assert await states(db) == {"a": "parked"}
    assert "RuntimeError" in await db.fetchval("select error from inbound_log")
    [alert] = await db.fetch("select key, severity, remedy from alert")
    assert (alert["key"], alert["severity"]) == ("inbound:t", "warning")
    clock.wait(days=1)
    assert await process(here, 10, {"t": handler}) == 0


async def test_an_impossible_item_is_parked_at_once_and_lets_the_next_pass(here: Runtime, db: Connection) -> None:
    await put(here, "bad", subject="s")
    await put(here, "good", subject="s")
    handler = Noting("bad", error=InputError("It makes no sense."))
    while await process(here, 10, {"t": handler}):
        pass
    assert await states(db) == {"bad": "parked", "good": "done"}


async def test_an_item_without_a_handler_is_parked(here: Runtime, db: Connection) -> None:
    await put(here, "a", source="carrier-pigeon")
    assert await process(here, 10, {}) == 1
    assert await states(db) == {"a": "parked"}


async def test_a_failing_statement_spoils_only_its_own_item(here: Runtime, db: Connection) -> None:
    async def divide(db: Connection, items: Sequence[Item]) -> None:
        for item in items:
            await db.fetchval("select 1 / $1::int", item.payload["by"])

    await put(here, "a", by=1)
    await put(here, "b", by=0)
    await put(here, "c", by=2)
    await process(here, 10, {"t": divide})
    assert await states(db) == {"a": "done", "b": "new", "c": "done"}
