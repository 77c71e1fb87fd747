"""A worker runs its jobs when woken, without being woken, and without Redis; and stops without losing anything."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from ballots.ballots import create_ballot
from campaigns.campaigns import create_campaign
from campaigns.launch import launch
from core.runtime import Runtime
from messaging.outbox.schedule import CLAIM_SIZE
from muster.operator import operator
from muster.worker import DELIVER_CHANNEL, QUEUE, ArqWake, open_arq
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.effort import effort_of_async
from tests.support.electorate import add_person, add_unit, ballot_spec, campaign_spec, connected
from tests.support.running_worker import NOWHERE, working
from tests.support.waiting import until


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
def muster(runtime: Runtime, sandbox: Sandbox) -> Runtime:
    """With the sandbox's mail server as its relay."""
    settings = runtime.settings.model_copy(update={"smtp_url": SecretStr(sandbox.smtp_url)})
    return replace(runtime, settings=settings)


async def launched(runtime: Runtime, people: int) -> None:
    """A campaign that has put one email for each of so many people into the outbox; its second step is not due."""
    today = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    dates = {
        "opens": (today - timedelta(days=2)).isoformat(),
        "closes": (today + timedelta(days=20)).isoformat(),
    }
    async with connected(runtime) as db:
        unit = await add_unit(db, "Leeds")
        for n in range(people):
            await add_person(db, f"M{n}", unit=unit, email=f"m{n}@union.example.com")
        await create_ballot(db, ballot_spec(**dates), actor=operator("staff"))
    steps = [
        {"template": "ballot-reminder", "channels": ["email"]},
        {"template": "ballot-last-days", "channels": ["email"], "when": {"after": "3 days"}},
    ]
    campaign = await create_campaign(runtime, campaign_spec(steps=steps), operator("staff"))
    await launch(runtime, campaign.campaign_id, operator("staff"))


async def states(runtime: Runtime) -> Counter[str]:
    rows = await runtime.pool.fetch("select state::text, count(*) as n from message group by 1")
    return Counter({row["state"]: row["n"] for row in rows})


def all_sent(runtime: Runtime, people: int) -> Callable[[], Awaitable[bool]]:
    async def sent() -> bool:
        counts = await states(runtime)
        return counts["accepted"] + counts["sent"] == people

    return sent


def recipients(sandbox: Sandbox) -> Counter[str]:
    return Counter(address for mail in sandbox.mailbox for address in mail.recipients)


def everybody_once(people: int) -> Counter[str]:
    return Counter(f"m{n}@union.example.com" for n in range(people))


async def test_a_worker_sends_due_messages_once(muster: Runtime, sandbox: Sandbox) -> None:
    await launched(muster, 60)
    async with working(muster):
        await until(all_sent(muster, 60))
    assert recipients(sandbox) == everybody_once(60)


async def test_moves_a_message_when_the_date_of_its_person_moves(muster: Runtime) -> None:
    visit = (datetime.now(UTC) + timedelta(days=9)).replace(second=0, microsecond=0)
    async with connected(muster) as db:
        await add_person(db, "M1", email="m1@union.example.com", visit_at=f"{visit:%Y-%m-%dT%H:%MZ}")
        await create_ballot(db, ballot_spec(opens="2026-01-01", closes="2199-01-01"), actor=operator("staff"))
    when = {"before": "24 hours", "of": "visit_at"}
    steps = [{"template": "ballot-reminder", "channels": ["email"], "when": when}]
    campaign = await create_campaign(muster, campaign_spec(steps=steps), operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))

    async def is_due(at: datetime) -> bool:
        return bool(await muster.pool.fetchval("select not_before = $1 from message", at))

    assert await is_due(visit - timedelta(days=1))
    async with working(muster):
        await muster.pool.execute(
            "update person set attributes = jsonb_build_object('visit_at', $1::text)",
            f"{visit + timedelta(days=2):%Y-%m-%dT%H:%MZ}",
        )
        await until(lambda: is_due(visit + timedelta(days=1)))


