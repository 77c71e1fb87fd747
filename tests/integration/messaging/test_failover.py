"""Two providers and the outbox, with real servers: one text each, by a working provider, whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from core.alerts import open_alerts
from core.db import Connection
from core.errors import SettingsError
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.channels import Channel, open_channels
from messaging.channels.breaker import MAX_FAILURES, MAX_PAUSE
from messaging.channels.failover import FailoverChannel
from messaging.channels.twilio.channel import TwilioChannel
from messaging.outbox.claim import claim
from messaging.outbox.dispatcher import DispatchCounts, Dispatcher
from messaging.outbox.manual_review import settle_held
from messaging.outbox.outcomes import Intent, record_outcomes
from messaging.outbox.reconcile import ReconcileCounts
from muster.app import make_app
from muster.operator import operator
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.clocks import MonotonicClock
from tests.support.outbox_rows import (
    NOON,
    Step,
    add_messages,
    add_step,
    dispatcher,
    events,
    message,
    reconcile_steadily,
    states,
    stop_hearts,
)
from tests.support.two_providers import VONAGE_FROM, both, by_either, by_twilio, by_vonage, with_vonage
from tests.support.waiting import until
from webhooks import process_inbound

ANN = "+447700900123"
MANY = 60
UNKNOWN_AT_MOST = MAX_FAILURES + 4
"""Until a provider is left out: as many as that takes, and one more on each connection."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def runtime(settings: Settings, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    async with open_runtime(with_vonage(settings, sandbox), pool_size=8) as opened:
        await opened.redis.flushdb()
        yield opened


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


def numbers(count: int, first: int = 0) -> list[str]:
    return [f"+4477001{first + n:05}" for n in range(count)]


async def deliver(runtime: Runtime, channels: dict[str, Channel]) -> DispatchCounts:
    return await Dispatcher(runtime, channels).run(until_idle=True)


def with_settings(runtime: Runtime, **more: object) -> Runtime:
    return replace(runtime, settings=runtime.settings.model_copy(update=more))


async def queue(runtime: Runtime, db: Connection, count: int = MANY, first: int = 0) -> tuple[Step, list[int]]:
    step = await add_step(db, campaign_id=first + 1, secret=runtime.keyring.current)
    return step, await add_messages(db, step, "sms", numbers(count, first), first_person=first + 1)


def weather(sandbox: Sandbox, **twilio: float) -> None:
    sandbox.twilio.config = replace(sandbox.twilio.config, **twilio)  # type: ignore[arg-type]


# ---- down


async def test_where_the_first_provider_is_away_all_texts_go_once_by_the_second(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock, unused_tcp_port: int
) -> None:
    away = with_settings(runtime, twilio_base_url=f"http://127.0.0.1:{unused_tcp_port}")
    step, ids = await queue(away, db)
    delivered = await deliver(away, both(away, clock))
    assert (delivered.accepted, delivered.failed, delivered.ambiguous) == (MANY, 0, 0)
    assert by_vonage(sandbox) == Counter(numbers(MANY))
    assert by_twilio(sandbox) == Counter()
    assert await states(db, step) == {"accepted": MANY}
    row = await message(db, ids[0])
    assert (row["provider"], row["sent_from"]) == ("vonage", VONAGE_FROM)
    assert {message.sender for message in sandbox.vonage.messages} == {VONAGE_FROM}
    rows_stored = await events(db, ids[0])
    assert rows_stored[-1] == ("accepted", "vonage", "202")
    assert ("queued", "twilio", "not_reached") in rows_stored
    [alert] = await open_alerts(db)
    assert (alert.key, alert.severity) == ("provider:twilio", "warning")


async def test_a_refused_account_costs_no_message_and_raises_an_alert(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock
) -> None:
    refused = with_settings(runtime, twilio_auth_token=(SecretStr("wrong"),))
    step, _ = await queue(refused, db)
    delivered = await deliver(refused, both(refused, clock))
    assert (delivered.accepted, delivered.failed) == (MANY, 0)
    assert by_vonage(sandbox) == Counter(numbers(MANY))
    assert await states(db, step) == {"accepted": MANY}
    [alert] = await open_alerts(db)
    assert (alert.key, alert.severity) == ("provider:twilio", "error")
    assert "refused our account" in alert.title
    assert "Texts go by Vonage" in alert.title
    assert await db.fetchval("select count(*) from sender where paused_reason is not null") == 0


