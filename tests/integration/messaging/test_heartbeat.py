"""Heartbeats: when a worker is declared lost and by whom, and that a worker in doubt sends nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from structlog.testing import capture_logs

from core.db import Connection
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.channels.channel import Accepted, Channel, OutboundEmail, OutboundText, Withheld
from messaging.channels.smtp.channel import SmtpChannel
from messaging.channels.twilio.channel import TwilioChannel
from messaging.channels.vonage.channel import VonageChannel
from messaging.outbox.claim import claim
from messaging.outbox.heartbeat import LEASE_LASTS, Heartbeat
from messaging.outbox.reconcile import MAX_SETTLED, SQL, ReconcileCounts, reconcile
from sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.postmaster import MailConditions
from tests.support.outbox_rows import (
    NOON,
    SMS_FROM,
    add_messages,
    add_step,
    dispatcher,
    events,
    open_dispatcher,
    states,
    stop_hearts,
    with_sandbox,
)
from tests.support.two_providers import VONAGE_FROM, with_vonage
from tests.support.waiting import until

ANN = "+447700900123"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def runtime(settings: Settings, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    async with open_runtime(with_sandbox(settings, sandbox), pool_size=8) as opened:
        await opened.redis.flushdb()
        yield opened


async def claimed(db: Connection, name: str) -> int:
    """A message that a worker has taken; the worker."""
    step = await add_step(db)
    await add_messages(db, step, "sms", [ANN])
    holder = await dispatcher(db, name)
    await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=holder)
    return holder


async def silent_for(db: Connection, dispatcher_id: int, seconds: float) -> None:
    """A worker that was last heard of so long ago."""
    await db.execute(
        "update dispatcher set until = clock_timestamp() + ($2::float8 - $3::float8) * interval '1 second'"
        " where dispatcher_id = $1",
        dispatcher_id, LEASE_LASTS, seconds,
    )  # fmt: skip


async def steady_for(db: Connection, dispatcher_id: int, seconds: float) -> None:
    await db.execute(
        "update dispatcher set steady_since = clock_timestamp() - $2::float8 * interval '1 second'"
        " where dispatcher_id = $1",
        dispatcher_id, seconds,
    )  # fmt: skip


async def test_only_a_worker_steady_for_a_lease_declares_others_lost(runtime: Runtime, db: Connection) -> None:
    dead = await claimed(db, "dead")
    await silent_for(db, dead, 60)
    dispatcher_id = await dispatcher(db, "reconciler")
    assert await reconcile(runtime, dispatcher_id=None) == ReconcileCounts(), (
        "a worker without a heartbeat declares nobody lost"
    )
    assert await reconcile(runtime, dispatcher_id=dispatcher_id) == ReconcileCounts(), (
        "a new worker declares nobody lost"
    )
    await steady_for(db, dispatcher_id, LEASE_LASTS - 1)
    assert await reconcile(runtime, dispatcher_id=dispatcher_id) == ReconcileCounts()
    await steady_for(db, dispatcher_id, LEASE_LASTS + 1)
    assert (await reconcile(runtime, dispatcher_id=dispatcher_id)).returned == 1


async def test_after_an_outage_no_worker_is_declared_lost(runtime: Runtime, db: Connection) -> None:
    """All heartbeats stopped together, the reconciler's too; its first one afterwards does not make it steady."""
    step = await add_step(db)
    await add_messages(db, step, "sms", [ANN])
    heartbeat, other = Heartbeat(runtime, "one"), Heartbeat(runtime, "two")
    async with heartbeat.run(), other.run():
        first_id = await heartbeat.enter(db)
        holder = await other.enter(db)
        await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=holder)
        for steady in (first_id, holder):
            await steady_for(db, steady, 600)
            await silent_for(db, steady, 50)
        assert await reconcile(runtime, dispatcher_id=first_id) == ReconcileCounts(), (
            "its own heartbeat is as old as the others'"
        )
        assert await heartbeat._beat_once()
        assert await reconcile(runtime, dispatcher_id=first_id) == ReconcileCounts(), "it has only just beaten again"
        assert await other._beat_once()
        await steady_for(db, first_id, LEASE_LASTS + 1)
        assert await reconcile(runtime, dispatcher_id=first_id) == ReconcileCounts(), "and by now the other has, too"
        assert other.holds(holder)
    assert await states(db, step) == {"sending": 1}


async def test_a_heartbeat_is_steady_until_it_misses_half_a_lease(runtime: Runtime, db: Connection) -> None:
    heartbeat = Heartbeat(runtime, "one")
    async with heartbeat.run():
        first_id = await heartbeat.enter(db)
        for silence, steady in ((6.0, True), (9.0, False)):
            await steady_for(db, first_id, 600)
            await silent_for(db, first_id, silence)
            assert await heartbeat._beat_once()
            since = await db.fetchval(
                "select clock_timestamp() - steady_since from dispatcher where dispatcher_id = $1", first_id
            )
            assert (since.total_seconds() > 500) is steady