async def test_every_worker_heeds_a_wake_up_at_once(
    muster: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else tells them that there is something to send: they neither look by themselves nor by the clock."""
    monkeypatch.setattr("muster.worker.LOOK_EVERY", 3600.0)
    monkeypatch.setattr("muster.jobs.Jobs.tick", lambda _jobs: [])
    assert muster.settings.redis_url is not None
    async with working(muster), working(muster), ArqWake(muster.settings.redis_url) as wake:
        await until(listeners(muster.redis, 2))
        await launched(muster, 2 * CLAIM_SIZE)
        await wake("deliver")
        await until(all_sent(muster, 2 * CLAIM_SIZE))
    assert recipients(sandbox) == everybody_once(2 * CLAIM_SIZE)
    assert await muster.pool.fetchval("select count(distinct dispatcher_id) from message") == 2


def listeners(redis: Redis, count: int) -> Callable[[], Awaitable[bool]]:
    """Tell whether so many workers listen on the deliver channel."""

    async def listen() -> bool:
        return bool(await redis.pubsub_numsub(DELIVER_CHANNEL) == [(DELIVER_CHANNEL.encode(), count)])

    return listen


async def test_several_workers_share_the_work_and_send_each_message_once(muster: Runtime, sandbox: Sandbox) -> None:
    await launched(muster, 300)
    async with working(muster), working(muster), working(muster):
        await until(all_sent(muster, 300))
    assert recipients(sandbox) == everybody_once(300)


async def test_a_worker_works_without_redis(muster: Runtime, sandbox: Sandbox) -> None:
    lonely = replace(
        muster,
        redis=Redis.from_url(NOWHERE),
        settings=muster.settings.model_copy(update={"redis_url": NOWHERE}),
    )
    await launched(lonely, 20)
    async with working(lonely):
        await until(all_sent(lonely, 20))
    assert recipients(sandbox) == everybody_once(20)
    await lonely.redis.aclose()


@pytest.mark.parametrize("hears", [True, False])
async def test_steps_are_launched_by_the_clock_with_and_without_redis(
    muster: Runtime, sandbox: Sandbox, hears: bool
) -> None:
    await launched(muster, 3)
    url = muster.settings.redis_url if hears else NOWHERE
    runtime = replace(muster, settings=muster.settings.model_copy(update={"redis_url": url}))
    async with working(runtime):
        await until(all_sent(muster, 3))
        await muster.pool.execute("update step set after = '0 seconds' where position = 2")
        await until(all_sent(muster, 6))
    assert recipients(sandbox) == everybody_once(3) + everybody_once(3)


async def test_a_worker_goes_on_when_redis_loses_everything(muster: Runtime, sandbox: Sandbox) -> None:
    assert muster.settings.redis_url is not None
    async with working(muster), ArqWake(muster.settings.redis_url) as wake:
        await until(lambda: _heard(muster.redis))
        await until(listeners(muster.redis, 1))
        await muster.redis.flushall()
        for kind in ("normal", "pubsub"):
            await muster.redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        await launched(muster, 20)
        await until(all_sent(muster, 20))
        await until(lambda: _heard(muster.redis))
        await until(listeners(muster.redis, 1))
        await wake("inbound")
        await until(lambda: _nothing_queued(muster.redis))
    assert recipients(sandbox) == everybody_once(20)


async def test_a_worker_goes_on_beside_unreadable_jobs(muster: Runtime, sandbox: Sandbox) -> None:
    """The name of a job that is no text stops arq in a way nobody foresaw: the clock goes on, and so do wake-ups."""
    assert muster.settings.redis_url is not None
    with capture_logs() as logs:
        async with working(muster), ArqWake(muster.settings.redis_url) as wake:
            await until(lambda: _heard(muster.redis))
            await muster.redis.zadd(QUEUE, {b"\xff": 1})

            async def met() -> bool:
                return any(line.get("kind") == "UnicodeDecodeError" for line in logs)

            await until(met)
            await launched(muster, 3)
            await muster.pool.execute("update step set after = '0 seconds' where position = 2")  # the clock launches it
            await until(all_sent(muster, 6))
            await muster.redis.zrem(QUEUE, b"\xff")
            await wake("inbound")
            await until(lambda: _nothing_queued(muster.redis))
    assert recipients(sandbox) == everybody_once(3) + everybody_once(3)


async def _heard(redis: Redis) -> bool:
    """Tell whether a worker listens: the clock's jobs come and go."""
    return bool(await redis.keys("arq:in-progress:tick:*"))


async def _nothing_queued(redis: Redis) -> bool:
    return not await redis.exists("arq:job:inbound")


async def test_a_worker_stops_in_the_middle_without_losing_or_doubling_messages(
    muster: Runtime, sandbox: Sandbox
) -> None:
    await launched(muster, 400)
    async with working(muster):
        await until(lambda: _some_sent(sandbox))
    counts = await states(muster)
    assert not counts["sending"], "what was claimed was not handed back"
    assert not counts["ambiguous"], "what was in flight was not finished"
    assert recipients(sandbox).total() == counts["accepted"] + counts["sent"]
    async with working(muster):
        await until(all_sent(muster, 400))
    assert recipients(sandbox) == everybody_once(400)


async def _some_sent(sandbox: Sandbox) -> bool:
    return len(list(sandbox.mailbox)) > 20


async def test_the_process_stops_on_sigterm_with_status_0(muster: Runtime, sandbox: Sandbox) -> None:
    settings = muster.settings
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
        "MUSTER_DATABASE_URL": str(settings.database_url),
        "MUSTER_REDIS_URL": str(settings.redis_url),
        "MUSTER_SECRET_KEY": settings.secret_key[0].get_secret_value(),
        "MUSTER_PUBLIC_URL": settings.public_url,
        "MUSTER_SMTP_URL": sandbox.smtp_url,
        "MUSTER_LOG_FORMAT": "json",
    }
    await launched(muster, 300)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "muster", "worker", env=environment, stderr=asyncio.subprocess.PIPE
    )
    await until(lambda: _some_sent(sandbox))
    worker.send_signal(signal.SIGTERM)
    _, log = await asyncio.wait_for(worker.communicate(), 30)
    assert worker.returncode == 0, log
    counts = await states(muster)
    assert not counts["sending"]
    assert not counts["ambiguous"]
    assert recipients(sandbox).total() == counts["accepted"] + counts["sent"]
    assert b"union.example.com" not in log.replace("…@union.example.com".encode(), b"")