async def test_traffic_returns_when_the_first_has_recovered(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock
) -> None:
    channels = both(runtime, clock)
    weather(sandbox, busy=1.0)
    await queue(runtime, db)
    assert (await deliver(runtime, channels)).accepted == MANY
    assert by_vonage(sandbox) == Counter(numbers(MANY))
    assert [alert.key for alert in await open_alerts(db)] == ["provider:twilio"]
    weather(sandbox, busy=0.0)
    clock.now += MAX_PAUSE
    await queue(runtime, db, first=1000)
    assert (await deliver(runtime, channels)).accepted == MANY
    assert by_either(sandbox) == Counter(numbers(MANY) + numbers(MANY, 1000))
    # what was marked before the probe had come back still went by the second
    assert by_twilio(sandbox).total() >= MANY - 2 * 4
    assert await open_alerts(db) == []


# ---- silence


async def test_a_text_the_first_provider_may_have_never_goes_by_the_second(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock
) -> None:
    channels = both(runtime, clock)
    weather(sandbox, dropped=1.0)  # accepted, and then the connection drops
    step, _ = await queue(runtime, db)
    delivered = await deliver(runtime, channels)
    assert MAX_FAILURES <= delivered.ambiguous <= UNKNOWN_AT_MOST
    assert delivered.accepted == MANY - delivered.ambiguous
    assert by_either(sandbox) == Counter(numbers(MANY))
    reconciled = await reconcile_steadily(runtime, channels, settle=0)
    assert (reconciled.traced, reconciled.again, reconciled.held_for_staff) == (delivered.ambiguous, 0, 0)
    assert await states(db, step) == {"accepted": MANY}
    assert (await deliver(runtime, channels)).accepted == 0
    assert by_either(sandbox) == Counter(numbers(MANY))
    providers = await db.fetch("select provider, count(*) as n from message group by provider")
    assert {row["provider"]: row["n"] for row in providers} == {
        "twilio": by_twilio(sandbox).total(),
        "vonage": by_vonage(sandbox).total(),
    }


async def test_a_text_the_first_provider_never_had_goes_by_a_working_one(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock
) -> None:
    channels = both(runtime, clock)
    weather(sandbox, broken=1.0)  # 500, and nothing stored
    step, _ = await queue(runtime, db)
    delivered = await deliver(runtime, channels)
    assert MAX_FAILURES <= delivered.ambiguous <= UNKNOWN_AT_MOST
    assert (await reconcile_steadily(runtime, channels, settle=0)).again == delivered.ambiguous
    assert (await deliver(runtime, channels)).accepted == delivered.ambiguous
    assert by_vonage(sandbox) == Counter(numbers(MANY))
    assert by_twilio(sandbox) == Counter()
    assert await states(db, step) == {"accepted": MANY}


async def test_a_provider_without_a_list_leaves_it_to_the_receipt_or_a_person(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock, unused_tcp_port: int
) -> None:
    sandbox.vonage.config = replace(sandbox.vonage.config, reports=False)
    away = with_settings(runtime, twilio_base_url=f"http://127.0.0.1:{unused_tcp_port}")
    step = await add_step(db, secret=away.keyring.current)
    taken, lost = "+447700900932", "+447700900931"  # 500 although accepted; 500, nothing stored
    ids = await add_messages(db, step, "sms", [taken, lost])
    channels = both(away, clock)
    assert (await deliver(away, channels)).ambiguous == 2
    assert await reconcile_steadily(away, channels, settle=0) == ReconcileCounts()
    assert await states(db, step) == {"ambiguous": 2}
    assert (await reconcile_steadily(away, channels, settle=0, receipt_timeout=0)).held_for_staff == 2
    assert (await events(db, ids[1]))[-1] == (None, "reconcile", "held")
    assert "held" in {alert.key for alert in await open_alerts(db)}
    assert await reconcile_steadily(away, channels, settle=0, receipt_timeout=0) == ReconcileCounts()
    # the receipt of the one that was taken comes at last, and settles it; the other one is a person's to decide
    async with TestServer(make_app(away)) as web:
        (sent,) = sandbox.vonage.sent_to(taken)
        await sandbox.vonage.notify(replace(sent, webhook=str(web.make_url("/webhooks/vonage/status"))), "delivered")
    await process_inbound(away, 10)
    assert (await message(db, ids[0]))["state"] == "delivered"
    assert await settle_held(db, again=True, actor=operator("ann"), now=NOON) == 1
    assert (await message(db, ids[1]))["state"] == "queued"


