"""A worker that cannot reach its relay says so in its log: once, then with the count, and when it is over."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from core.db import Pool
from core.runtime import Runtime
from messaging.outbox import provider_outage
from sandbox import SandboxConfig, open_sandbox
from tests.support.bare_postgres import free_port
from tests.support.outbox_rows import add_messages, add_step, open_dispatcher, states
from tests.support.outbox_steps import mailboxes
from tests.support.waiting import until

MAILS = 30


async def test_a_relay_that_is_away_is_said_once_and_that_it_is_back(
    runtime: Runtime, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_outage, "REMIND_EVERY", 0.3)
    port = free_port()
    url = SecretStr(f"smtp://127.0.0.1:{port}?starttls=never")
    away = replace(runtime, settings=runtime.settings.model_copy(update={"smtp_url": url, "smtp_connections": 2}))
    async with pool.acquire() as db:
        step = await add_step(db)
        await add_messages(db, step, "email", mailboxes(MAILS))
    with capture_logs() as logs:
        async with open_dispatcher(away) as dispatcher:
            running = asyncio.create_task(dispatcher.run(until_idle=False))
            await until(lambda: any(line["event"] == "the provider still cannot be reached" for line in logs))
            async with open_sandbox(SandboxConfig(smtp_port=port)) as sandbox:
                await until(lambda: len(sandbox.mailbox) == MAILS, seconds=60)
                dispatcher.stop()
                await running
    events = [line["event"] for line in logs if "reached" in line["event"]]
    assert events.count("the provider cannot be reached") == 1
    assert events.count("the provider is reached again") == 1
    assert events[0] == "the provider cannot be reached"
    assert events[-1] == "the provider is reached again"
    first = next(line for line in logs if line["event"] == events[0])
    assert (first["channel"], str(port) in first["error"]) == ("email", True)
    reminded = next(line for line in logs if line["event"] == "the provider still cannot be reached")
    assert reminded["tries"] > 1
    async with pool.acquire() as db:
        assert await states(db, step) == {"accepted": MAILS}