async def test_wake_ups_before_a_listener_are_merged(runtime: Runtime) -> None:
    assert runtime.settings.redis_url is not None
    async with ArqWake(runtime.settings.redis_url) as wake:
        await asyncio.gather(*(wake("inbound") for _ in range(50)))
    assert await runtime.redis.zrange(QUEUE, 0, -1) == [b"inbound"]


async def test_wake_ups_within_a_moment_are_merged(runtime: Runtime) -> None:
    assert runtime.settings.redis_url is not None
    async with runtime.redis.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(DELIVER_CHANNEL)
        assert await channel.get_message(timeout=5) is None  # that it listens
        async with ArqWake(runtime.settings.redis_url) as wake:
            await asyncio.gather(*(wake("deliver") for _ in range(50)))
        rang = 0
        while await channel.get_message(timeout=0.5):
            rang += 1
    assert rang in {1, 2}, "once at once, and once for those who asked meanwhile"


async def test_a_job_is_plain_json(runtime: Runtime) -> None:
    assert runtime.settings.redis_url is not None
    async with ArqWake(runtime.settings.redis_url) as wake:
        await wake("inbound")
    job = await runtime.redis.get("arq:job:inbound")
    assert orjson.loads(job)["f"] == "inbound"
    arq = open_arq(runtime.settings.redis_url)
    assert arq.job_deserializer is not None
    with pytest.raises(orjson.JSONDecodeError):
        arq.job_deserializer(pickle.dumps({"f": "inbound"}))
    await arq.aclose(close_connection_pool=True)


async def test_a_wake_up_requested_during_another_is_sent(runtime: Runtime) -> None:
    assert runtime.settings.redis_url is not None
    async with ArqWake(runtime.settings.redis_url) as wake:
        first = asyncio.create_task(wake("inbound"))
        await until(lambda: _queued(runtime.redis))
        await runtime.redis.delete("arq:job:inbound")  # heeded: what comes from here on is news
        await wake("inbound")
        await first
    assert await _queued(runtime.redis)


async def _queued(redis: Redis) -> bool:
    return bool(await redis.exists("arq:job:inbound"))


async def test_a_wake_up_that_failed_in_an_unforeseen_way_keeps_none_of_the_next_from_going(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.worker.LOOK_EVERY", 0.0)
    assert runtime.settings.redis_url is not None
    async with ArqWake(runtime.settings.redis_url) as wake:
        with monkeypatch.context() as broken:
            broken.setattr(wake._arq, "enqueue_job", lambda *_args, **_more: 1 / 0)
            await wake("inbound")
            while wake._sending:
                await asyncio.wait(wake._sending.values())
        await wake("inbound")
        await until(lambda: _queued(runtime.redis))


async def test_wake_ups_that_redis_does_not_take_cost_next_to_nothing() -> None:
    async def ring() -> None:
        async with ArqWake(NOWHERE) as wake:
            for _ in range(1000):
                await wake("deliver")
                await wake("inbound")

    assert await effort_of_async(ring) < 60
