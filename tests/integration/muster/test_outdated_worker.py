"""A worker of another version than the outbox claims nothing more, hands back what it has, and ends with a sentence."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.db import Connection, Pool
from core.errors import Conflict
from core.runtime import Runtime
from messaging.outbox import heartbeat
from messaging.outbox.heartbeat import OUTBOX_VERSION
from muster.worker import work
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.outbox_rows import Step, add_messages, add_step, deliver, states, with_sandbox
from tests.support.outbox_steps import mailboxes
from tests.support.running_worker import working
from tests.support.waiting import until

OF_VERSION = "create or replace function outbox_version() returns integer language sql stable as 'select %d'"
MAILS = 400


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
def muster(runtime: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.setattr(heartbeat, "BEAT_EVERY", 0.1)
    return replace(runtime, settings=with_sandbox(runtime.settings, sandbox))


@pytest.fixture
async def step(pool: Pool) -> Step:
    """A step whose sender lets 40 mails a second leave."""
    async with pool.acquire() as db:
        step = await add_step(db)
        await add_messages(db, step, "email", mailboxes(MAILS))
        await db.execute("update sender set pace = 40")
    return step


def recipients(sandbox: Sandbox) -> Counter[str]:
    return Counter(address for mail in sandbox.mailbox for address in mail.recipients)


async def test_it_hands_back_what_it_claimed_and_the_next_one_sends_it(
    muster: Runtime, sandbox: Sandbox, step: Step, db: Connection, owner: Connection
) -> None:
    worker = asyncio.create_task(work(muster, asyncio.Event()))

    async def some_have_left() -> bool:
        return len(sandbox.mailbox) > 10

    await until(some_have_left)
    await owner.execute(OF_VERSION % (OUTBOX_VERSION + 1))
    with pytest.raises(Conflict, match="migrated by another version") as ended:
        await asyncio.wait_for(worker, 20)
    assert "Restart it" in (ended.value.remedy or "")
    counted = await states(db, step)
    assert set(counted) == {"accepted", "queued"}
    assert counted["accepted"] == len(sandbox.mailbox)
    await owner.execute(OF_VERSION % OUTBOX_VERSION)
    await db.execute("update sender set pace = null")

    async def all_have_left() -> bool:
        return await states(db, step) == {"accepted": MAILS}

    async with working(muster):
        await until(all_have_left)
    assert recipients(sandbox) == Counter(mailboxes(MAILS))


async def test_it_does_not_begin(
    muster: Runtime, sandbox: Sandbox, step: Step, db: Connection, owner: Connection
) -> None:
    await owner.execute(OF_VERSION % (OUTBOX_VERSION + 1))
    with pytest.raises(Conflict, match="migrated by another version"):
        await asyncio.wait_for(work(muster, asyncio.Event()), 20)
    with pytest.raises(Conflict, match="migrated by another version"):
        await deliver(muster)
    assert await states(db, step) == {"queued": MAILS}
    assert len(sandbox.mailbox) == 0
