"""The whole way from the outbox to the provider and back, with real servers: one message each, whoever is killed."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from core.alerts import open_alerts
from core.keyring import digest
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.channels import open_channels
from messaging.outbox import schedule
from messaging.outbox.claim import Claim, claim
from messaging.outbox.counts import step_counts
from messaging.outbox.dispatcher import Dispatcher
from messaging.outbox.history import find_history, list_messages, message_status
from messaging.outbox.rate_limits import RateLimits
from messaging.states import State
from messaging.suppression import active_suppressions
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.outbox_rows import (
    add_messages,
    add_step,
    deliver,
    events,
    message,
    open_dispatcher,
    reconcile_steadily,
    states,
    stop_hearts,
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


def received(sandbox: Sandbox) -> Counter[str]:
    return Counter(recipient for mail in sandbox.mailbox for recipient in mail.recipients)


async def test_everybody_gets_one_message_by_either_channel(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        mails = await add_messages(db, step, "email", mailboxes(300))
        texts = await add_messages(db, step, "sms", numbers(60), first_person=1001)
    delivered = await deliver(runtime)
    assert (delivered.accepted, delivered.failed, delivered.ambiguous, delivered.handed_back) == (360, 0, 0, 0)
    assert received(sandbox) == Counter(mailboxes(300))
    assert Counter(text.to for text in texts_of(sandbox)) == Counter(numbers(60))
    async with runtime.pool.acquire() as db:
        assert await states(db, step) == {"accepted": 360}
        assert [state for state, _, _ in await events(db, mails[0])] == ["queued", "sending", "accepted"]
        row = await message(db, texts[0])
        assert row["provider_id"].startswith("SM")
        assert row["segments"] == 1
        assert row["sent_at"] is not None
        assert await db.fetchval("select state from step") == "finished"
        (counts,) = await step_counts(db, step.campaign_id)
        assert counts.counts == {State.ACCEPTED: 360}
        assert counts.segments == 60
        assert counts.seconds_left == 0
        assert counts.rate_per_second > 0


async def test_a_mail_names_its_recipient_and_how_to_stop(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        (only,) = await add_messages(db, step, "email", ["ann@x.test"])
    await deliver(runtime)
    (mail,) = sandbox.mailbox
    parsed = mail.parse()
    confirm = runtime.keyring.email_token(only, "confirm")
    unsubscribe = runtime.keyring.email_token(only, "unsubscribe")
    assert parsed["To"] == "ann@x.test"
    assert parsed["From"] == "The Union <ballot@union.test>"
    assert parsed["Subject"] == "Ann, have you voted?"
    assert parsed["List-Unsubscribe"] == f"<http://muster.test/u/{unsubscribe}>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    body = parsed.get_body(("plain",))
    assert body is not None
    assert f"http://muster.test/{confirm}" in body.get_content()
    signed_id = mail.sender.removeprefix("b+").removesuffix("@union.test")
    assert runtime.keyring.verify_id(signed_id, "bounce") == only
    assert parsed["Message-ID"] == f"<{signed_id}@union.test>"
    async with runtime.pool.acquire() as db:
        assert await db.fetchval("select count(*) from link") == 0, "its tokens say what they are for"


async def test_a_text_carries_its_signed_id_in_the_callback(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        (only,) = await add_messages(db, step, "sms", ["+447700123456"])
    await deliver(runtime)
    (text,) = texts_of(sandbox)
    confirm = runtime.keyring.token(only, "confirm")
    assert confirm in text.body
    async with runtime.pool.acquire() as db:
        links = await db.fetch("select digest, message_id, action from link")
    assert [tuple(row) for row in links] == [(digest(confirm), only, "confirm")]
    callback = urlsplit(text.callback or "")
    assert callback.path == "/webhooks/twilio/status"
    assert runtime.keyring.verify_id(parse_qs(callback.query)["m"][0], "status") == only


async def test_a_claim_whose_answer_is_lost_leaves_no_message_behind(
    runtime: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker goes on, and so nobody would ever take over from it what it does not know it has."""
    answered = iter([True, False, True, False])

    async def lost_now_and_then(*what: Any, **more: Any) -> Claim:
        taken = await claim(*what, **more)
        if not next(answered, True):
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return taken

    monkeypatch.setattr(schedule, "claim", lost_now_and_then)
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(1_600))
    async with open_dispatcher(runtime) as dispatcher, dispatcher.while_alive():
        await dispatcher.run()
        async with runtime.pool.acquire() as db:
            assert await states(db, step) == {"accepted": 1_600}
            assert await db.fetchval("select count(*) from message_event where code = 'handed_back'") == 1_000
    assert received(sandbox) == Counter(mailboxes(1_600))


