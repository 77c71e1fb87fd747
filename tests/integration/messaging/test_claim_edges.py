"""Edges of the claim: what is not due, what was taken before, what has changed before it is handed back or recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.db import Connection
from messaging.outbox.claim import QueuePlace, claim, due_queues, hand_back
from messaging.outbox.counts import count_differences
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.reasons import Reason
from messaging.states import State
from tests.support.outbox_rows import NOON, add_messages, add_step, dispatcher, message, put_in_flight

NUMBERS = [f"+4477009{n:05}" for n in range(4)]
MAILBOXES = ["ann@mail.example.org", "bob@mail.example.org"]


async def test_only_queues_of_the_wanted_channels_are_due(db: Connection) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", NUMBERS)
    await add_messages(db, step, "email", MAILBOXES, first_person=10)
    assert [due.channel for due in await due_queues(db, ["sms"], NOON)] == ["sms"]
    assert [due.channel for due in await due_queues(db, ["email"], NOON)] == ["email"]
    assert await due_queues(db, [], NOON) == []


async def test_a_queue_is_not_due_for_a_worker_that_has_been_at_its_end(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS)
    queue_id = step.due("sms").queue_id
    (last,) = await db.fetch(
        "select not_before, message_id from queue order by not_before desc, message_id desc limit 1"
    )
    assert await due_queues(db, ["sms"], NOON, {queue_id: QueuePlace(last["not_before"], ids[-2])}) != []
    assert await due_queues(db, ["sms"], NOON, {queue_id: QueuePlace(last["not_before"], ids[-1])}) == []


async def test_what_waits_is_not_taken(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS)
    await db.execute("update queue set not_before = $1 where message_id = $2", NOON + timedelta(seconds=1), ids[1])
    worker = await dispatcher(db)
    taken = await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=worker)
    assert [claimed.message_id for claimed in taken.messages] == [ids[0], *ids[2:]]
    assert await db.fetchval("select message_id from queue") == ids[1]


async def test_a_claim_goes_on_behind_the_place_where_the_last_one_ended(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS)
    worker = await dispatcher(db)
    place = QueuePlace(await db.fetchval("select not_before from queue where message_id = $1", ids[1]), ids[1])
    taken = await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=worker, after=place)
    assert [claimed.message_id for claimed in taken.messages] == ids[2:]


async def test_what_has_ended_meanwhile_is_not_handed_back(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS)
    worker = await dispatcher(db)
    taken = (await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=worker)).messages
    await db.execute("update message set state = 'delivered' where message_id = $1", ids[0])
    assert await hand_back(db, taken) == 3
    assert {row["message_id"] for row in await db.fetch("select message_id from queue")} == {*ids[1:]}
    assert await db.fetchval("select count(*) from in_flight") == 0


async def test_an_older_attempt_does_not_go_on_the_wire(db: Connection) -> None:
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=await dispatcher(db))
    await db.execute("update in_flight set attempt = 2")
    for ordinary in (True, False):
        stopped = [] if ordinary else [Outcome(0, 1, State.FAILED, reason=Reason.CANNOT_RENDER)]
        assert (
            await record_outcomes(db, stopped, [Intent(only, 1, None, None, "twilio")], source="twilio", now=NOON) == {}
        )
    assert await db.fetchval("select wire_at from in_flight") is None
    await record_outcomes(db, [], [Intent(only, 2, None, None, "twilio")], source="twilio", now=NOON)
    assert await db.fetchval("select wire_at from in_flight") is not None


@pytest.mark.parametrize("state", ["cancelled", "delivered"])
async def test_an_acceptance_of_what_ended_on_the_wire_is_counted_as_what_it_is(db: Connection, state: str) -> None:
    """A web server of the version before withdraws messages that are on the wire."""
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    await put_in_flight(db, only, wire_at=NOON)
    await db.execute("update in_flight set provider = 'twilio'")
    await db.execute("update message set state = $1::message_state where message_id = $2", state, only)
    accepted = Outcome(only, 1, State.ACCEPTED, code="201 queued", provider_id="SM1", segments=1)
    await record_outcomes(db, [accepted], [], source="twilio", now=NOON)
    assert (await message(db, only))["state"] == state
    assert await count_differences(db) == []
