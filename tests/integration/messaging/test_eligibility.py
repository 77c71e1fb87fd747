"""The edges of the eligibility check, at the claim and before a message leaves: each stops its own, and no other."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from core.db import Connection
from core.frequency_caps import parse_caps
from messaging.goals import create_goal, meet_goal
from messaging.outbox.claim import claim, due_queues, hand_back
from messaging.outbox.outcomes import Intent, record_outcomes
from messaging.states import State
from messaging.suppression import suppress
from tests.support.outbox_rows import NOON, Step, add_messages, add_step, agree, dispatcher, later, message, states

NUMBERS = [f"+4477009{n:05}" for n in range(9)]
ANN, BOB = NUMBERS[:2]


async def take(db: Connection, step: Step, now: datetime = NOON, *, channel: str = "sms", caps: str = "") -> list[int]:
    given = parse_caps(caps) if caps else ()
    taken = await claim(db, step.due(channel), limit=9, now=now, dispatcher_id=await dispatcher(db), caps=given)
    return [message.message_id for message in taken.messages]


async def claimed(db: Connection, **columns: Any) -> tuple[Step, int]:
    """A message to Ann that a worker has just taken."""
    step = await add_step(db, **columns)
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step) == [only]
    return step, only


async def leaves(db: Connection, message_id: int, now: datetime = NOON) -> bool:
    """Tell whether a taken message may go on the wire."""
    recorded = await record_outcomes(db, [], [Intent(message_id, 1, None, None)], source="test", now=now)
    return recorded[message_id] is State.SENDING


# what is due


async def test_a_step_whose_messages_are_all_taken_has_nothing_due(db: Connection) -> None:
    await claimed(db)
    assert await due_queues(db, ["sms", "email"], NOON) == []


async def test_a_channel_takes_its_own_messages_only(db: Connection) -> None:
    step = await add_step(db)
    (text,) = await add_messages(db, step, "sms", [ANN])
    (mail,) = await add_messages(db, step, "email", ["bob@x.test"], first_person=2)
    assert await take(db, step) == [text]
    assert await take(db, step, channel="email") == [mail]


async def test_a_step_takes_its_own_messages_only(db: Connection) -> None:
    _, other = await add_step(db), await add_step(db, campaign_id=2)
    (theirs,) = await add_messages(db, other, "sms", [BOB])
    step, _ = await claimed(db, campaign_id=3)
    assert await take(db, step) == []
    assert await take(db, other) == [theirs]


async def test_the_message_that_waited_longest_is_first(db: Connection) -> None:
    step = await add_step(db)
    late, early = await add_messages(db, step, "sms", [ANN, BOB])
    await db.execute("update queue set not_before = $1 where message_id = $2", later(minutes=-1), late)
    first = await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))
    assert [message.message_id for message in first.messages] == [early]


async def test_only_what_was_never_sent_is_handed_back_and_by_its_worker_alone(db: Connection) -> None:
    step = await add_step(db)
    wired, taken_again = await add_messages(db, step, "sms", [ANN, BOB])
    taken = (await claim(db, step.due("sms"), limit=9, now=NOON, dispatcher_id=await dispatcher(db))).messages
    assert await leaves(db, wired)
    await db.execute("update in_flight set attempt = 2 where message_id = $1", taken_again)  # by another worker
    assert await hand_back(db, taken) == 0
    assert await states(db, step) == {"sending": 2}


async def test_a_postponed_message_has_not_been_tried(db: Connection) -> None:
    step = await add_step(db, window_from=time(14), window_until=time(18))
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step) == []
    assert (await message(db, only))["attempt"] == 0
    assert await take(db, step, later(hours=2)) == [only]
    assert (await message(db, only))["attempt"] == 1


# goals


async def test_an_answer_to_another_goal_stops_nothing(db: Connection) -> None:
    other = await create_goal(db, "another ballot")
    await meet_goal(db, other, 1, source="link")
    _, only = await claimed(db)
    assert await leaves(db, only)


async def test_another_persons_answer_stops_nothing(db: Connection) -> None:
    step, only = await claimed(db)
    await meet_goal(db, step.goal_id, 2, source="link")
    assert await leaves(db, only)


async def test_a_person_who_answered_and_opted_out_counts_as_answered(db: Connection) -> None:
    step = await add_step(db)
    await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
    await db.execute("insert into goal_met (goal_id, person_id) values ($1, 1)", step.goal_id)
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step) == []
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("cancelled", "answered")


# suppression and consent


@pytest.mark.parametrize(("channel", "address", "purpose", "step_purpose", "stopped"), [
    ("sms", ANN, "marketing", "service", False),
    ("sms", ANN, "marketing", "marketing", True),
    ("sms", ANN, "all", "marketing", True),
    ("sms", BOB, "all", "service", False),
    ("email", ANN, "all", "service", False),
    ("person", "1", "marketing", "service", False),
    ("person", "1", "marketing", "marketing", True),
    ("person", "1", "all", "marketing", True),
    ("person", "2", "all", "service", False),
])  # fmt: skip
async def test_a_suppression_stops_its_purpose_before_the_claim_and_after_it(
    db: Connection, channel: str, address: str, purpose: str, step_purpose: str, *, stopped: bool
) -> None:
    await agree(db, 1)
    _, only = await claimed(db, purpose=step_purpose)
    await suppress(db, channel=channel, address=address, purpose=purpose, reason="opted_out", source="test")  # type: ignore[arg-type]
    assert await leaves(db, only) is not stopped
    step = await add_step(db, campaign_id=2, purpose=step_purpose)
    (second,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step) == ([] if stopped else [second])


async def test_consent_is_the_persons_own_and_for_the_channel(db: Connection) -> None:
    await agree(db, 1)
    await agree(db, 1, channel="email")
    _, only = await claimed(db, purpose="marketing")
    await agree(db, 1, action="withdraw", at=later(minutes=1))
    await agree(db, 2)  # somebody else still agrees, and Ann to email
    assert not await leaves(db, only)


# hours


async def test_a_window_of_days_alone_is_kept(db: Connection) -> None:
    step = await add_step(db, window_days=[1])
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step) == [], "it is a Sunday"
    assert (await message(db, only))["not_before"] == later(hours=12)


@pytest.mark.parametrize(("channels", "waiting"), [(None, ["sms", "email"]), (["sms"], ["sms"]), ([], [])])
async def test_quiet_hours_hold_for_their_channels(
    db: Connection, channels: list[str] | None, waiting: list[str]
) -> None:
    step = await add_step(db, quiet_from=time(11), quiet_until=time(14), quiet_channels=channels)
    await add_messages(db, step, "sms", [ANN])
    await add_messages(db, step, "email", ["bob@x.test"], first_person=2)
    assert [channel for channel in ("sms", "email") if not await take(db, step, channel=channel)] == waiting


async def test_a_message_is_sent_before_its_deadline_not_at_it(db: Connection) -> None:
    _, only = await claimed(db, send_before=later(minutes=1))
    assert not await leaves(db, only, later(minutes=1))


# caps


async def had_one(db: Connection, days_ago: float, **columns: Any) -> None:
    """A message that Ann had from another campaign."""
    step = await add_step(db, campaign_id=99, state="finished", **columns)
    await add_messages(db, step, "email", ["ann@x.test"], state="delivered", sent_at=NOON - timedelta(days=days_ago))


async def test_a_cap_counts_what_a_step_sent_that_has_ended_since(db: Connection) -> None:
    await had_one(db, 1, finished_at=later(hours=-1))
    step = await add_step(db)
    await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 7 days") == []


async def test_a_cap_that_frees_at_the_deadline_frees_too_late(db: Connection) -> None:
    await had_one(db, 1)
    step = await add_step(db, send_before=later(days=6))
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 7 days") == []
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("suppressed", "frequency_cap")


async def test_in_an_open_window_a_cap_says_how_long_to_wait(db: Connection) -> None:
    await had_one(db, 1)
    step = await add_step(db, window_from=time(9), window_until=time(18))
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 7 days") == []
    row = await message(db, only)
    assert (row["reason"], row["not_before"]) == ("frequency_cap", later(days=6))


async def test_caps_are_counted_when_the_hours_have_come(db: Connection) -> None:
    await had_one(db, 6.9)
    step = await add_step(db, quiet_from=time(11), quiet_until=time(14))
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 7 days") == []
    row = await message(db, only)
    assert (row["reason"], row["not_before"]) == ("quiet_hours", later(hours=2))