async def test_unknown_outcomes_wait_until_the_reconciler_is_steady(runtime: Runtime, db: Connection) -> None:
    """After an outage the workers that live get time to write down what came of their last messages."""
    step = await add_step(db)
    (only,) = await add_messages(db, step, "email", ["a@x.test"])
    await db.execute(
        "update message set state = 'ambiguous', reason = 'no_answer', changed_at = now() - interval '1 hour'"
    )
    dispatcher_id = await dispatcher(db, "reconciler")
    assert await reconcile(runtime, dispatcher_id=dispatcher_id) == ReconcileCounts()
    await steady_for(db, dispatcher_id, LEASE_LASTS + 1)
    assert (await reconcile(runtime, dispatcher_id=dispatcher_id)).again == 1
    assert (await events(db, only))[-1] == ("queued", "reconcile", "no_answer")


async def test_messages_of_a_lost_worker_are_as_old_as_its_loss(db: Connection) -> None:
    """Not as old as its transaction: where the server stood still meanwhile, it would be settled at once."""
    dead = await claimed(db, "dead")
    await db.execute("update in_flight set wire_at = now()")
    dispatcher_id = await dispatcher(db, "reconciler")
    await steady_for(db, dispatcher_id, 60)
    await silent_for(db, dead, 60)
    async with db.transaction():
        began = await db.fetchval("select now()")
        row = await db.fetchrow(SQL["free_lost"], MAX_SETTLED, dispatcher_id, LEASE_LASTS)
        assert row is not None
        assert row["ambiguous"] == 1
        assert await db.fetchval("select changed_at from message") > began


async def beats(db: Connection, heartbeat: Heartbeat) -> None:
    """Wait for one more heartbeat, as the server counts them."""
    lease = "select until from dispatcher where dispatcher_id = $1"
    before = await db.fetchval(lease, heartbeat.dispatcher_id)

    async def again() -> bool:
        return bool(await db.fetchval(lease, heartbeat.dispatcher_id) != before)

    await until(again)


