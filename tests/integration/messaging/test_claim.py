"""Claims: fenced, fair, and checked for eligibility."""

from datetime import datetime, time, timedelta
from typing import Any

import asyncpg
import pytest

from core.db import Connection, Pool
from messaging.goals import meet_goal
from messaging.outbox.claim import claim, due_queues, hand_back
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.steps import cancel_steps, pause_steps, resume_steps
from messaging.states import State
from messaging.suppression import suppress
from tests.support.outbox_rows import (
    NOON,
    Step,
    add_messages,
    add_step,
    agree,
    dispatcher,
    events,
    later,
    lose_outcomes,
    message,
    states,
)

NUMBERS = [f"+4477009{n:05}" for n in range(20)]


async def take(
    db: Connection, step: Step, *, channel: str = "sms", now: datetime = NOON, limit: int = 100
) -> list[int]:
    taken = await claim(db, step.due(channel), limit=limit, now=now, dispatcher_id=await dispatcher(db))
    return [message.message_id for message in taken.messages]


async def test_a_claim_names_the_worker_and_numbers_the_attempt(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS[:3])
    assert await take(db, step, limit=2) == ids[:2]
    row = await message(db, ids[0])
    assert (row["state"], row["attempt"], row["wire_at"]) == ("sending", 1, None)
    assert await db.fetchval("select name from dispatcher where dispatcher_id = $1", row["dispatcher_id"]) == "w1"
    assert await events(db, ids[0]) == [("queued", "launch", None), ("sending", "worker", None)]
    assert await take(db, step) == ids[2:]
    assert await take(db, step) == []


async def test_two_claims_at_once_share_no_message(pool: Pool, db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS)
    async with pool.acquire() as other, db.transaction(), other.transaction():
        mine = await take(db, step, limit=12)
        theirs = await take(other, step, limit=12)
    assert sorted(mine + theirs) == ids
    assert not set(mine) & set(theirs)


async def test_a_person_who_answered_gets_no_message(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS[:2])
    await db.execute("insert into goal_met (goal_id, person_id) values ($1, 1)", step.goal_id)
    assert await take(db, step) == ids[1:]
    row = await message(db, ids[0])
    assert (row["state"], row["reason"]) == ("cancelled", "answered")
    assert (await events(db, ids[0]))[-1] == ("cancelled", "worker", "answered")


@pytest.mark.parametrize(("channel", "address", "purpose", "stopped"), [
    ("sms", NUMBERS[0], "all", True),
    ("sms", NUMBERS[0], "marketing", False),
    ("email", NUMBERS[0], "all", False),
    ("person", "1", "all", True),
    ("person", "2", "all", False),
])  # fmt: skip
async def test_suppressions_are_checked_by_address_person_and_purpose(
    db: Connection, channel: str, address: str, purpose: str, *, stopped: bool
) -> None:
    await suppress(db, channel=channel, address=address, purpose=purpose, reason="opted_out", source="test")  # type: ignore[arg-type]
    step = await add_step(db)  # a service message
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    assert await take(db, step) == ([] if stopped else [only])
    row = await message(db, only)
    assert (row["state"], row["reason"]) == (("suppressed", "opted_out") if stopped else ("sending", None))


async def test_marketing_stops_at_either_suppression(db: Connection) -> None:
    await suppress(db, channel="sms", address=NUMBERS[0], purpose="marketing", reason="opted_out", source="test")
    await suppress(db, channel="sms", address=NUMBERS[1], reason="complained", source="test")
    step = await add_step(db, purpose="marketing")
    await add_messages(db, step, "sms", NUMBERS[:3])
    await agree(db, 1, 2, 3)
    assert len(await take(db, step)) == 1
    assert await states(db, step) == {"suppressed": 2, "sending": 1}


async def test_after_its_deadline_a_message_expires(db: Connection) -> None:
    step = await add_step(db, send_before=later(hours=1))
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    assert await take(db, step, now=later(hours=1)) == []
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("expired", "past_deadline")


