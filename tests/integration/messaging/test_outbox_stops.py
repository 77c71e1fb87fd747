"""What stops messages on their way: refused senders, answers, pauses, stopping workers, and errors."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from core.alerts import open_alerts
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.content.templates import Template
from messaging.goals import meet_goal
from messaging.outbox.dispatcher import Dispatcher
from messaging.outbox.steps import pause_steps, resume_steps
from messaging.suppression import suppress
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.mail_relay import Relay, serving
from tests.support.outbox_rows import (
    TEMPLATE,
    add_messages,
    add_step,
    deliver,
    message,
    open_dispatcher,
    states,
    with_sandbox,
)
from tests.support.outbox_steps import Slow, mailboxes, numbers, texts_of
from tests.support.waiting import until


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def runtime(settings: Settings, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    async with open_runtime(with_sandbox(settings, sandbox), pool_size=8) as opened:
        await opened.redis.flushdb()
        yield opened


async def test_a_sender_that_is_refused_stops_with_an_alert_and_the_rest_waits(
    runtime: Runtime, sandbox: Sandbox
) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current, sms_from="+15005550007")
        await add_messages(db, step, "sms", numbers(200))
    delivered = await deliver(runtime)
    async with runtime.pool.acquire() as db:
        (alert,) = await open_alerts(db)
        assert alert.key == f"sender:{step.senders['sms']}"
        assert "+15005550007" in alert.remedy
        counts = await states(db, step)
    assert counts["failed"] == delivered.failed
    assert 10 <= counts["failed"] <= 30  # what was on the wire by then
    assert counts["failed"] + counts["queued"] == 200
    assert texts_of(sandbox) == []


async def test_an_answer_or_an_opt_out_between_claim_and_wire_stops_the_message(runtime: Runtime) -> None:
    channel = Slow()
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        ids = await add_messages(db, step, "email", mailboxes(20))
        running = asyncio.create_task(Dispatcher(runtime, {"email": channel}).run())  # type: ignore[dict-item]

        async def on_wire() -> bool:
            return bool(await db.fetchval("select count(*) = 2 from in_flight where wire_at is not null"))

        await until(on_wire)
        assert await states(db, step) == {"sending": 20}
        await meet_goal(db, step.goal_id, 11, source="link")
        await suppress(db, channel="email", address="m15@x.test", reason="opted_out", source="link")
        for _ in range(20):
            channel.gate.release()
        delivered = await running
        assert (delivered.accepted, delivered.withdrawn) == (18, 2)
        assert set(ids) - set(channel.sent) == {ids[10], ids[15]}
        assert (await message(db, ids[10]))["reason"] == "answered"
        assert (await message(db, ids[15]))["reason"] == "opted_out"


async def test_a_pause_stops_at_once_and_a_resume_goes_on_without_doubling(runtime: Runtime) -> None:
    channel = Slow()
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(30))
        running = asyncio.create_task(Dispatcher(runtime, {"email": channel}).run())  # type: ignore[dict-item]
        for _ in range(5):
            channel.gate.release()

        async def five() -> bool:
            return len(channel.sent) == 5

        await until(five)
        await pause_steps(db, step.campaign_id, "a look")
        for _ in range(30):
            channel.gate.release()
        await running
        paused_at = len(channel.sent)
        assert paused_at <= 5 + 2 * channel.connections + 1
        assert await states(db, step) == {"accepted": paused_at, "queued": 30 - paused_at}
        await resume_steps(db, step.campaign_id)
        await Dispatcher(runtime, {"email": channel}).run()  # type: ignore[dict-item]
        assert Counter(channel.sent).most_common(1)[0][1] == 1
        assert await states(db, step) == {"accepted": 30}


@pytest.mark.parametrize("by", ["stop", "cancel"])
async def test_a_stopping_worker_finishes_and_hands_back(runtime: Runtime, by: str) -> None:
    channel = Slow()
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(30))
        dispatcher = Dispatcher(runtime, {"email": channel})  # type: ignore[dict-item]
        running = asyncio.create_task(dispatcher.run())

        async def on_wire() -> bool:
            return bool(await db.fetchval("select count(*) = 2 from in_flight where wire_at is not null"))

        await until(on_wire)
        dispatcher.stop() if by == "stop" else running.cancel()

        async def heard() -> bool:
            return dispatcher._running[0]._stopping

        await until(heard)
        channel.gate.release()  # the one in flight comes back; the other was marked, but never left
        if by == "stop":
            assert (await running).accepted == 1
        else:
            with pytest.raises(asyncio.CancelledError):
                await running
        assert await states(db, step) == {"accepted": 1, "queued": 29}
        assert await db.fetchval("select count(*) from dispatcher where gone_at is null") == 0
    assert len(channel.sent) == 1


async def test_a_step_that_cannot_be_compiled_raises_an_alert_and_stops_nobody_else(
    runtime: Runtime, sandbox: Sandbox
) -> None:
    async with runtime.pool.acquire() as db:
        bad = TEMPLATE.to_json() | {"email": "{{ nobody closes this"}
        broken = await add_step(db, secret=runtime.keyring.current, content=bad)
        await add_messages(db, broken, "email", mailboxes(3))
        good = await add_step(db, campaign_id=2, secret=runtime.keyring.current)
        await add_messages(db, good, "email", mailboxes(3))
    assert (await deliver(runtime)).accepted == 3
    async with runtime.pool.acquire() as db:
        assert await states(db, broken) == {"queued": 3}
        assert [alert.key for alert in await open_alerts(db)] == [f"step:{broken.step_id}"]


async def test_an_unforeseen_error_leaves_no_message_behind(
    runtime: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection's task that ends ends the run, and no heartbeat that goes on keeps its messages from others."""
    monkeypatch.setattr("messaging.outbox.pipeline.DRAIN_TIMEOUT", 0.2)
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(40))
        async with open_dispatcher(runtime) as sender, sender.while_alive():
            with monkeypatch.context() as broken:
                broken.setattr("messaging.outbox.pipeline.outcome_of", lambda *_args, **_more: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    await sender.run(until_idle=True)
            held = await db.fetchval("select dispatcher_id from in_flight limit 1")
            assert held is not None

            async def another() -> bool:
                return sender.dispatcher_id not in {None, held}

            await sender.run(until_idle=True)
            await until(another)
            counts = await states(db, step)
    assert counts["accepted"] == 40 - counts["sending"]
    assert counts["sending"] <= len(sandbox.mailbox)


async def test_one_message_that_cannot_be_composed_fails_alone(runtime: Runtime) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        ids = await add_messages(db, step, "email", mailboxes(3))
        await db.execute("update message set variables = '{}' where message_id = $1", ids[1])
    delivered = await deliver(runtime)
    assert (delivered.accepted, delivered.failed) == (2, 1)
    async with runtime.pool.acquire() as db:
        row = await message(db, ids[1])
        assert (row["state"], row["reason"]) == ("failed", "cannot_render")


async def test_a_template_that_runs_away_for_one_person_fails_for_them_alone(runtime: Runtime) -> None:
    asked = "Dear {% for letter in first_name %}{% for again in first_name %}{{ again }}{% endfor %}{% endfor %}"
    template = Template("loops", "service", subject="Hi", email=asked)
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current, template=template)
        ids = await add_messages(db, step, "email", mailboxes(3))
        await db.execute(
            "update message set variables = jsonb_build_object('first_name', repeat('x', 5000)) where message_id = $1",
            ids[1],
        )
    delivered = await deliver(runtime)
    assert (delivered.accepted, delivered.failed) == (2, 1)
    async with runtime.pool.acquire() as db:
        row = await message(db, ids[1])
        assert (row["state"], row["reason"]) == ("failed", "cannot_render")


@pytest.mark.parametrize(("holds", "state"), [
    ("MAIL", "queued"), ("RCPT", "queued"), ("DATA", "queued"), ("BODY", "ambiguous"),
])  # fmt: skip
async def test_a_worker_that_is_stopped_hands_back_mails_whose_text_was_not_written(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, holds: str, state: str
) -> None:
    monkeypatch.setattr("messaging.outbox.pipeline.DRAIN_TIMEOUT", 0.2)
    async with runtime.pool.acquire() as db, serving(Relay(offers=["8BITMIME"], holds=holds)) as relay:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(1))
        told = runtime.settings.model_copy(update={"smtp_url": SecretStr(relay.url)})
        async with open_dispatcher(replace(runtime, settings=told)) as sender:
            run = asyncio.create_task(sender.run(until_idle=False))

            async def held() -> bool:
                return relay.count("DATA" if holds == "BODY" else holds) == 1

            await until(held)
            await asyncio.sleep(0.1)
            sender.stop()
            stopped = await run
        assert (stopped.handed_back, stopped.ambiguous) == ((1, 0) if state == "queued" else (0, 1))
        assert await states(db, step) == {state: 1}
