"""Mails whose envelopes go with the text before them: they are sent, withheld and handed back like all others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.heartbeat import LEASE_LASTS
from tests.support.clocks import FixedClock
from tests.support.mail_relay import Relay, serving
from tests.support.outbox_rows import add_messages, add_step, deliver, open_dispatcher, states
from tests.support.outbox_steps import mailboxes
from tests.support.waiting import until


def by(runtime: Runtime, relay: Relay, connections: int) -> Runtime:
    """The runtime, with a relay."""
    settings = runtime.settings.model_copy(
        update={"smtp_url": SecretStr(f"{relay.url}?starttls=never"), "smtp_connections": connections}
    )
    return replace(runtime, settings=settings)


async def test_everybody_gets_one_mail(runtime: Runtime, db: Connection) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    await add_messages(db, step, "email", mailboxes(200))
    async with serving(Relay()) as relay:
        delivered = await deliver(by(runtime, relay, 2))
        assert delivered.accepted == 200
        assert await states(db, step) == {"accepted": 200}
        assert len({text.partition(b"To: ")[2].partition(b"\r\n")[0] for text in relay.taken}) == 200
        assert len(relay.taken) == 200
        assert relay.behind > 50


async def test_a_stopping_worker_hands_back_what_was_only_announced(runtime: Runtime, db: Connection) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    await add_messages(db, step, "email", mailboxes(30))
    async with serving(Relay(holds="BODY")) as relay, open_dispatcher(by(runtime, relay, 1)) as dispatcher:
        running = asyncio.create_task(dispatcher.run())
        await until(relay.heard_behind)
        dispatcher.stop()
        relay.gate.set()
        delivered = await running
        assert (delivered.accepted, delivered.ambiguous) == (1, 0)
        assert await states(db, step) == {"accepted": 1, "queued": 29}
        assert len(relay.texts) == 1


async def test_an_announced_mail_of_a_worker_that_is_gone_is_withheld(runtime: Runtime, db: Connection) -> None:
    step = await add_step(db, secret=runtime.keyring.current)
    await add_messages(db, step, "email", mailboxes(4))
    async with serving(Relay(holds="BODY")) as relay, open_dispatcher(by(runtime, relay, 1)) as dispatcher:
        running = asyncio.create_task(dispatcher.run(until_idle=True))
        await until(relay.heard_behind)
        dispatcher._heartbeat._confirmed_at -= LEASE_LASTS
        relay.gate.set()
        delivered = await running
        assert delivered.handed_back >= 1
        assert await states(db, step) == {"accepted": 4}
        assert (len(relay.texts), relay.connections) == (4, 2)


async def test_nothing_leaves_after_its_deadline_however_slow_the_relay_was(runtime: Runtime, db: Connection) -> None:
    now = datetime.now(UTC)
    clock = FixedClock(now)
    step = await add_step(db, secret=runtime.keyring.current, send_before=now + timedelta(minutes=1))
    await add_messages(db, step, "email", mailboxes(2))
    async with serving(Relay(holds="RCPT")) as relay:
        running = asyncio.create_task(deliver(replace(by(runtime, relay, 1), clock=clock)))

        async def was_asked() -> bool:
            return relay.count("RCPT") > 0

        await until(was_asked)
        clock.wait(minutes=2)
        relay.gate.set()
        assert (await running).accepted == 0
        assert await states(db, step) == {"expired": 2}
        assert relay.texts == []
