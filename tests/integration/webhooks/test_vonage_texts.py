"""Texts that Vonage hands over: answers, opt-outs, confirmations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from core.db import Connection
from core.http.outbound_http import open_outbound_http
from core.runtime import Runtime
from messaging.outbox.concealment import Contents
from messaging.outbox.dispatcher import Dispatcher
from messaging.outbox.history import message_status
from messaging.outbox.senders import find_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from muster.jobs import Jobs
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, make_campaign, serve
from tests.support.outbox_rows import deliver
from tests.support.rows import row_of
from tests.support.two_providers import VONAGE_FROM, with_vonage
from tests.support.vonage_requests import (
    INBOUND,
    NEW,
    OLD,
    UUID,
    Client,
    by_vonage,
    rows,
    send,
    text,
)
from webhooks import process_inbound


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def here(runtime: Runtime, sandbox: Sandbox) -> Runtime:
    secrets = (SecretStr(NEW), SecretStr(OLD))
    settings = with_vonage(runtime.settings, sandbox, vonage_signature_secret=secrets)
    return replace(runtime, settings=settings, clock=FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC)))


@pytest.fixture
async def campaign(here: Runtime, db: Connection) -> Campaign:
    return await make_campaign(here, db, now=here.clock())


@pytest.fixture
async def client(here: Runtime) -> AsyncIterator[Client]:
    async with serve(here) as client:
        yield client


async def test_a_reply_answers_what_went_from_the_number_it_was_sent_to(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    ann, bob = await campaign.ask(sms=PHONE), await campaign.ask(sms="+447400123457")
    await by_vonage(db, ann.message_id)
    await send(client, INBOUND, text("1"))
    await send(client, INBOUND, text("1", uuid=UUID[:-1] + "c", sender="+447400123457"))  # got theirs from NUMBER
    await process_inbound(campaign.runtime, 10)
    assert await campaign.status(ann) == "voted"
    assert await campaign.waiting(ann) == ("cancelled", "answered")
    assert await campaign.status(bob) is None
    replies = await db.fetch("select message_id, sender, why_open from reply order by reply_id")
    assert [tuple(row) for row in replies] == [
        (ann.message_id, VONAGE_FROM, None),
        (None, VONAGE_FROM, "no_message"),
    ]
    assert NUMBER != VONAGE_FROM


async def test_a_reply_to_an_answer_by_hand_is_none_to_the_campaign(
    here: Runtime, campaign: Campaign, client: Client, sandbox: Sandbox, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await by_vonage(db, ann.message_id)
    answer = NewMessage(
        MessageKind.STAFF_REPLY, "sms", PHONE, await find_sender(db, "sms", [VONAGE_FROM]), Contents("We ring you."),
        "olga", ann.person_id, about=ann.message_id,
    )  # fmt: skip
    await send_to(db, answer, at=here.clock())
    await deliver(here)
    assert [message.body for message in sandbox.vonage.messages] == ["We ring you."]
    moment = here.clock()  # a provider's account goes by the system's clock
    await db.execute("update message set sent_at = $1, wire_at = $1 where step_id is null", moment)
    await send(client, INBOUND, text("1"))
    await send(client, INBOUND, text("STOP", uuid=UUID[:-1] + "c"))
    await process_inbound(here, 10)
    assert await campaign.status(ann) is None
    replies = await db.fetch("select reading, why_open from reply order by reply_id")
    assert [tuple(row) for row in replies] == [("unclear", "unclear"), ("opt_out", None)]
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    await deliver(here)
    assert "The Union: you will get no more texts" in sandbox.vonage.messages[-1].body, "by whose conversation it was"


async def test_what_is_answered_at_once_wakes_the_workers_after_the_commit(
    here: Runtime, campaign: Campaign, client: Client, db: Connection
) -> None:
    woken: list[tuple[str, int]] = []

    async def wake(job: str) -> None:
        woken.append((job, await db.fetchval("select count(*) from message where step_id is null")))

    ann = await campaign.ask(sms=PHONE)
    await by_vonage(db, ann.message_id)
    runtime = replace(here, wake=wake)
    async with open_outbound_http(()) as outside:
        jobs = Jobs(runtime, Dispatcher(runtime, {}), outside)
        await send(client, INBOUND, text("1"))
        await jobs.inbound.ask()
        assert await campaign.status(ann) == "voted"
        assert woken == [], "nothing has to be said"
        await send(client, INBOUND, text("STOP", uuid=UUID[:-1] + "c"))
        await jobs.inbound.ask()
    assert woken == [("deliver", 1)]


async def test_the_same_text_twice_is_one_reply(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    await by_vonage(db, ann.message_id)
    for _ in range(3):
        assert (await send(client, INBOUND, text("Voted"))).status == 200
        await process_inbound(campaign.runtime, 10)
    assert (await rows(db, "reply"), await rows(db, "claim")) == (1, 1)


@pytest.mark.parametrize(("words", "confirmed"), [
    ("STOP", "The Union: you will get no more texts"),
    ("please stop texting me", "The Union: you will get no more texts"),
    ("stopiwch plis", "ni chewch ragor"),
])  # fmt: skip
async def test_an_opt_out_is_applied_and_confirmed_once(
    campaign: Campaign, client: Client, sandbox: Sandbox, words: str, confirmed: str
) -> None:
    await campaign.ask(sms=PHONE)
    for _ in range(2):
        assert (await send(client, INBOUND, text(words))).status == 200
    await process_inbound(campaign.runtime, 10)
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    assert sandbox.vonage.messages == [], "a worker sends it"
    await deliver(campaign.runtime)
    (sent,) = sandbox.vonage.messages
    assert confirmed in sent.body
    assert (sent.to, sent.sender) == (PHONE, VONAGE_FROM)
    status = await message_status(campaign.db, campaign.runtime.keyring.verify_id(sent.client_ref or "", "status") or 0)
    assert (status.kind, status.state, status.says) == ("opt_out_confirmed", "accepted", sent.body)


async def test_a_member_opted_out_already_gets_no_confirmation(
    campaign: Campaign, client: Client, sandbox: Sandbox
) -> None:
    for number in range(3):
        await send(client, INBOUND, text("STOP", uuid=f"{UUID[:-1]}{number}"))
        await process_inbound(campaign.runtime, 10)
        await deliver(campaign.runtime)
    assert len(sandbox.vonage.messages) == 1


async def test_a_confirmation_that_cannot_be_sent_undoes_no_opt_out_and_is_tried_again(
    here: Runtime, campaign: Campaign, client: Client, sandbox: Sandbox, unused_tcp_port: int
) -> None:
    away = f"http://127.0.0.1:{unused_tcp_port}"
    unreachable = here.settings.model_copy(update={"vonage_base_url": away, "twilio_base_url": away})
    assert (await send(client, INBOUND, text("STOP"))).status == 200
    await process_inbound(here, 10)
    await deliver(replace(here, settings=unreachable))
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    assert await campaign.db.fetchval("select state from message where step_id is null") == "queued"
    await campaign.db.execute("update queue set not_before = '2026-01-01Z'")
    await deliver(here)
    assert [message.to for message in sandbox.vonage.messages] == [PHONE]


async def test_start_lifts_an_opt_out(campaign: Campaign, client: Client) -> None:
    for number, words in enumerate(("STOP", "START")):
        await send(client, INBOUND, text(words, uuid=f"{UUID[:-1]}{number}"))
        await process_inbound(campaign.runtime, 10)
    assert await campaign.suppressed() == set()


async def test_a_picture_is_for_a_person(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    await by_vonage(db, ann.message_id)
    body = text("", message_type="image", image={"url": "https://x.test/1.jpg"})
    del body["text"]
    assert (await send(client, INBOUND, body)).status == 200
    await process_inbound(campaign.runtime, 10)
    assert tuple(await row_of(db, "select rule, why_open from reply")) == ("media", "unclear")


async def test_the_sandbox_signs_and_repeats_as_vonage_does(
    here: Runtime, campaign: Campaign, client: Client, sandbox: Sandbox, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await by_vonage(db, ann.message_id)
    account = here.settings.model_copy(
        update={"vonage_signature_secret": (SecretStr(sandbox.config.vonage.signature_secret),)}
    )
    async with serve(replace(here, settings=account)) as known:
        sandbox.vonage.inbound_url = str(known.make_url(INBOUND))
        assert await sandbox.vonage.receive(PHONE, VONAGE_FROM, "1")
    sandbox.vonage.inbound_url = str(client.make_url(INBOUND))  # which knows another secret
    assert not await sandbox.vonage.receive(PHONE, VONAGE_FROM, "2")
    assert sandbox.vonage.webhooks.answers == {"2xx": 1, "4xx": sandbox.config.vonage.retries + 1}
    await process_inbound(here, 10)
    assert await campaign.status(ann) == "voted"
