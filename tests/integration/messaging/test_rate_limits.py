"""Rate limits, counted at arrival: never above rate and burst in any second, and close to the rate on the whole."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest

from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.states import State
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.outbox_rows import add_messages, add_step, events, open_dispatcher, states, with_sandbox
from tests.support.waiting import until

RATE = 100.0
BURST = 0.1
IN_HAND = 2 * 4
"""Messages that a worker may have recorded as on the wire and not yet sent: twice its connections."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def paced(settings: Settings, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    more = {"email_domain_pace": f"gmail.test+googlemail.test:{RATE:.0f}"}
    async with open_runtime(with_sandbox(settings, sandbox, **more), pool_size=12) as opened:
        await opened.redis.flushdb()
        yield opened


def busiest_second(times: Sequence[float]) -> int:
    """The most that arrived in any window of a second."""
    times = sorted(times)
    return max(sum(1 for time in times[first:] if time < times[first] + 1.0) for first in range(len(times)))


def rate(times: Sequence[float]) -> float:
    return (len(times) - 1) / (max(times) - min(times))


FULL = 0.8 * RATE
"""Least rate that shows that both workers use their shares: one alone has half. A busy machine may fall behind."""


async def send_by_two_workers(runtime: Runtime) -> None:
    async with open_dispatcher(runtime) as first, open_dispatcher(runtime) as two:
        await asyncio.gather(first.run(), two.run())


async def test_two_workers_keep_a_senders_rate_together(paced: Runtime, sandbox: Sandbox) -> None:
    async with paced.pool.acquire() as db:
        step = await add_step(db, secret=paced.keyring.current)
        await db.execute("update sender set pace = $1 where channel = 'email'", RATE)
        await add_messages(db, step, "email", [f"m{n}@example.test" for n in range(400)])
    await send_by_two_workers(paced)
    times = [mail.at for mail in sandbox.mailbox]
    assert len(times) == 400
    assert busiest_second(times) <= RATE * (1 + BURST) + 2 * IN_HAND
    assert rate(times) >= FULL


async def test_a_mail_provider_has_its_own_rate_and_delays_no_other(paced: Runtime, sandbox: Sandbox) -> None:
    slow = [f"m{n}@{'gmail' if n % 2 else 'googlemail'}.test" for n in range(300)]
    quick = [f"m{n}@example.test" for n in range(300)]
    async with paced.pool.acquire() as db:
        step = await add_step(db, secret=paced.keyring.current)
        ids = await add_messages(db, step, "email", [*slow, *quick])
    await send_by_two_workers(paced)
    async with paced.pool.acquire() as db:
        assert await states(db, step) == {State.ACCEPTED: 600}
        assert len(await events(db, ids[0])) == 3  # queued, taken, accepted: kept, not sent to and fro
    arrived = {mail.recipients[0]: mail.at for mail in sandbox.mailbox}
    assert len(arrived) == 600
    times = [arrived[address] for address in slow]
    assert busiest_second(times) <= RATE * (1 + BURST) + 2 * IN_HAND
    assert rate(times) >= FULL
    assert max(arrived[address] for address in quick) < sorted(times)[len(times) * 9 // 10], (
        "they waited for the slow ones"
    )


async def test_messages_for_a_slow_provider_go_back_until_their_turn(settings: Settings, sandbox: Sandbox) -> None:
    more = {"email_domain_pace": "slow.test:0.5"}
    async with open_runtime(with_sandbox(settings, sandbox, **more), pool_size=5) as runtime:
        async with runtime.pool.acquire() as db:
            step = await add_step(db, secret=runtime.keyring.current)
            await add_messages(db, step, "email", [f"m{n}@slow.test" for n in range(50)])
        async with open_dispatcher(runtime) as dispatcher:
            sending = asyncio.create_task(dispatcher.run())

            async def under_way() -> bool:
                return len(sandbox.mailbox) >= 2

            await until(under_way)
            dispatcher.stop()
            await sending
        async with runtime.pool.acquire() as db:
            counts = await states(db, step)
            assert counts["queued"] + counts["accepted"] == 50
            put_off = await db.fetch(
                "select not_before from message where reason = 'domain_pace' and not_before > now() order by not_before"
            )
            assert len(put_off) >= 30
            apart = [(two[0] - earlier[0]).total_seconds() for earlier, two in pairwise(put_off)]
            assert min(apart) > 0  # each has its own turn
            assert await db.fetchval("select count(*) from dispatcher where gone_at is null") == 0


async def test_messages_that_waited_long_are_checked_again(
    paced: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.outbox.step_queue.MAX_CLAIM_AGE", 0.5)
    async with paced.pool.acquire() as db:
        step = await add_step(db, secret=paced.keyring.current)
        await db.execute("update sender set pace = 4 where channel = 'email'")
        ids = await add_messages(db, step, "email", [f"m{n}@example.test" for n in range(12)])
    async with open_dispatcher(paced) as dispatcher:
        await dispatcher.run()
    async with paced.pool.acquire() as db:
        assert await states(db, step) == {State.ACCEPTED: 12}
        assert ("queued", "smtp", "handed_back") in await events(db, ids[-1])
    assert len(sandbox.mailbox) == 12
