"""Texts that came while nobody was there to take them are asked for, once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from core.db import Connection
from core.errors import Unavailable
from core.runtime import Runtime
from sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.twilio.messages import Message, MessageStage, new_sid
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, make_campaign
from tests.support.outbox_rows import with_sandbox
from webhooks import backfill, process_inbound
from webhooks.inbound_log.inbound_log import Intake
from webhooks.sms.twilio_texts import inbound_row


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
async def here(runtime: Runtime, sandbox: Sandbox, clock: FixedClock) -> Runtime:
    settings = with_sandbox(runtime.settings, sandbox, sms_from=NUMBER)
    return replace(runtime, settings=settings, clock=clock)


@pytest.fixture
async def campaign(here: Runtime, db: Connection, clock: FixedClock) -> Campaign:
    return await make_campaign(here, db, now=clock())


def came(sandbox: Sandbox, text: str, *, ago: float = 60, to: str = NUMBER, sender: str = PHONE) -> str:
    """Twilio has taken a text for us, so many seconds ago."""
    sid = new_sid()
    journey = [MessageStage(time.time() - ago, "received")]
    sandbox.twilio.messages.add(Message(sid, "inbound", to, sender, None, text, 1, None, journey))
    return sid


async def test_a_text_that_came_while_we_were_down_counts_as_of_then(
    here: Runtime, campaign: Campaign, sandbox: Sandbox, db: Connection, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    sid = came(sandbox, "Posted mine today", ago=300)
    assert await backfill(here) == 1
    assert await process_inbound(here, 10) == 1
    assert await campaign.status(ann) == "voted"
    assert await db.fetchval("select dedupe_key from inbound_log") == sid
    late = clock() - await db.fetchval("select received_at from reply")
    assert timedelta(minutes=4) < late < timedelta(minutes=6)


async def test_texts_already_received_are_not_stored_again(
    here: Runtime, campaign: Campaign, sandbox: Sandbox, db: Connection, clock: FixedClock
) -> None:
    sid = came(sandbox, "STOP")
    form = {"MessageSid": sid, "From": PHONE, "To": NUMBER, "Body": "STOP"}
    await Intake().store(here, **inbound_row(form))
    assert await backfill(here) == 0
    clock.wait(minutes=16)
    came(sandbox, "Voted", ago=0)
    assert await backfill(here) == 1
    clock.wait(minutes=16)
    assert await backfill(here) == 0
    assert await db.fetchval("select count(*) from inbound_log") == 2


async def test_one_worker_looks_as_often_as_configured(here: Runtime, sandbox: Sandbox, clock: FixedClock) -> None:
    assert await backfill(here) == 0
    came(sandbox, "Voted")
    assert await backfill(here) == 0  # it is not time yet
    clock.wait(minutes=15)
    assert await backfill(here) == 1
    never = replace(here, settings=here.settings.model_copy(update={"twilio_catch_up": 0}))
    clock.wait(minutes=15)
    assert await backfill(never) == 0


async def test_texts_of_several_days_are_fetched(
    here: Runtime, sandbox: Sandbox, clock: FixedClock, db: Connection
) -> None:
    await backfill(here)
    await db.execute("update backfill_position set through = $1, looked_at = $1", clock() - timedelta(days=3))
    for hours in (70, 40, 10, 0.1):
        came(sandbox, f"{hours} hours ago", ago=hours * 3600)
    assert await backfill(here) == 4
    order = [
        row["text"] for row in await db.fetch("select payload -> 'form' ->> 'Body' as text from inbound_log order by 1")
    ]
    assert len(order) == 4


async def test_texts_older_than_the_inbound_log_are_not_fetched(
    here: Runtime, sandbox: Sandbox, clock: FixedClock, db: Connection
) -> None:
    await backfill(here)
    await db.execute("update backfill_position set through = $1, looked_at = $1", clock() - timedelta(days=60))
    came(sandbox, "STOP", ago=40 * 86400)
    came(sandbox, "Voted", ago=20 * 86400)
    assert here.settings.keep_inbound == 30
    assert await backfill(here) == 1
    assert await db.fetchval("select payload -> 'form' ->> 'Body' from inbound_log") == "Voted"


async def test_outgoing_texts_are_not_fetched(here: Runtime, sandbox: Sandbox, clock: FixedClock) -> None:
    await backfill(here)
    sandbox.twilio.messages.add(
        Message(
            new_sid(), "outbound-api", NUMBER, PHONE, None, "Vote!", 1, None, [MessageStage(time.time() - 60, "sent")]
        )
    )
    came(sandbox, "Voted")
    clock.wait(minutes=15)
    assert await backfill(here) == 1


async def test_a_list_that_cannot_be_read_is_asked_for_again(
    here: Runtime, sandbox: Sandbox, clock: FixedClock
) -> None:
    await backfill(here)
    came(sandbox, "Voted", ago=0)
    clock.wait(minutes=15)
    wrong = here.settings.model_copy(update={"twilio_auth_token": (SecretStr("wrong"),)})
    with pytest.raises(Unavailable):
        await backfill(replace(here, settings=wrong))
    clock.wait(minutes=15)
    assert await backfill(here) == 1


async def test_texts_to_other_numbers_of_the_account_are_not_ours(here: Runtime, sandbox: Sandbox) -> None:
    came(sandbox, "for another", to="+447700900999")
    assert await backfill(here) == 0


async def test_without_twilio_nothing_is_fetched(runtime: Runtime, db: Connection) -> None:
    assert await backfill(runtime) == 0
    assert await db.fetchval("select count(*) from backfill_position") == 0
