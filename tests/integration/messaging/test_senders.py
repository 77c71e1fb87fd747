"""Senders that stop by themselves: judged by what happened lately, at a price that does not grow, and mended safely."""

from datetime import timedelta
from typing import Any

from core.alerts import open_alerts
from core.db import Connection
from messaging.outbox.manual_review import settle_held
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.outbox.senders import (
    MAX_RECENT_TRIES,
    MIN_REFUSALS,
    MIN_REFUSED_SHARE,
    RECENT_SECONDS,
    SQL,
    UNKNOWN_FOR_ALERT,
    alert_unknown_outcomes,
    pause_if_refused,
    resume_sender,
)
from messaging.outbox.steps import cancel_steps, finish_drained, pause_steps
from messaging.outbox.unknown_rate import MIN_UNKNOWN_TRIES, RECENT_TRIES, UnknownRate
from messaging.reasons import OUR_FAULT
from messaging.states import State
from muster.operator import operator
from tests.support.outbox_rows import NOON, SMS_FROM, Step, add_messages, add_step, events, later, message, states
from tests.support.rows import row_of


async def fill(
    db: Connection, step: Step, n: int, state: str, *, reason: str | None = None, minutes: float = 0, first: int = 0
) -> list[int]:
    """Texts that came to this so many minutes ago."""
    ids = await add_messages(
        db, step, "sms", [f"+4477{first + number:08}" for number in range(n)], first_person=first + 1, state=state,
        reason=reason,
    )  # fmt: skip
    await db.execute(
        "update message set changed_at = now() - $2::interval,"
        " sent_at = case when state <> 'failed' then now() - $2::interval end where message_id = any ($1)",
        ids, timedelta(minutes=minutes),
    )  # fmt: skip
    return ids


async def stopped(db: Connection, step: Step) -> str | None:
    await pause_if_refused(db, [*step.senders.values()])
    reason: str | None = await db.fetchval("select paused_reason from sender where sender_id = $1", step.senders["sms"])
    return reason


async def test_a_sender_that_sent_well_for_hours_stops_as_soon_as_a_new_one(db: Connection) -> None:
    step = await add_step(db)
    await fill(db, step, 5_000, "delivered", minutes=60)
    await fill(db, step, MIN_REFUSALS, "undelivered", reason="filtered", first=10_000)
    reason = await stopped(db, step)
    assert reason == "10 of the last 10 messages were refused. A network filtered the message as unwanted."
    (alert,) = await open_alerts(db)
    assert reason in alert.title


async def test_a_fast_sender_is_judged_by_its_last_tries(db: Connection) -> None:
    step = await add_step(db)
    await fill(db, step, 20_000, "accepted", minutes=1)
    assert await stopped(db, step) is None
    await fill(db, step, MAX_RECENT_TRIES, "accepted", first=30_000)
    few = int(MIN_REFUSED_SHARE * MAX_RECENT_TRIES)
    await fill(db, step, few, "failed", reason="account_refused", first=40_000)
    assert await stopped(db, step) is None
    await fill(db, step, 3, "failed", reason="account_refused", first=50_000)
    assert "refused our account" in str(await stopped(db, step))


async def test_old_refusals_do_not_count(db: Connection) -> None:
    step = await add_step(db)
    await fill(db, step, 50, "failed", reason="sender_refused", minutes=RECENT_SECONDS / 60 + 1)
    await fill(db, step, MIN_REFUSALS - 1, "failed", reason="sender_refused", first=100)
    assert await stopped(db, step) is None
    await fill(db, step, 1, "failed", reason="sender_refused", first=200)
    assert await stopped(db, step)


async def test_one_sender_is_not_measured_by_anothers_failures(db: Connection) -> None:
    good = await add_step(db, campaign_id=1)
    bad = await add_step(db, campaign_id=2, sms_from="+447480222222")
    await fill(db, good, 1_000, "accepted")
    await fill(db, bad, MIN_REFUSALS, "failed", reason="sender_refused", first=5_000)
    assert await stopped(db, good) is None
    assert await stopped(db, bad)
    assert await stopped(db, good) is None


async def test_a_look_reads_two_small_indexes_and_never_the_step(db: Connection, owner: Connection) -> None:
    step = await add_step(db)
    await fill(db, step, 20_000, "delivered", minutes=60)
    await owner.execute("analyze message")
    rows = await db.fetch(
        "explain (analyze, costs off, timing off, buffers) " + SQL["list_refused"],
        [step.step_id], [*OUR_FAULT], MIN_REFUSALS, MIN_REFUSED_SHARE, RECENT_SECONDS, MAX_RECENT_TRIES,
    )  # fmt: skip
    plan = "\n".join(row[0] for row in rows)
    assert "message_count_sender" in plan, plan
    assert "message_exception_refused" in plan, plan
    assert "Seq Scan on message" not in plan, plan