@pytest.mark.parametrize(("now", "zone", "opens"), [
    # a quiet time that spans midnight, in winter
    ("2026-11-22T20:30Z", "Europe/London", "2026-11-23T08:00Z"),
    ("2026-11-23T03:00Z", "Europe/London", "2026-11-23T08:00Z"),
    ("2026-11-23T07:59Z", "Europe/London", "2026-11-23T08:00Z"),
    ("2026-11-23T08:00Z", "Europe/London", None),
    ("2026-11-22T19:59Z", "Europe/London", None),
    # where the recipient is counts, not where we are
    ("2026-11-22T19:30Z", "Europe/Berlin", "2026-11-23T07:00Z"),
    ("2026-11-22T12:00Z", "Asia/Tokyo", "2026-11-22T23:00Z"),
    ("2026-11-22T12:00Z", "America/New_York", "2026-11-22T13:00Z"),
    # summer time begins in the night of 29 March 2026 and ends in the night of 25 October
    ("2026-03-28T21:00Z", "Europe/London", "2026-03-29T07:00Z"),
    ("2026-10-24T20:00Z", "Europe/London", "2026-10-25T08:00Z"),
])  # fmt: skip
async def test_quiet_hours_follow_the_recipients_clock(db: Connection, now: str, zone: str, opens: str | None) -> None:
    step = await add_step(db, quiet_from=time(20), quiet_until=time(8))
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1], time_zone=zone)
    at = datetime.fromisoformat(now)
    assert await take(db, step, now=at) == ([only] if opens is None else [])
    if opens is None:
        return
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("queued", "quiet_hours")
    assert row["not_before"] == datetime.fromisoformat(opens)
    assert (await events(db, only))[-1] == (None, "worker", "quiet_hours")
    assert await take(db, step, now=row["not_before"] - timedelta(seconds=1)) == []
    assert await take(db, step, now=row["not_before"]) == [only]


@pytest.mark.parametrize(("now", "opens"), [
    # 01:30 does not exist on 29 March: it opens when the clocks have gone forward
    ("2026-03-29T00:15Z", "2026-03-29T01:00Z"),
    # on 25 October 01:10 comes twice, and is quiet both times
    ("2026-10-25T00:10Z", "2026-10-25T01:30Z"),
    ("2026-10-25T01:10Z", "2026-10-25T01:30Z"),
])  # fmt: skip
async def test_quiet_hours_that_end_while_the_clocks_change_still_end(db: Connection, now: str, opens: str) -> None:
    step = await add_step(db, quiet_from=time(20), quiet_until=time(1, 30))
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    assert await take(db, step, now=datetime.fromisoformat(now)) == []
    assert (await message(db, only))["not_before"] == datetime.fromisoformat(opens)
    assert await take(db, step, now=datetime.fromisoformat(opens)) == [only]


async def test_quiet_hours_may_lie_within_one_day(db: Connection) -> None:
    step = await add_step(db, quiet_from=time(11), quiet_until=time(14))
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    assert await take(db, step) == []
    assert (await message(db, only))["not_before"] == later(hours=2)
    assert await take(db, step, now=later(hours=2)) == [only]


async def test_a_deadline_within_the_quiet_time_comes_first(db: Connection) -> None:
    step = await add_step(db, quiet_from=time(11), quiet_until=time(14), send_before=later(hours=1))
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    assert await take(db, step) == []
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("expired", "past_deadline")


async def test_a_step_that_is_not_running_gives_no_messages(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS[:2])
    await pause_steps(db, step.campaign_id, "a look")
    assert await take(db, step) == []
    assert await due_queues(db, ["sms"], NOON) == []
    await resume_steps(db, step.campaign_id)
    assert await take(db, step) == ids