async def test_outcomes_in_vonages_records_are_settled_by_them(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock, unused_tcp_port: int
) -> None:
    away = with_settings(runtime, twilio_base_url=f"http://127.0.0.1:{unused_tcp_port}")
    step = await add_step(db, secret=away.keyring.current)
    (only,) = await add_messages(db, step, "sms", ["+447700900940"])  # accepted, then the connection drops
    channels = both(away, clock)
    assert (await deliver(away, channels)).ambiguous == 1
    assert (await reconcile_steadily(away, channels, settle=0)).traced == 1
    row = await message(db, only)
    assert (row["state"], row["provider_id"]) == ("accepted", sandbox.vonage.messages[0].uuid)


async def test_a_provider_that_is_away_delays_no_look_up_at_another(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock, unused_tcp_port: int
) -> None:
    step, ids = await queue(runtime, db, 40)
    await db.execute(
        "update message set state = 'ambiguous', attempt = 1, wire_at = now(), provider = 'vonage',"
        " changed_at = now() - interval '1 hour'"
    )
    await db.execute("update message set provider = 'twilio', changed_at = now() where message_id = $1", ids[-1])
    away = with_settings(runtime, vonage_base_url=f"http://127.0.0.1:{unused_tcp_port}")
    assert (await reconcile_steadily(away, both(away, clock), settle=0)).again == 1
    assert await states(db, step) == {"ambiguous": 39, "queued": 1}


async def test_a_worker_that_is_killed_leaves_the_name_of_the_provider_to_ask(
    runtime: Runtime, db: Connection, sandbox: Sandbox
) -> None:
    step, (only,) = await queue(runtime, db, 1)
    taken = await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))
    intents = [
        Intent(message.message_id, message.attempt, None, None, "vonage", VONAGE_FROM) for message in taken.messages
    ]
    await record_outcomes(db, [], intents, source="sms", now=NOON)
    await stop_hearts(db)
    assert (await reconcile_steadily(runtime)).ambiguous == 1
    # Vonage has been taken out of the settings meanwhile: Twilio's list says nothing about it
    async with open_channels(with_settings(runtime, vonage_api_key=None).settings, runtime.http) as channels:
        assert isinstance(channels["sms"], TwilioChannel)
        assert (await reconcile_steadily(runtime, channels, settle=0, receipt_timeout=0)).held_for_staff == 1
    assert (await message(db, only))["state"] == "ambiguous"