# nobody knows


async def test_many_unknown_outcomes_raise_one_alert_that_passes_with_them(db: Connection) -> None:
    step = await add_step(db)
    await fill(db, step, UNKNOWN_FOR_ALERT - 1, "ambiguous", reason="no_answer")
    await fill(db, step, 50, "ambiguous", reason="worker_lost", first=100)  # a lost worker says nothing of a provider
    assert await alert_unknown_outcomes(db) == []
    await fill(db, step, 1, "ambiguous", reason="no_answer", first=200)
    assert await alert_unknown_outcomes(db) == await alert_unknown_outcomes(db) == [step.senders["sms"]]
    (alert,) = await open_alerts(db)
    assert (alert.severity, alert.times) == ("warning", 1)
    assert f"whether {UNKNOWN_FOR_ALERT} messages from {SMS_FROM} were sent" in alert.title
    await db.execute("update message set state = 'accepted'")
    assert await alert_unknown_outcomes(db) == []
    assert await open_alerts(db) == []


def test_a_worker_goes_slower_only_when_many_of_the_last_got_no_answer() -> None:
    doubts = UnknownRate()
    assert not any(doubts.note(1, unknown=True) for _ in range(MIN_UNKNOWN_TRIES - 1))
    assert not doubts.note(1, unknown=False)
    assert doubts.note(1, unknown=True)
    assert not doubts.note(2, unknown=True), "each sender for itself"
    for _ in range(RECENT_TRIES):
        doubts.note(1, unknown=False)
    assert not doubts.note(1, unknown=True)


# mended


async def refused(db: Connection, **columns: Any) -> tuple[Step, int]:
    step = await add_step(db, **columns)
    (only,) = await fill(db, step, 1, "failed", reason="sender_refused")
    await finish_drained(db)
    return step, only


async def test_mending_opens_a_step_that_was_done(db: Connection) -> None:
    step, only = await refused(db)
    assert await resume_sender(db, step.senders["sms"], now=NOON, actor=operator("staff")) == 1
    assert await db.fetchval("select state from step") == "running"
    assert (await events(db, only))[-1] == ("queued", "staff", "sender_mended")
    done = await row_of(db, "select actor, action, subject, detail from audit_shown")
    assert tuple(done) == ("staff", "sender.resumed", "sender +447480111111", {"messages": 1})


async def test_mending_opens_it_as_paused_where_its_campaign_is_paused(db: Connection) -> None:
    step, _ = await refused(db)
    await pause_steps(db, step.campaign_id, "a look")
    assert await resume_sender(db, step.senders["sms"], now=NOON, actor=operator("staff")) == 1
    assert await db.fetchval("select state from step") == "paused"


async def test_mending_sends_nothing_of_a_cancelled_campaign_nor_what_is_too_late(db: Connection) -> None:
    step, only = await refused(db)
    await cancel_steps(db, step.campaign_id)
    await refused(db, campaign_id=2, send_before=later(hours=-1))
    assert await resume_sender(db, step.senders["sms"], now=NOON, actor=operator("staff")) == 0
    assert (await message(db, only))["state"] == "failed"
    assert await db.fetchval("select count(*) from step where state = 'running'") == 0


async def test_a_text_refused_by_receipt_is_tried_again_and_known_by_both_ids(db: Connection) -> None:
    step = await add_step(db)
    (only,) = await fill(db, step, 1, "undelivered", reason="sender_refused")
    await db.execute("update message set provider_id = 'SM1', attempt = 1")
    assert await resume_sender(db, step.senders["sms"], now=NOON, actor=operator("staff")) == 1
    row = await message(db, only)
    assert (row["state"], row["provider_id"], row["attempt"]) == ("queued", None, 2)
    await apply_receipts(db, [Receipt(None, "SM1", State.SENT, "twilio", None, NOON)])
    assert (await message(db, only))["state"] == "queued"
    await apply_receipts(db, [Receipt(None, "SM1", State.DELIVERED, "twilio", None, NOON)])
    assert (await message(db, only))["state"] == "delivered"


async def test_a_message_settled_as_unsent_does_not_come_back_to_a_cancelled_campaign(db: Connection) -> None:
    over = await add_step(db, campaign_id=1)
    on = await add_step(db, campaign_id=2)
    (message_id,) = await fill(db, over, 1, "ambiguous", reason="held")
    await fill(db, on, 1, "ambiguous", reason="held")
    await cancel_steps(db, over.campaign_id)
    assert await settle_held(db, again=True, actor=operator("ann"), now=NOON) == 1
    assert (await states(db, over), await states(db, on)) == ({"cancelled": 1}, {"queued": 1})
    assert (await message(db, message_id))["reason"] == "campaign_cancelled"