async def test_queues_are_listed_by_priority_and_only_where_messages_are_due(db: Connection) -> None:
    bulk = await add_step(db)
    urgent = await add_step(db, campaign_id=2, priority=9)
    await add_step(db, campaign_id=3)  # nothing in it
    await add_messages(db, bulk, "sms", NUMBERS[:1])
    await add_messages(db, bulk, "email", ["a@x.test"], first_person=2)
    await add_messages(db, urgent, "sms", NUMBERS[:1])
    queues = await due_queues(db, ["sms", "email"], NOON)
    assert [(step.step_id, step.channel) for step in queues] == [
        (urgent.step_id, "sms"), (bulk.step_id, "email"), (bulk.step_id, "sms")
    ]  # fmt: skip
    await db.execute("update sender set paused_reason = 'x' where channel = 'sms'")
    assert [(step.step_id, step.channel) for step in await due_queues(db, ["sms", "email"], NOON)] == [
        (bulk.step_id, "email")
    ]


async def test_an_unsent_message_is_handed_back_as_if_never_claimed(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", NUMBERS[:2])
    taken = (await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=await dispatcher(db))).messages
    assert await hand_back(db, taken) == 2
    assert await states(db, step) == {"queued": 2}
    assert (await events(db, ids[0]))[-1] == ("queued", "worker", "handed_back")
    assert await hand_back(db, taken) == 0
    assert await take(db, step) == ids


# the last look, and the fence


async def mark(db: Connection, message_id: int, attempt: int = 1, *, now: datetime = NOON) -> State | None:
    intents = [Intent(message_id, attempt, b"c" * 15 + bytes([message_id]), None)]
    return (await record_outcomes(db, [], intents, source="test", now=now)).get(message_id)


async def accept(db: Connection, message_id: int, attempt: int, provider_id: str) -> None:
    outcome_of = Outcome(message_id, attempt, State.ACCEPTED, code="201 queued", provider_id=provider_id, segments=1)
    await record_outcomes(db, [outcome_of], [], source="twilio", now=NOON)


async def claimed(db: Connection, **columns: Any) -> tuple[Step, int]:
    step = await add_step(db, **columns)
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    assert await take(db, step) == [only]
    return step, only


async def test_a_message_with_an_intent_may_go_and_its_link_works(db: Connection) -> None:
    _, only = await claimed(db)
    assert await mark(db, only) is State.SENDING
    assert (await message(db, only))["wire_at"] is not None
    assert await db.fetchval("select action from link where message_id = $1", only) == "confirm"
    assert await mark(db, only) is State.SENDING  # said again, after the first answer was lost
    assert await db.fetchval("select count(*) from link") == 1


async def test_an_answer_after_the_claim_stops_the_message(db: Connection) -> None:
    step, only = await claimed(db)
    assert await meet_goal(db, step.goal_id, 1, source="link") == 0  # nothing queued any more
    assert await mark(db, only) is State.CANCELLED
    row = await message(db, only)
    assert (row["state"], row["reason"], row["wire_at"]) == ("cancelled", "answered", None)
    assert await db.fetchval("select count(*) from link") == 0


async def test_an_opt_out_after_the_claim_stops_the_message(db: Connection) -> None:
    _, only = await claimed(db)
    await suppress(db, channel="sms", address=NUMBERS[0], reason="opted_out", source="sms_reply")
    assert await mark(db, only) is State.SUPPRESSED
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("suppressed", "opted_out")
    assert (await events(db, only))[-1] == ("suppressed", "worker", "opted_out")


async def test_a_death_after_the_claim_stops_the_message(db: Connection) -> None:
    _, only = await claimed(db)
    await suppress(db, channel="person", address="1", reason="deceased", source="rep")
    assert await mark(db, only) is State.SUPPRESSED


async def test_a_pause_after_the_claim_puts_the_message_back(db: Connection) -> None:
    step, only = await claimed(db)
    await pause_steps(db, step.campaign_id, "a look")
    assert await mark(db, only) is State.QUEUED
    assert (await message(db, only))["wire_at"] is None