@pytest.mark.parametrize("trouble", ["read only", "unforeseen"])
async def test_a_heartbeat_outlives_every_error_and_logs_it(
    runtime: Runtime, db: Connection, owner: Connection, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A failover to a standby, and a statement that fails as nobody foresaw."""
    monkeypatch.setattr("messaging.outbox.heartbeat.BEAT_EVERY", 0.05)
    heartbeat = Heartbeat(runtime, "one")
    with capture_logs() as logs:
        async with heartbeat.run():
            await heartbeat.enter(db)
            await beats(db, heartbeat)
            if trouble == "read only":
                await (await heartbeat._connection.get()).execute("set default_transaction_read_only = on")
            else:
                await owner.execute("alter table dispatcher rename to lost")

            async def met() -> bool:
                return any("server is away" in line["event"] or "refuses" in line["event"] for line in logs)

            await until(met)
            if trouble == "unforeseen":
                await owner.execute("alter table lost rename to dispatcher")
            await beats(db, heartbeat)
            assert heartbeat.is_sure


async def test_an_ended_heartbeat_begins_again_with_the_next_claim(runtime: Runtime, db: Connection) -> None:
    heartbeat = Heartbeat(runtime, "one")
    async with heartbeat.run():
        first = await heartbeat.enter(db)
        ended = heartbeat._beating
        assert ended is not None
        ended.cancel()
        await asyncio.wait([ended])
        assert await heartbeat.enter(db) == first
        assert heartbeat._beating is not ended


async def test_a_worker_has_a_heartbeat_without_messages(runtime: Runtime, db: Connection) -> None:
    heartbeat = Heartbeat(runtime, "idle")
    async with heartbeat.while_alive():

        async def is_there() -> bool:
            return heartbeat.dispatcher_id is not None

        await until(is_there)
        assert heartbeat.is_sure
    row = await db.fetchrow("select gone_at, lost from dispatcher where name = 'idle'")
    assert row is not None
    assert (row["gone_at"] is not None, row["lost"]) == (True, False)


async def test_messages_that_could_not_be_handed_back_are_released(runtime: Runtime, db: Connection) -> None:
    heartbeat = Heartbeat(runtime, "one")
    async with heartbeat.while_alive():
        first = await heartbeat.enter(db)
        heartbeat.give_up_claims()
        assert not heartbeat.holds(first)
        assert await heartbeat.enter(db) != first


@pytest.mark.parametrize("channel", ["email", "twilio", "vonage"])
async def test_messages_of_other_workers_are_not_handed_over(runtime: Runtime, sandbox: Sandbox, channel: str) -> None:
    """The last look comes right before the text or the request, and the next one goes as ever."""
    settings = with_vonage(runtime.settings, sandbox)
    asked: list[bool] = []

    def not_ours() -> bool:
        asked.append(True)
        return False

    async with aiohttp.ClientSession() as http:
        open_channel: dict[str, Callable[[], Channel]] = {
            "email": lambda: SmtpChannel(settings),
            "twilio": lambda: TwilioChannel(settings, http),
            "vonage": lambda: VonageChannel(settings, http),
        }
        sender = open_channel[channel]()
        for still_ours, outcome in ((not_ours, Withheld), (lambda: True, Accepted), (not_ours, Withheld)):
            outbound: OutboundEmail | OutboundText
            if channel == "email":
                outbound = OutboundEmail(
                    1, "b+1-abc@union.test", "ann@x.test", b"Subject: Hi\r\n\r\nHi\r\n", still_ours
                )
            else:
                number = SMS_FROM if channel == "twilio" else VONAGE_FROM
                outbound = OutboundText(1, number, ANN, "Have you voted?", "1-abc", 1, still_ours=still_ours)
            assert isinstance(await sender.send(outbound), outcome)
        await sender.close()
    taken = {
        "email": lambda: len(sandbox.mailbox),
        "twilio": lambda: len(sandbox.twilio.messages),
        "vonage": lambda: len(sandbox.vonage.messages),
    }[channel]()
    assert (taken, len(asked)) == (1, 2)


async def test_a_stalled_worker_hands_back_its_messages(settings: Settings, db: Connection) -> None:
    """A slow relay: the conversation is before its text when the heartbeat stops, and goes on too late."""
    async with (
        open_sandbox(SandboxConfig(mail=MailConditions(callout=0.5))) as slow,
        open_runtime(with_sandbox(settings, slow), pool_size=8) as runtime,
    ):
        await stand_still(runtime, db, slow)


async def stand_still(runtime: Runtime, db: Connection, sandbox: Sandbox) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    (only,) = await add_messages(db, step, "email", ["a@x.test"])
    async with open_dispatcher(runtime) as sender:
        running = asyncio.create_task(sender.run(until_idle=True))

        async def marked() -> bool:
            return bool(await db.fetchval("select wire_at is not null from in_flight"))

        await until(marked)
        sender._heartbeat._confirmed_at -= LEASE_LASTS
        done = await running
    assert (done.handed_back, done.accepted) == (1, 1)
    assert len(sandbox.mailbox) == 1
    codes = [code for _, _, code in await events(db, only)]
    assert codes.count("handed_back") == 1


async def test_a_lost_worker_has_an_alert_until_it_returns_or_an_hour_has_passed(
    runtime: Runtime, db: Connection
) -> None:
    dispatcher_id = await dispatcher(db, "reconciler")
    await steady_for(db, dispatcher_id, 60)
    for name in ("host-1", "host-2"):
        await silent_for(db, await dispatcher(db, name), 60)

    async def told() -> str | None:
        await reconcile(runtime, dispatcher_id=dispatcher_id)
        title: str | None = await db.fetchval("select title from alert where key = 'workers' and resolved_at is null")
        return title

    assert await told() == "2 workers stopped without finishing: host-1, host-2."
    assert await db.fetchval("select times from alert where key = 'workers'") == 1
    await dispatcher(db, "host-1")
    assert await told() == "A worker stopped without finishing: host-2."
    await db.execute("update dispatcher set gone_at = gone_at - interval '61 minutes' where name = 'host-2'")
    assert await told() is None


async def test_a_worker_that_stopped_in_order_raises_no_alert(runtime: Runtime, db: Connection) -> None:
    dispatcher_id = await dispatcher(db, "reconciler")
    await steady_for(db, dispatcher_id, 60)
    heartbeat = Heartbeat(runtime, "host-1")
    async with heartbeat.run():
        await heartbeat.enter(db)
    await reconcile(runtime, dispatcher_id=dispatcher_id)
    assert await db.fetchval("select count(*) from alert") == 0


async def test_all_heartbeats_may_stop_at_once(runtime: Runtime, db: Connection) -> None:
    await claimed(db, "dead")
    dispatcher_id = await dispatcher(db, "reconciler")
    await steady_for(db, dispatcher_id, 60)
    await stop_hearts(db)
    assert await reconcile(runtime, dispatcher_id=dispatcher_id) == ReconcileCounts()


async def test_a_worker_taken_for_lost_claims_anew(
    settings: Settings, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.outbox.heartbeat.BEAT_EVERY", 0.2)
    async with (
        open_sandbox(SandboxConfig(mail=MailConditions(latency=0.05))) as sandbox,
        open_runtime(with_sandbox(settings, sandbox), pool_size=8) as runtime,
        open_dispatcher(runtime) as sender,
    ):
        step = await add_step(db, secret=runtime.keyring.current)
        await add_messages(db, step, "email", [f"m{n}@x.test" for n in range(150)])
        running = asyncio.create_task(sender.run(until_idle=False))

        async def under_way() -> bool:
            return len(sandbox.mailbox) > 10

        await until(under_way)
        await db.execute("update dispatcher set gone_at = clock_timestamp()")

        async def all_dealt_with() -> bool:
            await reconcile(runtime, dispatcher_id=None)
            counts = await states(db, step)
            return counts.get("accepted", 0) + counts.get("ambiguous", 0) == 150

        await until(all_dealt_with)
        sender.stop()
        await running
        assert await db.fetchval("select count(*) from dispatcher") == 2
        unknown = await db.fetchval("select count(*) from message_event where state = 'ambiguous'")
        assert unknown <= 8, "at most twice its connections"
        assert len(sandbox.mailbox) == len({mail.recipients for mail in sandbox.mailbox})