async def test_a_killed_worker_loses_and_doubles_no_text(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock, tmp_path: Path
) -> None:
    total, connections = 600, 4
    weather(sandbox, busy=0.4, dropped=0.01)  # so that both are at it, and some outcomes are unknown anyhow
    step, _ = await queue(runtime, db, total)
    settings = runtime.settings
    assert settings.secret_key
    environment = {
        **os.environ,
        **sandbox.environment,
        **sandbox.second_provider,
        "MUSTER_DATABASE_URL": settings.database_url or "",
        "MUSTER_REDIS_URL": settings.redis_url or "",
        "MUSTER_SECRET_KEY": settings.secret_key[0].get_secret_value(),
        "MUSTER_PUBLIC_URL": settings.public_url,
        "MUSTER_SMS_FROM": settings.sms_from or "",
        "MUSTER_VONAGE_SMS_FROM": VONAGE_FROM,
        "MUSTER_SMS_CONNECTIONS": str(connections),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parents[2] / "support" / "two_providers_worker.py"),
        cwd=tmp_path,
        env=environment,
    )

    async def well_under_way() -> bool:
        return by_either(sandbox).total() > 100 and bool(by_vonage(sandbox)) and bool(by_twilio(sandbox))

    try:
        await until(well_under_way, seconds=60)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    assert by_either(sandbox).total() < total
    on_wire = "select count(*) from in_flight where wire_at is not null"
    assert await db.fetchval(on_wire) <= 2 * connections
    nameless = "select count(*) from in_flight where wire_at is not null and provider is null"
    assert await db.fetchval(nameless) == 0
    await stop_hearts(db)
    weather(sandbox, busy=0.0, dropped=0.0)
    channels = both(runtime, clock)
    clock.now += MAX_PAUSE

    async def settled() -> bool:
        await reconcile_steadily(runtime, channels, settle=0, receipt_timeout=0)
        await deliver(runtime, channels)
        left: int = await db.fetchval("select count(*) from message where state <> 'accepted' and reason <> 'held'")
        return left == 0

    await until(settled, seconds=60)
    # at Vonage what is not among the records is nobody's to send again but a person's; here we can look
    held = {row["address"] for row in await db.fetch("select address from message where reason = 'held'")}
    assert len(held) <= 2 * connections
    assert not held & set(by_vonage(sandbox))
    await settle_held(db, again=True, actor=operator("ann"), now=runtime.clock())
    await deliver(runtime, channels)
    assert await states(db, step) == {"accepted": total}
    assert by_either(sandbox) == Counter(numbers(total))


async def test_a_text_accepted_without_an_answer_stays_with_its_provider(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock
) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    (only,) = await add_messages(db, step, "sms", ["+447700900944"])  # accepted, then hangs for a minute
    channels = both(runtime, clock, timeout=0.5)
    assert (await deliver(runtime, channels)).ambiguous == 1
    assert (await deliver(runtime, channels)).accepted == 0
    assert (await reconcile_steadily(runtime, channels, settle=0)).traced == 1
    assert by_either(sandbox) == by_twilio(sandbox) == Counter({"+447700900944": 1})
    assert (await message(db, only))["state"] == "accepted"


# ---- the whole way


async def test_receipts_of_both_providers_find_their_messages(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock, unused_tcp_port: int
) -> None:
    near = with_settings(runtime, public_url=f"http://127.0.0.1:{unused_tcp_port}")
    step, _ = await queue(near, db)

    async def all_delivered() -> bool:
        await process_inbound(near, 1000)
        return await states(db, step) == {"delivered": MANY}

    async with TestServer(make_app(near), port=unused_tcp_port):
        weather(sandbox, busy=0.5)
        await deliver(near, both(near, clock))
        await until(all_delivered)
        await sandbox.idle()
    assert by_either(sandbox) == Counter(numbers(MANY))
    assert by_vonage(sandbox)
    assert by_twilio(sandbox)
    assert dict(sandbox.vonage.webhooks.answers).keys() == {"2xx"}
    sources = {row["source"] for row in await db.fetch("select distinct source from message_event")}
    assert {"twilio", "vonage"} <= sources


async def test_settings_set_up_one_provider_or_several(runtime: Runtime, settings: Settings, sandbox: Sandbox) -> None:
    two = runtime.settings
    async with open_channels(two, runtime.http) as channels:
        assert isinstance(channels["sms"], FailoverChannel)
    async with open_channels(two.model_copy(update={"sms_providers": "twilio"}), runtime.http) as channels:
        assert isinstance(channels["sms"], TwilioChannel)
    lacking = two.model_copy(update={"sms_providers": "twilio,vonage", "vonage_api_key": None})
    with pytest.raises(SettingsError, match="MUSTER_SMS_PROVIDERS names vonage"):
        async with open_channels(lacking, runtime.http):
            pass


async def test_two_workers_with_two_providers_never_send_twice(
    runtime: Runtime, db: Connection, sandbox: Sandbox, clock: MonotonicClock
) -> None:
    weather(sandbox, busy=0.3)
    step, _ = await queue(runtime, db, 200)
    await asyncio.gather(*(deliver(runtime, both(runtime, clock)) for _ in range(2)))

    async def all_gone() -> bool:
        await deliver(runtime, both(runtime, clock))
        return await states(db, step) == {"accepted": 200}

    await until(all_gone, seconds=60)
    assert by_either(sandbox) == Counter(numbers(200))