async def test_a_cancellation_after_the_claim_withdraws_the_message(db: Connection) -> None:
    step, only = await claimed(db)
    await cancel_steps(db, step.campaign_id)
    assert await mark(db, only) is State.CANCELLED
    assert (await message(db, only))["reason"] == "campaign_cancelled"


async def test_a_stopped_sender_after_the_claim_puts_the_message_back(db: Connection) -> None:
    step, only = await claimed(db)
    await db.execute("update sender set paused_reason = 'refused' where sender_id = $1", step.senders["sms"])
    assert await mark(db, only) is State.QUEUED


async def test_a_deadline_that_passes_after_the_claim_expires_the_message(db: Connection) -> None:
    _, only = await claimed(db, send_before=later(minutes=1))
    assert await mark(db, only, now=later(minutes=2)) is State.EXPIRED


async def test_a_lost_worker_sends_nothing(db: Connection) -> None:
    _, only = await claimed(db)
    await db.execute("update dispatcher set gone_at = now()")
    assert await mark(db, only) is None


async def test_a_worker_taken_for_lost_overwrites_nothing(db: Connection) -> None:
    step, only = await claimed(db)
    assert await mark(db, only, 1) is State.SENDING
    await lose_outcomes(db)
    await db.execute("update message set state = 'queued', wire_at = null")  # as reconciliation settles it
    assert await take(db, step) == [only]  # attempt 2, another worker's
    await accept(db, only, 1, "SM-lost")
    row = await message(db, only)
    assert (row["state"], row["attempt"], row["provider_id"]) == ("sending", 2, None)
    assert await mark(db, only, 1) is None
    assert await mark(db, only, 2) is State.SENDING
    await accept(db, only, 2, "SM-new")
    row = await message(db, only)
    assert (row["state"], row["provider_id"]) == ("accepted", "SM-new")


async def test_a_late_outcome_settles_an_unknown_one(db: Connection) -> None:
    _, only = await claimed(db)
    await mark(db, only)
    await lose_outcomes(db)
    await accept(db, only, 1, "SM1")
    row = await message(db, only)
    assert (row["state"], row["reason"], row["provider_id"]) == ("accepted", None, "SM1")


async def test_a_late_outcome_stops_the_second_try_that_has_not_begun(db: Connection) -> None:
    step, only = await claimed(db)
    await mark(db, only)
    await lose_outcomes(db)
    await db.execute("update message set state = 'queued', wire_at = null")
    await accept(db, only, 1, "SM1")
    assert (await message(db, only))["state"] == "accepted"
    assert await take(db, step) == []


async def test_an_outcome_written_twice_is_recorded_once(db: Connection) -> None:
    _, only = await claimed(db)
    await mark(db, only)
    await accept(db, only, 1, "SM1")
    before = await events(db, only)
    await accept(db, only, 1, "SM1")
    assert await events(db, only) == before
    assert before[-1] == ("accepted", "twilio", "201 queued")


async def test_a_retry_waits_and_clears_its_intent(db: Connection) -> None:
    _, only = await claimed(db)
    await mark(db, only)
    outcome_of = Outcome(only, 1, State.QUEUED, code="20429", delay=60.0)
    await record_outcomes(db, [outcome_of], [], source="twilio", now=NOON)
    row = await message(db, only)
    assert (row["state"], row["wire_at"], row["not_before"]) == ("queued", None, later(minutes=1))


async def test_a_step_or_sender_that_messages_name_cannot_be_deleted(db: Connection) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", NUMBERS[:1])
    for parent in ("step", "sender"):
        with pytest.raises(asyncpg.ForeignKeyViolationError, match=f"a {parent} that messages name"):
            await db.execute("delete from step" if parent == "step" else "delete from sender")
