"""Erasure of somebody who got messages without a campaign: of every kind, in every state, named or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from campaigns.retention import archive_due
from core.db import Connection
from core.member_link_lifetime import ARCHIVE_DELAY
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.outbox.concealment import Contents
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.senders import use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, confirm_opt_out, send_to
from messaging.reasons import Reason
from messaging.states import State
from messaging.suppression import suppress
from muster import erasure
from muster.operator import operator
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.electorate import add_person
from tests.support.outbox_rows import (
    SMS_FROM,
    deliver,
    dispatcher,
    message,
    put_in_flight,
    with_sandbox,
)
from tests.support.traces import found_in
from tests.support.waiting import until
from webhooks.members.page_views import PageViews

PHONE: Final = "+447700900471"
WORDS: Final = ("7700900471", "turquoise")
OLD: Final = datetime.now(UTC) - ARCHIVE_DELAY - timedelta(days=1)
STATES: Final = ("queued", "claimed", "wired", "ambiguous", "accepted", "sent", "delivered", "failed", "archived")
"""States of a message, and those of its way: claimed by a worker, on the wire, moved into the archive."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def runtime(settings: Settings, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    async with open_runtime(with_sandbox(settings, sandbox), pool_size=8) as opened:
        await opened.redis.flushdb()
        yield opened


async def _every_kind_in_every_state(db: Connection, person_id: int | None) -> dict[tuple[MessageKind, str], int]:
    """Messages to the phone, by kind and state."""
    await suppress(db, channel="sms", address=PHONE, reason=Reason.OPTED_OUT, source="sms_reply")
    sender_id, worker = await use_sender(db, "sms", SMS_FROM), await dispatcher(db)
    ids = {}
    for kind in MessageKind:
        for state in STATES:
            asked = NewMessage(kind, "sms", PHONE, sender_id, Contents("turquoise"), "olga", person_id)
            at = OLD if state == "archived" else datetime.now(UTC)
            if kind is MessageKind.OPT_OUT_CONFIRMED:
                message_id = await confirm_opt_out(db, asked, at=at)
                assert message_id is not None
                # it is confirmed once: the next one stands for that of another opt-out
                await db.execute(
                    "update transactional set reference = $2 where message_id = $1", message_id, f"opt-out {message_id}"
                )
            else:
                message_id = await send_to(db, asked, at=at)
            ids[kind, state] = message_id
            if state in {"claimed", "wired"}:
                await put_in_flight(db, message_id, wire_at=datetime.now(UTC) if state == "wired" else None)
                continue
            stored = {"archived": "delivered"}.get(state, state)
            await db.execute(
                "update message set state = $2::text::message_state, attempt = 1, dispatcher_id = $3,"
                " sent_at = case when $4 then now() end where message_id = $1",
                message_id, stored, worker, state in {"accepted", "sent", "delivered", "archived"},
            )  # fmt: skip
    assert await archive_due(db, datetime.now(UTC) - ARCHIVE_DELAY, PageViews(), now=datetime.now(UTC))
    return ids


@pytest.mark.parametrize("named", [True, False], ids=["a member", "an address that nobody has"])
async def test_somebody_is_erased_whatever_single_messages_they_got(
    runtime: Runtime, sandbox: Sandbox, db: Connection, *, named: bool
) -> None:
    person_id = await add_person(db, "M-1", sms=PHONE) if named else None
    ids = await _every_kind_in_every_state(db, person_id)
    archived = await db.fetchval("select count(*) from message_archive")
    assert archived == len(MessageKind)
    traces = await erasure.look_for(runtime, "M-1" if named else PHONE)
    erasing = asyncio.create_task(erasure.erase(runtime, traces, actor=operator("olga")))

    async def erased() -> bool:
        return erasing.done() or await db.fetchval("select count(*) from message where address = $1", PHONE) == 0

    await until(erased)
    # what workers had in hand then: the last check stops it, and what a provider puts off is not tried again
    claimed = [number for (_, state), number in ids.items() if state == "claimed"]
    intents = [Intent(number, 1, None, None) for number in claimed]
    put_off = [
        Outcome(number, 1, State.QUEUED, Reason.BUSY, "421", "421 later", 0.0)
        for (_, state), number in ids.items()
        if state == "wired"
    ]
    granted = await record_outcomes(db, put_off, intents, source="worker", now=datetime.now(UTC))
    assert granted == dict.fromkeys(claimed, State.SUPPRESSED)
    done = await erasing
    assert done["messages"] + done["archived_messages"] == len(ids)
    assert (await deliver(runtime)).accepted == 0
    assert not [text for text in sandbox.twilio.messages if text.direction == "outbound-api"]
    assert await found_in(db, WORDS) == set()
    for (kind, state), number in ids.items():
        if state == "archived":
            continue
        row = await message(db, number)
        ended = ("suppressed", "erased") if state in {"queued", "claimed", "wired", "ambiguous"} else (state, None)
        assert (row["state"], row["reason"]) == ended, (kind, state)
    assert await db.fetchval("select count(*) from transactional") == len(ids), "their rows stay, for the counts"
