"""Suppressions: kept in a ledger, and withdrawing queued messages at once."""

import pytest

from core.db import Connection
from messaging.goals import meet_goal, reopen_goal
from messaging.suppression import active_suppressions, lift, suppress
from tests.support.outbox_rows import add_messages, add_step, events, message, states

ANN, BOB = "+447700900001", "+447700900002"


async def test_an_opt_out_withdraws_what_is_queued_for_the_number(db: Connection) -> None:
    step = await add_step(db)
    anns, bobs = await add_messages(db, step, "sms", [ANN, BOB])
    assert await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply", message_id=anns)
    row = await message(db, anns)
    assert (row["state"], row["reason"]) == ("suppressed", "opted_out")
    assert (await events(db, anns))[-1] == ("suppressed", "sms_reply", "opted_out")
    assert (await message(db, bobs))["state"] == "queued"


async def test_a_repeated_opt_out_is_recorded_once_and_still_withdraws(db: Connection) -> None:
    step = await add_step(db)
    assert await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
    (later,) = await add_messages(db, step, "sms", [ANN])
    assert not await suppress(db, channel="sms", address=ANN, reason="complained", source="twilio")
    assert (await message(db, later))["state"] == "suppressed"
    (suppression,) = await active_suppressions(db, channel="sms", address=ANN)
    assert suppression.reason == "opted_out"
    assert await db.fetchval("select count(*) from suppression_event") == 1


async def test_a_stop_for_all_covers_marketing_but_not_the_reverse(db: Connection) -> None:
    assert await suppress(
        db, channel="email", address="a@x.test", purpose="marketing", reason="opted_out", source="link"
    )
    assert await suppress(db, channel="email", address="a@x.test", reason="complained", source="link")
    assert not await suppress(db, channel="email", address="a@x.test", purpose="marketing", reason="x", source="link")
    assert [
        suppression.purpose for suppression in await active_suppressions(db, channel="email", address="a@x.test")
    ] == [
        "all",
        "marketing",
    ]


async def test_an_opt_out_from_marketing_leaves_service_messages(db: Connection) -> None:
    service = await add_step(db)
    marketing = await add_step(db, campaign_id=2, purpose="marketing")
    await add_messages(db, service, "sms", [ANN])
    await add_messages(db, marketing, "sms", [ANN])
    await suppress(db, channel="sms", address=ANN, purpose="marketing", reason="opted_out", source="link")
    assert await states(db, service) == {"queued": 1}
    assert await states(db, marketing) == {"suppressed": 1}


async def test_a_person_is_stopped_on_every_channel(db: Connection) -> None:
    step = await add_step(db)
    other = await add_step(db, campaign_id=2)
    await add_messages(db, step, "sms", [ANN, BOB], first_person=7)
    await add_messages(db, other, "email", ["a@x.test"], first_person=7)
    await suppress(db, channel="person", address="7", reason="deceased", source="rep")
    assert await states(db, step) == {"suppressed": 1, "queued": 1}
    assert await states(db, other) == {"suppressed": 1}


async def test_lifting_is_recorded_and_lets_later_messages_go(db: Connection) -> None:
    await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
    assert await lift(db, channel="sms", address=ANN, reason="start", source="sms_reply")
    assert await active_suppressions(db, channel="sms", address=ANN) == []
    assert not await lift(db, channel="sms", address=ANN, reason="start", source="sms_reply")
    ledger = await db.fetch("select action, reason from suppression_event order by event_id")
    assert [tuple(row) for row in ledger] == [("suppress", "opted_out"), ("lift", "start")]


async def test_lifting_an_opt_out_keeps_other_suppressions(db: Connection) -> None:
    await suppress(db, channel="sms", address=ANN, purpose="marketing", reason="opted_out", source="preferences")
    await suppress(db, channel="sms", address=ANN, reason="wrong_number", source="sms_reply")
    assert await lift(db, channel="sms", address=ANN, reason="opted_in", source="sms_reply")
    (left,) = await active_suppressions(db, channel="sms", address=ANN)
    assert (left.purpose, left.reason) == ("all", "wrong_number")
    assert not await lift(db, channel="sms", address=ANN, reason="opted_in", source="sms_reply")
    lifted = await db.fetch("select purpose from suppression_event where action = 'lift'")
    assert [row["purpose"] for row in lifted] == ["marketing"]


async def test_a_stop_by_text_outranks_one_by_page_so_that_only_start_lifts_it(db: Connection) -> None:
    await suppress(db, channel="sms", address=ANN, reason="opted_out", source="link")
    assert not await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
    for _ in range(2):
        assert not await suppress(db, channel="sms", address=ANN, reason="opted_out", source="twilio")
    source = "select source from suppression join suppression_event using (event_id)"
    assert await db.fetchval(source) == "sms_reply"
    ledger = await db.fetch("select source from suppression_event order by event_id")
    assert [row["source"] for row in ledger] == ["link", "sms_reply"]


async def test_a_suppression_is_undone_with_the_callers_transaction(db: Connection) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", [ANN])
    with pytest.raises(RuntimeError):  # noqa: PT012
        async with db.transaction():
            await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
            raise RuntimeError
    assert await active_suppressions(db, channel="sms", address=ANN) == []
    assert await states(db, step) == {"queued": 1}


async def test_meeting_a_goal_withdraws_every_nudge_for_it(db: Connection) -> None:
    first = await add_step(db)
    second = await add_step(db, position=2, goal_id=first.goal_id)
    elsewhere = await add_step(db, campaign_id=2)
    for step in (first, second, elsewhere):
        await add_messages(db, step, "sms", [ANN, BOB])
    assert await meet_goal(db, first.goal_id, 1, source="link") == 2
    assert await states(db, first) == {"cancelled": 1, "queued": 1}
    assert await states(db, second) == {"cancelled": 1, "queued": 1}
    assert await states(db, elsewhere) == {"queued": 2}
    assert await meet_goal(db, first.goal_id, 1, source="rep") == 0
    assert await reopen_goal(db, first.goal_id, 1)
    assert not await reopen_goal(db, first.goal_id, 1)
