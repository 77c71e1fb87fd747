"""Receipts beside workers that claim, send or return the same message: what the provider says counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.claim import claim, hand_back
from messaging.outbox.outcomes import Outcome, record_outcomes
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.reasons import Reason
from messaging.states import State
from tests.support.outbox_rows import NOON, Step, add_messages, add_step, dispatcher, events, message, put_in_flight
from tests.support.waiting import until

NUMBER = "+447700900001"


def receipt(state: State, message_id: int, **more: object) -> Receipt:
    return Receipt(message_id, "SM1", state, "twilio", None, datetime.now(UTC), **more)  # type: ignore[arg-type]


async def second_try(db: Connection, step: Step) -> int:
    """A text whose first try came back, and whose second one is due."""
    (only,) = await add_messages(db, step, "sms", [NUMBER])
    await put_in_flight(db, only, wire_at=NOON)
    accepted = Outcome(only, 1, State.ACCEPTED, code="201 queued", provider_id="SM1", segments=1)
    await record_outcomes(db, [accepted], [], source="twilio", now=NOON)
    await apply_receipts(db, [receipt(State.UNDELIVERED, only, reason=Reason.UNREACHABLE, again=2)])
    await db.execute("update queue set not_before = $1", NOON - timedelta(minutes=1))
    return only


async def places(db: Connection, message_id: int) -> tuple[int, int]:
    """How often a message is in the queue, and in flight."""
    row = await db.fetchrow(
        "select (select count(*) from queue q where q.message_id = m.message_id),"
        " (select count(*) from in_flight f where f.message_id = m.message_id) from message m where m.message_id = $1",
        message_id,
    )
    assert row is not None
    return (row[0], row[1])


@pytest.mark.parametrize("stop", ["quiet hours", "deadline", "goal met"])
async def test_a_message_that_arrives_while_it_is_claimed_has_arrived(runtime: Runtime, stop: str) -> None:
    async with runtime.pool.acquire() as db, runtime.pool.acquire() as other, runtime.pool.acquire() as watching:
        step = await add_step(db)
        only = await second_try(db, step)
        if stop == "quiet hours":
            await db.execute("update step set quiet_from = '00:00', quiet_until = '23:59'")
        elif stop == "deadline":
            await db.execute("update step set send_before = $1", NOON)
        else:
            await db.execute("insert into goal_met (goal_id, person_id) select goal_id, person_id from step, message")
        worker = await dispatcher(db)
        arriving = other.transaction()
        await arriving.start()
        await other.execute("select from message where message_id = $1 for update", only)
        claiming = asyncio.create_task(claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=worker))

        async def waits() -> bool:
            return (
                bool(await watching.fetchval("select exists (select from pg_locks where not granted)"))
                or claiming.done()
            )

        await until(waits)
        await apply_receipts(other, [receipt(State.DELIVERED, only)])
        await arriving.commit()
        await claiming
        assert (await message(db, only))["state"] == "delivered"
        assert [state for state, _, _ in await events(db, only)][-1] == "delivered"
        later = datetime.now(UTC) + timedelta(days=2)
        claimed = await claim(db, step.due("sms"), limit=9, now=later, dispatcher_id=worker)
        assert not claimed.messages


@pytest.mark.parametrize("place", ["queue", "in flight", "on the wire"])
async def test_a_try_that_ends_while_the_next_is_under_way_leaves_one_message_to_send(
    db: Connection, place: str
) -> None:
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", [NUMBER])
    worker = await dispatcher(db)
    if place != "queue":
        await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=worker)
    if place == "on the wire":
        await db.execute("update in_flight set wire_at = $1, provider = 'twilio'", NOON)
    again = receipt(State.UNDELIVERED, only, reason=Reason.UNREACHABLE, again=2)
    await apply_receipts(db, [receipt(State.SENT, only), again])
    assert (await places(db, only))[0] == 1
    if place != "queue":
        late = Outcome(only, 1, State.ACCEPTED, code="201 queued", provider_id="SM1", segments=1)
        await record_outcomes(db, [late], [], source="twilio", now=NOON)
    assert ((await message(db, only))["state"], await places(db, only)) == ("queued", (1, 0))
    later = datetime.now(UTC) + timedelta(days=2)
    (claimed,) = (await claim(db, step.due("sms"), limit=9, now=later, dispatcher_id=worker)).messages
    assert claimed.message_id == only
    assert claimed.attempt > 1


async def test_what_is_handed_back_after_its_next_try_was_queued_is_there_once(db: Connection) -> None:
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", [NUMBER])
    worker = await dispatcher(db)
    (claimed,) = (await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=worker)).messages
    again = receipt(State.UNDELIVERED, only, reason=Reason.UNREACHABLE, again=2)
    await apply_receipts(db, [receipt(State.SENT, only), again])
    await hand_back(db, [claimed])
    assert ((await message(db, only))["state"], await places(db, only)) == ("queued", (1, 0))


async def test_a_row_that_a_claim_kept_from_a_receipt_is_dropped_by_the_next_claim(db: Connection) -> None:
    step = await add_step(db)
    only = await second_try(db, step)
    await db.execute("create temporary table kept as select * from queue")
    await apply_receipts(db, [receipt(State.DELIVERED, only)])
    await db.execute("insert into queue select * from kept")
    claimed = await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=await dispatcher(db))
    assert not claimed.messages
    assert ((await message(db, only))["state"], await places(db, only)) == ("delivered", (0, 0))
