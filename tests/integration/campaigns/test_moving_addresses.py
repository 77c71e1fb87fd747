"""Messages by dates of people follow them to other phones: after a claim, at the same time as one, and in swaps."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from campaigns.date_changes import follow_dates
from core.db import Connection
from core.runtime import Runtime
from messaging.channels.channel import Retry
from messaging.outbox.claim import DueQueue, claim, hand_back
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.retries import handed_back, outcome_of
from messaging.reasons import Reason
from messaging.states import State
from tests.support.appointments import (
    REMINDER,
    Load,
    claim_due,
    launched,
    outcomes,
    rows,
    utc,
)
from tests.support.clocks import FixedClock
from tests.support.electorate import connected
from tests.support.outbox_rows import dispatcher

OLD, NEW = "+447700900001", "+447700900099"


async def test_a_message_that_was_put_back_follows_its_person_to_another_phone(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load(
        f"deploy,Ann,{OLD},,,,2026-11-25 14:30",
        "busy,Bo,+447700900002,,,,2026-11-25 14:30",
        "gone,Cy,+447700900003,,,,2026-11-25 14:30",
    )
    await launched(muster)
    clock.now = utc(24, 15)
    async with connected(muster) as db:
        done = await claim(db, await queue(db), limit=9, now=clock.now, dispatcher_id=await dispatcher(db))
        deploy, busy, gone = done.messages
        assert await hand_back(db, [deploy, gone]) == 2
        await record_outcomes(
            db, [], [Intent(busy.message_id, busy.attempt, None, None)], source="worker", now=clock.now
        )
        too_busy = outcome_of(busy, Retry(Reason.BUSY, "429", "Too many requests"), send_before=None)
        await record_outcomes(db, [too_busy], [], source="worker", now=clock.now)
    await load(
        f"deploy,Ann,{NEW},,,,2026-11-25 14:30",
        "busy,Bo,+447700900098,,,,2026-11-25 14:30",
        "gone,Cy,+447700900003,,,,",
    )
    assert await follow_dates(muster) == 3
    async with connected(muster) as db:
        now = await rows(db)
        assert [(now[member]["state"], now[member]["address"]) for member in ("deploy", "busy", "gone")] == [
            ("queued", NEW), ("queued", "+447700900098"), ("skipped", None),
        ]  # fmt: skip
        step = await db.fetchrow("select * from step")
        assert step is not None
        clock.now += timedelta(hours=1)
        assert set(await claim_due(muster, db, step)) == {now[member]["message_id"] for member in ("deploy", "busy")}


async def test_a_message_that_may_have_left_goes_to_no_other_phone_and_says_so(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load(f"1,Ann,{OLD},,,,2026-11-25 14:30")
    await launched(muster)
    clock.now = utc(24, 15)
    async with connected(muster) as db:
        done = await claim(db, await queue(db), limit=9, now=clock.now, dispatcher_id=await dispatcher(db))
        [it] = done.messages
        await record_outcomes(db, [], [Intent(it.message_id, it.attempt, None, None)], source="worker", now=clock.now)
        await record_outcomes(
            db, [Outcome(it.message_id, it.attempt, State.AMBIGUOUS)], [], source="worker", now=clock.now
        )
        await db.execute("update message set state = 'queued', wire_at = null")  # no trace of it at the provider
    await load(f"1,Ann,{NEW},,,,2026-11-25 14:30")
    await follow_dates(muster)
    assert (await outcomes(muster))["1"][:2] == ("cancelled", "address_changed")
    assert await follow_dates(muster) == 0
    await load(f"1,Ann,{OLD},,,,2026-11-25 14:30")
    await follow_dates(muster)
    assert (await outcomes(muster))["1"][:2] == ("queued", None)


async def test_what_a_worker_records_of_a_message_that_was_taken_back_from_it_is_void(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load(f"moves,Ann,{OLD},,,,2026-11-25 14:30", "renamed,Bo,+447700900002,,,,2026-11-25 14:30")
    await launched(muster)
    clock.now = utc(24, 15)
    async with connected(muster) as db:
        done = await claim(db, await queue(db), limit=9, now=clock.now, dispatcher_id=await dispatcher(db))
    await load(f"moves,Ann,{NEW},,,,2026-11-29 14:30", "renamed,Bob,+447700900002,,,,2026-11-25 14:30")
    assert await follow_dates(muster) == 1
    late = [handed_back(done.messages[0]), Outcome(done.messages[1].message_id, done.messages[1].attempt, State.FAILED)]
    async with connected(muster) as db:
        await record_outcomes(db, late, [], source="worker", now=clock.now)
        assert await outcomes(muster) == {
            "moves": ("queued", None, utc(28, 14, 30)), "renamed": ("queued", None, utc(24, 14, 30)),
        }  # fmt: skip
    await load("moves,Ann,+447700900097,,,,2026-11-29 14:30", "renamed,Bob,+447700900098,,,,2026-11-25 14:30")
    await follow_dates(muster)
    async with connected(muster) as db:
        assert {row["address"] for row in (await rows(db)).values()} == {"+447700900097", "+447700900098"}


async def test_a_claim_that_is_under_way_when_numbers_change_delays_nobody(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load(f"claimed,Ann,{OLD},,,,2026-11-25 14:30", "other,Bo,+447700900002,,,,2026-11-27 14:30")
    await launched(muster)
    clock.now = utc(24, 15)
    await load(f"claimed,Ann,{NEW},,,,2026-11-25 15:30", "other,Bo,+447700900002,,,,2026-11-28 14:30")
    async with connected(muster) as worker, connected(muster) as db:
        step = await db.fetchrow("select * from step")
        assert step is not None
        async with worker.transaction():
            assert len(await claim_due(muster, worker, step)) == 1
            following = asyncio.create_task(follow_dates(muster))
            while not await db.fetchval("select count(*) from pg_locks where not granted"):
                assert not following.done(), following.result()
                await asyncio.sleep(0.01)
        assert await following == 2
        now = await rows(db)
        assert await db.fetchval("select count(*) from alert where resolved_at is null") == 0
    assert (now["claimed"]["state"], now["claimed"]["address"]) == ("queued", NEW)
    assert now["other"]["not_before"] == utc(27, 14, 30)


async def test_one_message_that_cannot_be_changed_is_left_for_later_and_stops_no_other(
    muster: Runtime, load: Load, clock: FixedClock, owner: Connection
) -> None:
    people = [f"+44770090000{n}" for n in range(5)]
    await load(*(f"{n},Ann,{phone},,,,2026-11-25 14:30" for n, phone in enumerate(people)))
    await launched(muster)
    await launched(muster, {**REMINDER, "when": {"before": "12 hours", "of": "appointment_at"}}, name="sound")
    await owner.execute(
        "create function stuck() returns trigger language plpgsql as $$ begin raise exception 'stuck'; end $$;"
        "create trigger stuck before update on message for each row when (old.message_id = 3)"
        " execute function stuck()"
    )
    await load(*(f"{n},Ann,{phone},,,,2026-11-26 14:30" for n, phone in enumerate(people)))
    assert await follow_dates(muster) == 4 + 5
    async with connected(muster) as db:
        due = [row["not_before"] for row in await db.fetch("select not_before from message order by message_id")]
        assert due == [*[utc(25, 14, 30)] * 2, utc(24, 14, 30), *[utc(25, 14, 30)] * 2, *[utc(26, 2, 30)] * 5]
        title = await db.fetchval("select title from alert where resolved_at is null")
        assert "Nothing could be done for 1 person, number 2." in title
        assert await db.fetchval("select count(*) from date_change") == 1
        await owner.execute("drop trigger stuck on message")
    assert await follow_dates(muster) == 1
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from alert where resolved_at is null") == 0


async def test_where_no_message_can_be_changed_a_look_ends_and_all_are_done_later(
    muster: Runtime, load: Load, owner: Connection
) -> None:
    def lines(day: int) -> list[str]:
        return [f"{n},Ann,+4477009000{n},,,,2026-11-{day} 14:30" for n in range(10, 70)]

    await load(*lines(25))
    await launched(muster)
    async with connected(muster) as db:
        await owner.execute(
            "create function stuck() returns trigger language plpgsql as $$ begin raise exception 'stuck'; end $$;"
            "create trigger stuck before update on message for each row execute function stuck()"
        )
        await load(*lines(26))
        assert await follow_dates(muster) == 0
        title = await db.fetchval("select title from alert where resolved_at is null")
        assert "Nothing could be done for 60 people, such as number 10." in title
        await owner.execute("drop trigger stuck on message")
    assert await follow_dates(muster) == 60


async def test_numbers_that_are_swapped_or_passed_on_ring_their_new_owners(muster: Runtime, load: Load) -> None:
    await load(
        "new-owner,Bob,+447700900002,b@x.test,,,2026-11-25 16:00", f"ann,Ann,{OLD},a@x.test,,,2026-11-25 14:30",
        "cat,Cat,+447700900003,c@x.test,,,2026-11-25 16:00", "dan,Dan,+447700900004,d@x.test,,,2026-11-25 16:00",
    )  # fmt: skip
    await launched(muster)
    await load(
        f"new-owner,Bob,{OLD},b@x.test,,,2026-11-25 16:00", f"ann,Ann,{NEW},a@x.test,,,2026-11-25 14:30",
        "cat,Cat,+447700900004,c@x.test,,,2026-11-25 16:00", "dan,Dan,+447700900003,d@x.test,,,2026-11-25 16:00",
        "comes,Eve,+447700900002,e@x.test,,,2026-11-25 16:00",
    )  # fmt: skip
    assert await follow_dates(muster) == 5
    async with connected(muster) as db:
        found = {member: (row["state"], row["address"]) for member, row in (await rows(db)).items()}
    assert found == {
        "new-owner": ("queued", OLD), "ann": ("queued", NEW), "cat": ("queued", "+447700900004"),
        "dan": ("queued", "+447700900003"), "comes": ("queued", "+447700900002"),
    }  # fmt: skip


async def queue(db: Connection) -> DueQueue:
    row = await db.fetchrow("select * from step order by step_id limit 1")
    assert row is not None
    return DueQueue(row["step_id"], "sms", 0, row["sms_sender_id"], None)
