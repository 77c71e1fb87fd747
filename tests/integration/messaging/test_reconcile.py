"""Reconciliation: messages of lost workers, unknown outcomes, late messages, finished steps."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.alerts import open_alerts
from core.db import Connection
from core.errors import NotFound
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.channels import Channel, open_channels
from messaging.channels.channel import Trace
from messaging.outbox.claim import claim
from messaging.outbox.manual_review import settle_held
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.reconcile import ReconcileCounts
from messaging.outbox.senders import resume_by_address
from messaging.outbox.steps import cancel_steps, finish_drained
from messaging.reasons import Reason
from messaging.states import State
from muster.operator import operator
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.outbox_rows import (
    NOON,
    Step,
    add_messages,
    add_step,
    deliver,
    dispatcher,
    events,
    later,
    message,
    put_in_flight,
    reconcile_steadily,
    states,
    stop_hearts,
    with_sandbox,
)

ANN = "+447700900123"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def runtime(settings: Settings, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    async with open_runtime(with_sandbox(settings, sandbox), pool_size=5) as opened:
        await opened.redis.flushdb()
        yield opened


@pytest.fixture
async def channels(runtime: Runtime) -> AsyncIterator[dict[str, Channel]]:
    async with open_channels(runtime.settings, runtime.http) as some:
        yield some


async def left_behind(db: Connection, channel: str = "sms", address: str = ANN, **columns: Any) -> tuple[Step, int]:
    """A message that a worker had on the wire when it died."""
    step = await add_step(db, **columns)
    (only,) = await add_messages(db, step, channel, [address])
    taken = await claim(db, step.due(channel), limit=1, now=NOON, dispatcher_id=await dispatcher(db))
    intents = [Intent(message.message_id, message.attempt, None, None) for message in taken.messages]
    await record_outcomes(db, [], intents, source="test", now=NOON)
    await stop_hearts(db)
    return step, only


async def alerts(db: Connection) -> dict[str, str]:
    return {alert.key: alert.title for alert in await open_alerts(db)}


async def test_messages_without_an_intent_are_queued_again_and_the_rest_are_ambiguous(
    runtime: Runtime, db: Connection
) -> None:
    step, wired = await left_behind(db)
    await add_messages(db, step, "sms", ["+447700900124"], first_person=2)
    await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))
    await stop_hearts(db)
    reconciled = await reconcile_steadily(runtime)
    assert (reconciled.returned, reconciled.ambiguous, reconciled.finished) == (1, 1, 0)
    assert await states(db, step) == {"queued": 1, "ambiguous": 1}
    assert (await events(db, wired))[-1] == ("ambiguous", "reconcile", "worker_lost")
    assert await reconcile_steadily(runtime) == ReconcileCounts()


async def test_messages_of_a_living_worker_are_left_alone(runtime: Runtime, db: Connection) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", [ANN])
    await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))
    assert await reconcile_steadily(runtime) == ReconcileCounts()
    assert await states(db, step) == {"sending": 1}


async def test_a_text_in_the_providers_records_is_never_sent_again(
    runtime: Runtime, db: Connection, sandbox: Sandbox, channels: dict[str, Channel]
) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    (only,) = await add_messages(db, step, "sms", ["+447700900932"])  # 500 although accepted
    assert (await deliver(runtime)).ambiguous == 1
    reconciled = await reconcile_steadily(runtime, channels, settle=0)
    assert (reconciled.traced, reconciled.again) == (1, 0)
    row = await message(db, only)
    assert row["state"] == "accepted"
    assert row["provider_id"] == next(iter(sandbox.twilio.messages)).sid
    assert (await events(db, only))[-1] == ("accepted", "reconcile", "found_at_provider")
    assert (await deliver(runtime)).accepted == 0
    assert len(sandbox.twilio.messages) == 1


async def test_a_text_without_trace_goes_again(
    runtime: Runtime, db: Connection, sandbox: Sandbox, channels: dict[str, Channel]
) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    (only,) = await add_messages(db, step, "sms", ["+447700900930"])  # 500 at first, nothing stored
    assert (await deliver(runtime)).ambiguous == 1
    assert await reconcile_steadily(runtime, channels) == ReconcileCounts()  # not yet: its receipt may still come
    assert (await reconcile_steadily(runtime, channels, settle=0)).again == 1
    assert (await events(db, only))[-1] == ("queued", "reconcile", "no_trace")
    assert (await deliver(runtime)).accepted == 1
    assert len(sandbox.twilio.messages) == 1


async def test_an_earlier_text_of_the_same_words_is_no_trace(
    runtime: Runtime, db: Connection, channels: dict[str, Channel]
) -> None:
    plain = {"name": "plain", "purpose": "service", "sms": "Vote today"}
    first = await add_step(db, secret=runtime.keyring.current, content=plain)
    (sent,) = await add_messages(db, first, "sms", [ANN])
    assert (await deliver(runtime)).accepted == 1
    second = await add_step(db, campaign_id=2, secret=runtime.keyring.current, content=plain)
    (lost,) = await add_messages(db, second, "sms", [ANN])
    await db.execute("update message set state = 'ambiguous', attempt = 1, wire_at = now() where message_id = $1", lost)
    reconciled = await reconcile_steadily(runtime, channels, settle=0)
    assert (reconciled.traced, reconciled.again) == (0, 1)
    assert (await message(db, sent))["state"] == "accepted"


async def test_a_provider_that_cannot_be_asked_leaves_it_unknown(
    runtime: Runtime, db: Connection, sandbox: Sandbox, unused_tcp_port: int
) -> None:
    step, _ = await left_behind(db, secret=runtime.keyring.current)
    away = with_sandbox(runtime.settings, sandbox, twilio_base_url=f"http://127.0.0.1:{unused_tcp_port}")
    async with open_channels(away, runtime.http) as nobody:
        assert (await reconcile_steadily(runtime, nobody, settle=0)).ambiguous == 1
        assert (await reconcile_steadily(runtime, nobody, settle=0)) == ReconcileCounts()
    assert await states(db, step) == {"ambiguous": 1}


async def test_an_unanswered_email_goes_again_with_the_same_message_id(
    runtime: Runtime, db: Connection, sandbox: Sandbox
) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    (only,) = await add_messages(db, step, "email", ["hang@x.test"])
    assert (await deliver(runtime)).ambiguous == 1
    assert (await reconcile_steadily(runtime, settle=0)).again == 1
    assert (await deliver(runtime)).ambiguous == 1
    first, second = sandbox.mailbox
    assert first.message_id == second.message_id
    assert first.sender == second.sender
    assert [code for state, source, code in await events(db, only) if source == "reconcile"] == ["no_answer"]


async def test_after_some_tries_an_email_waits_for_a_person(runtime: Runtime, db: Connection) -> None:
    step, only = await left_behind(db, "email", "a@x.test")
    await db.execute("update in_flight set attempt = 5")
    reconciled = await reconcile_steadily(runtime, settle=0)
    assert (reconciled.ambiguous, reconciled.held_for_staff, reconciled.again) == (1, 1, 0)
    assert await reconcile_steadily(runtime, settle=0) == ReconcileCounts()
    assert await finish_drained(db) == []
    assert await alerts(db) == {
        "held": "1 message may or may not have been sent, and waits for a decision.",
        "workers": "A worker stopped without finishing: w1.",
    }
    assert await settle_held(db, [only], again=False, actor=operator("ann"), now=NOON) == 1
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("accepted", None)
    assert "held" not in await alerts(db)
    assert await finish_drained(db) == [step.step_id]


async def test_the_setting_may_hold_every_unanswered_email(settings: Settings, db: Connection) -> None:
    step, only = await left_behind(db, "email", "a@x.test")
    async with open_runtime(settings.model_copy(update={"email_unanswered": "hold"}), pool_size=2) as runtime:
        assert (await reconcile_steadily(runtime, settle=0)).held_for_staff == 1
    assert (await message(db, only))["reason"] == "held"
    assert await settle_held(db, [only], again=True, actor=operator("ann"), now=NOON) == 1
    assert await states(db, step) == {"queued": 1}


async def test_messages_waiting_beyond_their_deadline_expire(runtime: Runtime, db: Connection) -> None:
    step = await add_step(db, send_before=later(days=-10000), state="paused")
    await add_messages(db, step, "sms", [ANN])
    assert (await reconcile_steadily(runtime)).withdrawn == 1
    assert await states(db, step) == {"expired": 1}


async def test_messages_returned_to_a_cancelled_campaign_are_withdrawn(runtime: Runtime, db: Connection) -> None:
    step, only = await left_behind(db)
    await cancel_steps(db, step.campaign_id)
    await record_outcomes(db, [Outcome(only, 1, State.QUEUED, Reason.BUSY, delay=0.0)], [], source="test", now=NOON)
    assert await states(db, step) == {"queued": 1}
    assert (await reconcile_steadily(runtime)).withdrawn == 1
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("cancelled", "campaign_cancelled")


async def test_a_step_is_finished_only_when_nothing_is_open(runtime: Runtime, db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", [ANN, "+447700900124", "+447700900125"])
    for message_id, state in zip(ids, ("queued", "sending", "ambiguous"), strict=True):
        await db.execute("update message set state = 'delivered'")
        stored = "queued" if state == "sending" else state
        await db.execute("update message set state = $2, reason = 'held' where message_id = $1", message_id, stored)
        if state == "sending":
            await put_in_flight(db, message_id)
        assert await finish_drained(db) == []
    await db.execute("update message set state = 'delivered'")
    assert (await reconcile_steadily(runtime)).finished == 1
    assert await db.fetchval("select state from step where step_id = $1", step.step_id) == "finished"


async def test_a_resumed_sender_tries_refused_messages_again(runtime: Runtime, db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", [ANN, "+447700900124"])
    await db.execute("update message set state = 'failed', reason = 'sender_refused' where message_id = $1", ids[0])
    await db.execute("update message set state = 'failed', reason = 'invalid_number' where message_id = $1", ids[1])
    await db.execute("update step set state = 'finished'")
    await db.execute("update sender set paused_reason = 'refused' where channel = 'sms'")
    assert await resume_by_address(db, "+447480111111", now=NOON, actor=operator("staff")) == 1
    assert await states(db, step) == {"queued": 1, "failed": 1}
    assert await db.fetchval("select state from step") == "running"
    assert (await events(db, ids[0]))[-1] == ("queued", "staff", "sender_mended")
    with pytest.raises(NotFound, match="No messages are sent from"):
        await resume_by_address(db, "+440000000000", now=NOON, actor=operator("staff"))


async def test_the_alert_counts_all_that_is_held_and_closes_when_it_settles_itself(
    settings: Settings, db: Connection
) -> None:
    async with open_runtime(settings.model_copy(update={"email_unanswered": "hold"}), pool_size=2) as runtime:
        _, first = await left_behind(db, "email", "a@x.test")
        assert (await reconcile_steadily(runtime, settle=0)).held_for_staff == 1
        _, second = await left_behind(db, "email", "b@x.test", campaign_id=2)
        assert (await reconcile_steadily(runtime, settle=0)).held_for_staff == 1
        assert (await alerts(db))["held"].startswith("2 messages may")
        for message_id in (first, second):  # what came of them is known after all
            await record_outcomes(db, [Outcome(message_id, 1, State.ACCEPTED)], [], source="test", now=NOON)
        await reconcile_steadily(runtime)
        assert "held" not in await alerts(db)


async def test_only_retried_messages_are_counted_as_retried(
    runtime: Runtime, db: Connection, channels: dict[str, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, only = await left_behind(db, secret=runtime.keyring.current)
    await reconcile_steadily(runtime)

    async def settled_meanwhile(*_: object) -> list[Trace]:
        await record_outcomes(db, [Outcome(only, 1, State.ACCEPTED)], [], source="test", now=NOON)
        return []

    monkeypatch.setattr(channels["sms"], "trace", settled_meanwhile)
    assert (await reconcile_steadily(runtime, channels, settle=0)).again == 0
    assert (await message(db, only))["state"] == "accepted"