async def test_a_worker_that_ends_returns_a_claim_whose_answer_is_lost(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*what: Any, **more: Any) -> Claim:
        await claim(*what, **more)
        dispatcher.stop()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(schedule, "claim", lost)
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(3))
        async with open_dispatcher(runtime) as dispatcher:
            await dispatcher.run()
            assert await db.fetchval("select count(*) from queue") == 3


async def test_two_workers_never_send_twice(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(800))
    first, second = await asyncio.gather(deliver(runtime), deliver(runtime))
    assert first.accepted + second.accepted == 800
    assert received(sandbox) == Counter(mailboxes(800))


async def test_bad_recipients_fail_alone_and_are_suppressed(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        (gone,) = await add_messages(db, step, "email", ["bounce@x.test"])
        await add_messages(db, step, "email", mailboxes(20), first_person=100)
        (wrong, out) = await add_messages(db, step, "sms", ["+447700900901", "+447700900904"], first_person=500)
    delivered = await deliver(runtime)
    assert (delivered.accepted, delivered.failed) == (20, 3)
    async with runtime.pool.acquire() as db:
        fates = ((gone, "email", "hard_bounced"), (wrong, "sms", "invalid_number"), (out, "sms", "opted_out"))
        for message_id, channel, reason in fates:
            row = await message(db, message_id)
            assert (row["state"], row["reason"]) == ("failed", reason)
            (suppression,) = await active_suppressions(db, channel=channel, address=row["address"])  # type: ignore[arg-type]
            assert suppression.reason == reason
        assert await open_alerts(db) == []


async def test_a_full_mailbox_counts_the_same_refused_or_bounced(runtime: Runtime) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        (full,) = await add_messages(db, step, "email", ["quota@x.test"])
    await deliver(runtime)
    async with runtime.pool.acquire() as db:
        row = await message(db, full)
        assert (row["state"], row["reason"]) == ("failed", "mailbox_full")
        (counted,) = await db.fetch("select message_id, address, code from soft_bounce")
        assert tuple(counted) == (full, "quota@x.test", "5.2.2")
        assert await active_suppressions(db, channel="email", address="quota@x.test") == []


async def test_a_message_that_waits_for_its_hours_counts_as_put_off_and_not_as_tried(runtime: Runtime) -> None:
    async with runtime.pool.acquire() as db:
        opens = 18 if runtime.clock().hour < 12 else 6
        step = await add_step(db, secret=runtime.keyring.current, window_from=time(opens), window_until=time(opens + 2))
        await add_messages(db, step, "email", ["amy@x.test"])
    counts = await deliver(runtime)
    assert (counts.put_off, counts.retried, counts.accepted) == (1, 0, 0)


async def test_a_busy_recipient_is_tried_again_later(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        (only,) = await add_messages(db, step, "email", ["greylist@x.test"])
    assert (await deliver(runtime)).retried == 1
    async with runtime.pool.acquire() as db:
        row = await message(db, only)
        assert (row["state"], row["reason"], row["wire_at"]) == ("queued", "busy", None)
        assert timedelta(seconds=5) < row["not_before"] - row["changed_at"] < timedelta(seconds=20)
        await db.execute("update queue set not_before = now()")
    assert (await deliver(runtime)).accepted == 1
    assert received(sandbox) == {"greylist@x.test": 1}


async def test_an_unanswered_mail_is_ambiguous(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        (only,) = await add_messages(db, step, "email", ["hang@x.test"])
    assert (await deliver(runtime)).ambiguous == 1
    async with runtime.pool.acquire() as db:
        row = await message(db, only)
        assert (row["state"], row["reason"]) == ("ambiguous", "no_answer")
        assert await db.fetchval("select state from step") == "running"  # not finished while nobody knows
        status = await message_status(db, only)
        assert status.words == (
            "Whether it left became unknown. It was handed over, but the provider never said whether it took it."
        )
        story = await find_history(db, only)
        assert [event.state for event in story] == [State.QUEUED, State.SENDING, State.AMBIGUOUS]
        assert all(event.words.endswith((".", "BODY")) or "The provider said" in event.words for event in story)
        (listed,) = await list_messages(db, campaign_id=step.campaign_id, states=[State.AMBIGUOUS])
        assert listed.message_id == only


async def test_urgent_steps_overtake_and_equal_ones_take_turns(runtime: Runtime) -> None:
    channel = Slow()
    async with runtime.pool.acquire() as db:
        first = await add_step(db, secret=runtime.keyring.current)
        second = await add_step(db, campaign_id=2, secret=runtime.keyring.current)
        urgent = await add_step(db, campaign_id=3, priority=9, secret=runtime.keyring.current)
        firsts = await add_messages(db, first, "email", mailboxes(20))
        seconds = await add_messages(db, second, "email", mailboxes(20))
        urgents = await add_messages(db, urgent, "email", mailboxes(5))
        for _ in range(100):
            channel.gate.release()
        await Dispatcher(runtime, {"email": channel}).run()  # type: ignore[dict-item]
    assert set(channel.sent[:5]) == set(urgents)
    turns = channel.sent[5:25]
    assert 8 <= len(set(turns) & set(firsts)) <= 12
    assert 8 <= len(set(turns) & set(seconds)) <= 12


SLOW = 0.01
"""A pace of one token in 100 seconds: after the first, none comes while a test runs unless the clock is moved."""


async def test_a_sender_keeps_its_rate_and_delays_no_other(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "sms", numbers(30))
        await db.execute("update sender set pace = 0.01 where channel = 'sms'")
        await add_messages(db, step, "email", mailboxes(100), first_person=1000)
    running = asyncio.create_task(deliver(runtime))

    async def all_mails_and_a_text() -> bool:
        return len(sandbox.mailbox) == 100 and len(texts_of(sandbox)) > 0

    await until(all_mails_and_a_text)
    assert len(texts_of(sandbox)) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_rates_are_shared_by_workers_and_kept_without_redis(runtime: Runtime) -> None:
    async def granted(*workers: RateLimits) -> int:
        messages = 0
        for worker in workers:
            await worker.fill(1, SLOW, 4)
            while worker.spend(1, SLOW, 1):
                messages += 1
        return messages

    first, two = RateLimits(runtime.redis, "one"), RateLimits(runtime.redis, "two")
    assert await granted(first, two) == 1
    assert two.wait(1) > 0
    for seconds, messages in ((50, 0), (60, 1), (1000, 1)):  # after a long pause no more than after a short one
        at = float(await runtime.redis.execute_command("HGET", "muster:pace:1", "at"))
        await runtime.redis.execute_command("HSET", "muster:pace:1", "at", at - seconds)
        assert await granted(first, two) == messages
    await runtime.redis.aclose()
    lost = RateLimits(type(runtime.redis).from_url("redis://127.0.0.1:1/0"), "three")
    assert await granted(lost) == 0
    for seconds, messages in ((400, 0), (500, 1)):  # an eighth of the pace: it never saw how many workers there are
        lost._sender(1).filled_at -= seconds
        assert await granted(lost) == messages


async def test_a_relay_that_is_away_costs_no_message(runtime: Runtime, sandbox: Sandbox, unused_tcp_port: int) -> None:
    away = with_sandbox(runtime.settings, sandbox, smtp_url=SecretStr(f"smtp://127.0.0.1:{unused_tcp_port}"))
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(50))
        async with open_channels(away, runtime.http) as channels:
            dispatcher = Dispatcher(runtime, channels)
            running = asyncio.create_task(dispatcher.run())

            async def tried() -> bool:
                return bool(await db.fetchval("select count(*) > 0 from message where reason = 'not_reached'"))

            await until(tried)
            dispatcher.stop()
            assert (await running).accepted == 0
        assert await states(db, step) == {"queued": 50}
        assert await db.fetchval("select max(attempt) from message") < 5
        await db.execute("update queue set not_before = now()")
    assert (await deliver(runtime)).accepted == 50
    assert received(sandbox) == Counter(mailboxes(50))


async def test_a_killed_worker_leaves_at_most_twice_its_connections_unknown(
    runtime: Runtime, sandbox: Sandbox, tmp_path: Path
) -> None:
    connections, total = 4, 3000
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", mailboxes(total))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).parents[2] / "support" / "outbox_worker.py"),
        runtime.settings.database_url or "",
        runtime.settings.redis_url or "", sandbox.smtp_url, str(connections),
        cwd=Path(__file__).parents[3],
    )  # fmt: skip

    async def well_under_way() -> bool:
        return len(sandbox.mailbox) > 300

    await until(well_under_way)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    at_kill = received(sandbox)
    async with runtime.pool.acquire() as db:
        counts = await states(db, step)
        on_wire = await db.fetchval("select count(*) from in_flight where wire_at is not null")
        assert on_wire <= 2 * connections
        assert counts["accepted"] <= sum(at_kill.values()) <= counts["accepted"] + on_wire
        assert counts["accepted"] < total
    async with open_dispatcher(runtime) as dispatcher:
        await dispatcher.run()  # what the dead one still has is left alone
        async with runtime.pool.acquire() as db:
            await stop_hearts(db)
        reconciled = await reconcile_steadily(runtime, dispatcher.channels, settle=0)
        assert reconciled.ambiguous == on_wire
        await dispatcher.run()
    after = received(sandbox)
    assert set(after) == set(mailboxes(total))
    doubled = [address for address, times in after.items() if times > 1]
    assert len(doubled) <= on_wire
    async with runtime.pool.acquire() as db:
        assert await states(db, step) == {"accepted": total}
        known = await db.fetch(
            "select m.address from message m join message_event e using (message_id) where e.state = 'ambiguous'"
        )
        assert set(doubled) <= {row["address"] for row in known}
    for address in doubled:
        assert len({mail.message_id for mail in sandbox.mailbox.to(address)}) == 1
