"""Receipts in the database: late, repeated, shuffled, early, unknown, and what their reasons set off."""

from datetime import UTC, datetime
from itertools import permutations

import pytest

from core.alerts import open_alerts
from core.db import Connection
from messaging.outbox.outcomes import Outcome, record_outcomes
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.outbox.senders import resume_sender
from messaging.reasons import Reason
from messaging.states import State
from messaging.suppression import active_suppressions
from muster.operator import operator
from tests.support.outbox_rows import (
    NOON,
    add_messages,
    add_step,
    events,
    message,
    put_in_flight,
    states,
)

NUMBER = "+447700900001"


def receipt(state: State, message_id: int | None = None, provider_id: str | None = "SM1", **more: object) -> Receipt:
    return Receipt(message_id, provider_id, state, "twilio", None, datetime.now(UTC), **more)  # type: ignore[arg-type]


async def sent(
    db: Connection, state: str = "accepted", channel: str = "sms", address: str = NUMBER, *, campaign_id: int = 1
) -> int:
    step = await add_step(db, campaign_id=campaign_id)
    (only,) = await add_messages(db, step, channel, [address])
    await db.execute(
        "update message set state = $2, attempt = 1, provider_id = 'SM1', sent_at = now() where message_id = $1",
        only,
        state,
    )
    return only


@pytest.mark.parametrize("order", list(permutations([State.ACCEPTED, State.SENT, State.DELIVERED])))
async def test_shuffled_and_tripled_receipts_end_delivered(db: Connection, order: tuple[State, ...]) -> None:
    only = await sent(db)
    for state in order * 3:
        await apply_receipts(db, [receipt(state)])
    assert (await message(db, only))["state"] == "delivered"
    events_seen = [state for state, source, _ in await events(db, only) if source == "twilio"]
    assert len(events_seen) == 9
    places = [list(State).index(State(state)) for state in events_seen if state]
    assert places == sorted(places)


async def test_a_receipt_that_changes_nothing_is_recorded(db: Connection) -> None:
    only = await sent(db, "delivered")
    (applied,) = await apply_receipts(db, [receipt(State.SENT)])
    assert (applied.message_id, applied.moved, applied.state) == (only, False, State.DELIVERED)
    event = await db.fetchrow("select state, detail from message_event order by event_id desc limit 1")
    assert event is not None
    assert (event["state"], event["detail"]) == (None, {"said": "sent"})


async def test_one_batch_may_hold_many_receipts_of_one_message(db: Connection) -> None:
    only = await sent(db)
    applied = await apply_receipts(db, [receipt(State.DELIVERED), receipt(State.SENT), receipt(State.READ, only)])
    assert [applied_receipt.moved for applied_receipt in applied] == [True, False, True]
    assert (await message(db, only))["state"] == "read"


async def test_a_receipt_may_come_before_the_request_returned(db: Connection) -> None:
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", [NUMBER])
    await put_in_flight(db, only, wire_at=NOON)
    (applied,) = await apply_receipts(db, [receipt(State.SENT, only)])
    assert applied.moved
    row = await message(db, only)
    assert (row["state"], row["provider_id"]) == ("sent", "SM1")
    accepted = Outcome(only, 1, State.ACCEPTED, code="201 queued", provider_id="SM1", segments=2)
    await record_outcomes(db, [accepted], [], source="twilio", now=NOON)
    row = await message(db, only)
    assert (row["state"], row["provider_id"]) == ("sent", "SM1")


async def test_a_receipt_proves_that_a_message_thought_lost_had_left(db: Connection) -> None:
    for campaign_id, state in enumerate(("ambiguous", "queued", "cancelled")):
        only = await sent(db, state, campaign_id=campaign_id)
        await apply_receipts(db, [receipt(State.DELIVERED, only)])
        assert (await message(db, only))["state"] == "delivered"
        await db.execute("update message set provider_id = null")


async def test_a_receipt_of_an_unknown_message_is_reported_as_such(db: Connection) -> None:
    (applied,) = await apply_receipts(db, [receipt(State.SENT, provider_id="SM-nobody")])
    assert (applied.message_id, applied.moved) == (None, False)
    assert await apply_receipts(db, []) == []


async def test_a_dead_number_is_suppressed_with_the_receipt(db: Connection) -> None:
    only = await sent(db)
    other = await add_step(db, campaign_id=2)
    await add_messages(db, other, "sms", [NUMBER])
    await apply_receipts(db, [receipt(State.UNDELIVERED, reason=Reason.INVALID_NUMBER)])
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("undelivered", "invalid_number")
    (suppression,) = await active_suppressions(db, channel="sms", address=NUMBER)
    assert suppression.reason == "invalid_number"
    assert await states(db, other) == {"suppressed": 1}


async def test_a_delivered_email_that_bounces_is_bounced(db: Connection) -> None:
    only = await sent(db, "delivered", "email", "a@x.test")
    await apply_receipts(db, [receipt(State.BOUNCED, only, None, reason=Reason.HARD_BOUNCED)])
    assert (await message(db, only))["state"] == "bounced"
    assert await active_suppressions(db, channel="email", address="a@x.test")


async def test_filtering_networks_stop_the_sender_until_staff_resume_it(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", [f"+4477009001{n:02}" for n in range(40)])
    await db.execute("update message set state = 'accepted', sent_at = now() where message_id <= $1", ids[29])
    for message_id in ids[:9]:
        await apply_receipts(db, [receipt(State.UNDELIVERED, message_id, None, reason=Reason.FILTERED)])
    assert await open_alerts(db) == []
    await apply_receipts(db, [receipt(State.UNDELIVERED, ids[9], None, reason=Reason.FILTERED)])
    (alert,) = await open_alerts(db)
    assert alert.key == f"sender:{step.senders['sms']}"
    assert alert.severity == "error"
    assert "10 of the last 30 messages" in alert.title
    assert await db.fetchval("select paused_reason from sender where sender_id = $1", step.senders["sms"])
    assert (
        await resume_sender(db, step.senders["sms"], now=NOON, actor=operator("staff")) == 0
    )  # what was filtered is not sent again
    assert await open_alerts(db) == []
    await apply_receipts(db, [receipt(State.UNDELIVERED, ids[10], None, reason=Reason.FILTERED)])
    assert await open_alerts(db) == []  # it counts anew


async def test_bad_numbers_never_stop_a_sender(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", [f"+4477009001{n:02}" for n in range(30)])
    await db.execute("update message set state = 'accepted', sent_at = now()")
    await apply_receipts(
        db, [receipt(State.UNDELIVERED, message_id, None, reason=Reason.INVALID_NUMBER) for message_id in ids]
    )
    assert await open_alerts(db) == []
    assert await states(db, step) == {"undelivered": 30}
