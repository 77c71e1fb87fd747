"""Sums of messages: what the statements add to them is what counting again finds, and compacting changes none."""

import pytest

from core.db import Connection
from core.runtime import Runtime
from messaging.goals import meet_goal
from messaging.outbox import counts
from messaging.outbox.claim import claim, hand_back
from messaging.outbox.counts import ChannelCounts, compact_counts, count_differences, step_counts
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.outbox.reconcile import reconcile
from messaging.outbox.steps import cancel_steps
from messaging.reasons import Reason
from messaging.states import State
from messaging.suppression import suppress
from tests.support.outbox_rows import NOON, add_messages, add_step, dispatcher, lose_outcomes, states

NUMBERS = [f"+4477009{n:05}" for n in range(12)]


async def test_sums_are_what_counting_again_finds(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS)
    taken = await claim(db, step.due("sms"), limit=10, now=NOON, dispatcher_id=await dispatcher(db))
    assert (await step_counts(db, step.campaign_id))[0].counts == {State.QUEUED: 2, State.SENDING: 10}
    intents = [Intent(message.message_id, message.attempt, None, None, "twilio") for message in taken.messages[:8]]
    await record_outcomes(db, [], intents, source="twilio", now=NOON)
    accepted = [Outcome(ids[n], 1, State.ACCEPTED, provider_id=f"SM{n}", segments=2) for n in range(5)]
    await record_outcomes(db, accepted, [], source="twilio", now=NOON)
    others = [
        Outcome(ids[5], 1, State.FAILED, Reason.RECIPIENT_REFUSED, "21610"),
        Outcome(ids[6], 1, State.QUEUED, Reason.BUSY, "20429", delay=60.0),
    ]
    await record_outcomes(db, others, [], source="twilio", now=NOON)
    await hand_back(db, taken.messages[8:9])
    await lose_outcomes(db)
    await apply_receipts(db, [Receipt(ids[0], "SM0", State.DELIVERED, "twilio", None, NOON)])
    await meet_goal(db, step.goal_id, 11, source="link")
    await suppress(db, channel="sms", address=NUMBERS[11], reason="opted_out", source="link")
    assert await count_differences(db) == []
    monkeypatch.setattr(counts, "MIN_COMPACTED", 2)
    assert await compact_counts(db) > 0
    assert await count_differences(db) == []
    assert (await step_counts(db, step.campaign_id))[0].counts == await states(db, step)


async def test_sums_hold_where_a_message_had_waited_and_where_its_receipt_came_first(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS[:3])
    await db.execute("update message set reason = 'quiet_hours' where message_id = $1", ids[0])
    taken = await claim(db, step.due("sms"), limit=10, now=NOON, dispatcher_id=await dispatcher(db))
    intents = [Intent(message.message_id, message.attempt, None, None, "twilio") for message in taken.messages]
    await record_outcomes(db, [], intents, source="twilio", now=NOON)
    await apply_receipts(db, [Receipt(ids[1], "SM1", State.DELIVERED, "twilio", None, NOON)])
    accepted = [Outcome(ids[n], 1, State.ACCEPTED, code="201", provider_id=f"SM{n}", segments=2) for n in range(3)]
    await record_outcomes(db, accepted, [], source="twilio", now=NOON)
    assert await count_differences(db) == []
    (counted,) = await step_counts(db, step.campaign_id)
    assert counted.counts == await states(db, step) == {State.ACCEPTED: 2, State.DELIVERED: 1}
    assert (counted.reasons, counted.segments) == ({}, 6)
    await apply_receipts(db, [Receipt(None, f"SM{n}", State.DELIVERED, "twilio", None, NOON) for n in range(3)])
    assert await states(db, step) == {"delivered": 3}
    assert await count_differences(db) == []


async def test_counting_again_finds_what_a_sum_lacks(db: Connection) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", NUMBERS[:3])
    await db.execute("delete from message_count")
    (missing,) = await count_differences(db)
    assert (missing["step_id"], missing["state"], missing["n"]) == (step.step_id, "queued", 3)
    assert await counts.mend_recent(db) == 1
    assert await count_differences(db) == []
    assert await counts.mend_recent(db) == 0


async def test_a_sum_that_is_too_low_finishes_no_step_and_one_too_high_is_mended(
    db: Connection, runtime: Runtime
) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", NUMBERS[:3])
    await db.execute("delete from message_count")
    assert (await reconcile(runtime, dispatcher_id=None)).finished == 0
    taken = await claim(db, step.due("sms"), limit=10, now=NOON, dispatcher_id=await dispatcher(db))
    assert (await reconcile(runtime, dispatcher_id=None)).finished == 0
    intents = [Intent(message.message_id, message.attempt, None, None, "twilio") for message in taken.messages]
    await record_outcomes(db, [], intents, source="twilio", now=NOON)
    accepted = [Outcome(message.message_id, 1, State.ACCEPTED, code="201 queued") for message in taken.messages]
    await record_outcomes(db, accepted, [], source="twilio", now=NOON)
    await db.execute(
        "insert into message_count"
        " select step_id, sender_id, channel, 'queued', null, at, 0, 9, 0, 0 from message_count"
    )
    assert (await reconcile(runtime, dispatcher_id=None)).finished == 0
    assert await counts.mend_stuck(db) > 0
    assert await count_differences(db) == []
    assert (await reconcile(runtime, dispatcher_id=None)).finished == 1


async def test_a_cancelled_step_reads_as_withdrawn_before_all_of_it_is(db: Connection, runtime: Runtime) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "email", [f"m{n}@mail.example.org" for n in range(5_012)])
    await db.execute("update message set reason = 'quiet_hours' where message_id = any ($1)", ids[-2:])
    await claim(db, step.due("email"), limit=2, now=NOON, dispatcher_id=await dispatcher(db))
    assert await cancel_steps(db, step.campaign_id) == 5_010
    assert await db.fetchval("select count(*) from queue") == 10
    for _ in range(2):
        (counted,) = await step_counts(db, step.campaign_id)
        assert counted.counts == {State.SENDING: 2, State.CANCELLED: 5_010}
        assert counted.reasons == {Reason.CAMPAIGN_CANCELLED: 5_010}
        assert counted.channels == {"email": ChannelCounts({State.SENDING: 2, State.CANCELLED: 5_010}, 0)}
        await reconcile(runtime, dispatcher_id=None)
    assert (await states(db, step))["cancelled"] == 5_010
    assert await count_differences(db) == []
