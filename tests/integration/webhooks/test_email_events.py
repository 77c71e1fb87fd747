"""Events of email providers: receipts, suppressions, the history of soft bounces; the same for all four."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest

from core.db import Connection, open_pool
from core.runtime import Runtime
from messaging.outbox.bounces import BOUNCES_TO_SUPPRESS
from messaging.outbox.history import find_history
from tests.support.another_email import ANN, another_email
from tests.support.email_events import NOW, Keys, World, open_world
from tests.support.inbound_rows import Campaign, make_campaign, serve
from webhooks import delete_stale_rows, process_inbound

DELIVERED = [("sendgrid", "delivered"), ("mailgun", "delivered"), ("postmark", "delivery"), ("ses", "delivery")]
SOFT = [("sendgrid", "bounce-full"), ("mailgun", "failed-full"), ("postmark", "bounce-soft"), ("ses", "bounce-full")]


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def world(runtime: Runtime, keys: Keys) -> AsyncIterator[World]:
    async with open_world(runtime, keys) as world:
        yield world


@pytest.fixture
async def campaign(world: World, db: Connection) -> Campaign:
    return await make_campaign(world.runtime, db, now=NOW)


async def state_of(db: Connection, message_id: int) -> tuple[str, str | None]:
    row = await db.fetchrow("select state::text, reason from message where message_id = $1", message_id)
    assert row is not None
    return row["state"], row["reason"]


# (provider, event, where the message ends, its reason, whether and why the address is suppressed)
TOLD = [
    ("sendgrid", "processed", "sent", None, None),
    ("sendgrid", "deferred", "sent", None, None),
    ("sendgrid", "delivered", "delivered", None, None),
    ("sendgrid", "bounce", "bounced", "hard_bounced", "hard_bounced"),
    ("sendgrid", "bounce-no-code", "bounced", "hard_bounced", "hard_bounced"),
    ("sendgrid", "bounce-full", "bounced", "mailbox_full", None),
    ("sendgrid", "blocked", "bounced", "sender_refused", None),
    ("sendgrid", "dropped", "failed", "recipient_refused", None),
    ("sendgrid", "dropped-unsubscribed", "failed", "opted_out", "opted_out"),
    ("sendgrid", "spamreport", "complained", "complained", "complained"),
    ("sendgrid", "unsubscribe", "sent", None, "opted_out"),
    ("sendgrid", "group_unsubscribe", "sent", None, "opted_out"),
    ("sendgrid", "group_resubscribe", "sent", None, None),
    ("mailgun", "accepted", "sent", None, None),
    ("mailgun", "delivered", "delivered", None, None),
    ("mailgun", "failed-permanent", "bounced", "hard_bounced", "hard_bounced"),
    ("mailgun", "failed-full", "bounced", "mailbox_full", None),
    ("mailgun", "failed-policy", "bounced", "sender_refused", None),
    ("mailgun", "failed-old", "bounced", "expired_at_provider", None),
    ("mailgun", "failed-temporary", "sent", None, None),
    ("mailgun", "failed-suppressed-bounce", "failed", "recipient_refused", None),
    ("mailgun", "failed-suppressed-complaint", "failed", "complained", "complained"),
    ("mailgun", "rejected", "failed", "content_refused", None),
    ("mailgun", "complained", "complained", "complained", "complained"),
    ("mailgun", "unsubscribed", "sent", None, "opted_out"),
    ("postmark", "delivery", "delivered", None, None),
    ("postmark", "bounce-hard", "bounced", "hard_bounced", "hard_bounced"),
    ("postmark", "bounce-hard-no-code", "bounced", "hard_bounced", "hard_bounced"),
    ("postmark", "bounce-hard-policy", "bounced", "sender_refused", None),
    ("postmark", "bounce-soft", "bounced", "mailbox_full", None),
    ("postmark", "bounce-blocked", "bounced", "sender_refused", None),
    ("postmark", "bounce-transient", "sent", None, None),
    ("postmark", "bounce-autoresponder", "sent", None, None),
    ("postmark", "bounce-unsubscribe", "sent", None, "opted_out"),
    ("postmark", "complaint", "complained", "complained", "complained"),
    ("postmark", "subscription-off", "sent", None, "opted_out"),
    ("postmark", "subscription-on", "sent", None, None),
    ("postmark", "subscription-hard", "sent", None, None),
    ("ses", "send", "sent", None, None),
    ("ses", "delivery", "delivered", None, None),
    ("ses", "delay", "sent", None, None),
    ("ses", "bounce", "bounced", "hard_bounced", "hard_bounced"),
    ("ses", "feedback-bounce", "bounced", "hard_bounced", "hard_bounced"),
    ("ses", "bounce-full", "bounced", "mailbox_full", None),
    ("ses", "bounce-holiday", "sent", None, None),
    ("ses", "bounce-policy", "bounced", "sender_refused", None),
    ("ses", "bounce-account-list", "failed", "recipient_refused", None),
    ("ses", "complaint", "complained", "complained", "complained"),
    ("ses", "complaint-not-spam", "sent", None, None),
    ("ses", "reject", "failed", "content_refused", None),
    ("ses", "rendering-failure", "failed", "content_refused", None),
    ("ses", "subscription", "sent", None, "opted_out"),
]


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun", "postmark", "ses"])
async def test_each_event_moves_its_message_to_its_state(
    world: World, campaign: Campaign, db: Connection, provider: str
) -> None:
    expected, found = [], []
    for number, (who, name, state, reason, suppressed) in enumerate(TOLD):
        if who != provider:
            continue
        address = f"m{number}@member.test"
        recipient = await campaign.ask(email=address)
        await world.tell(who, name, recipient.message_id)
        expected.append((name, (state, reason), suppressed))
        why = await db.fetchval("select reason from suppression where address = $1", address)
        found.append((name, await state_of(db, recipient.message_id), why))
        events = await db.fetchval(
            "select count(*) from message_event where message_id = $1 and source = $2", recipient.message_id, who
        )
        assert events == 1, name  # also what moves nothing is there for who asks later
    assert found == expected
    assert await db.fetchval("select count(*) from inbound_log where state <> 'done'") == 0


async def test_opens_and_clicks_are_not_recorded(world: World, campaign: Campaign, db: Connection) -> None:
    recipient = await campaign.ask(email=ANN)
    looks = [("sendgrid", "open"), ("sendgrid", "click"), ("mailgun", "opened"), ("mailgun", "clicked")]
    for provider, name in (*looks, ("postmark", "open"), ("ses", "open")):
        assert await world.post(provider, world.request(provider, name, recipient.message_id)) == 200
    assert (
        await db.fetchval("select count(*) from inbound_log where payload <> '{}'") == 0
    )  # nothing but Mailgun's tokens


async def test_the_same_event_twice_is_stored_once(world: World, campaign: Campaign, db: Connection) -> None:
    recipient = await campaign.ask(email=ANN)
    for provider, name in DELIVERED:
        request = world.request(provider, name, recipient.message_id)
        statuses = await asyncio.gather(*(world.post(provider, request) for _ in range(4)))
        assert statuses == [200] * 4
    assert await db.fetchval("select count(*) from inbound_log") == len(DELIVERED)


async def test_an_event_about_no_message_of_ours_changes_nothing(
    world: World, campaign: Campaign, db: Connection
) -> None:
    await campaign.ask(email=ANN)
    for provider, name in DELIVERED:
        await world.tell(provider, name, 10**9)
    assert await db.fetchval("select count(*) from message where state = 'delivered'") == 0
    assert await db.fetchval("select count(*) from inbound_log where state = 'done'") == len(DELIVERED)


async def test_an_event_that_changes_nothing_is_described_so(world: World, campaign: Campaign, db: Connection) -> None:
    recipient = await campaign.ask(email=ANN)
    for name in ("deferred", "unsubscribe", "group_resubscribe"):
        await world.tell("sendgrid", name, recipient.message_id)
    assert [entry.words.partition(".")[0] for entry in await find_history(db, recipient.message_id)] == [
        "Try 1: a worker took it for sending",
        "It was put off by the server that receives it, and is still tried",
        "They asked for no more of these emails",
        "The provider reported an event that does not change its state",
    ]


async def test_without_our_argument_the_message_id_says_which(world: World, campaign: Campaign, db: Connection) -> None:
    one, two, three = [await campaign.ask(email=f"{name}@member.test") for name in ("a", "b", "c")]
    await world.tell("sendgrid", "bounce", one.message_id, muster=None)
    await world.tell("mailgun", "failed-permanent", two.message_id, **{"user-variables": {}})
    await world.tell("ses", "feedback-bounce", three.message_id)
    for asked in (one, two, three):
        assert await state_of(db, asked.message_id) == ("bounced", "hard_bounced")


async def test_an_id_signed_with_another_secret_is_no_message_of_ours(
    world: World, campaign: Campaign, db: Connection
) -> None:
    recipient = await campaign.ask(email=ANN)
    forged = world.runtime.keyring.sign_id(recipient.message_id, "bounce")[:-2] + "zz"
    await world.tell("sendgrid", "bounce", recipient.message_id, muster=forged, **{"smtp-id": f"<{forged}@union.test>"})
    assert await campaign.suppressed() == set()
    assert (await state_of(db, recipient.message_id))[0] == "sent"


# ---- soft bounces


async def test_soft_bounces_suppress_after_repeats_over_days_from_any_provider(
    world: World, campaign: Campaign, db: Connection
) -> None:
    person = (await campaign.ask(email="first@member.test")).person_id
    for day, (provider, name) in enumerate(SOFT[:BOUNCES_TO_SUPPRESS]):
        message_id = await another_email(campaign, person, day)
        await two_days_pass(db)
        for _ in range(2):  # told twice, it counts once
            await world.tell(provider, name, message_id)
        suppressed = {(a, r) for _, a, r in await campaign.suppressed()}
        assert suppressed == ({(ANN, "soft_bounced")} if day == BOUNCES_TO_SUPPRESS - 1 else set())


async def two_days_pass(db: Connection) -> None:
    await db.execute("update soft_bounce set at = at - interval '2 days'")  # the payloads tell a time of their own


async def test_many_soft_bounces_of_one_evening_prove_nothing(world: World, campaign: Campaign, db: Connection) -> None:
    person = (await campaign.ask(email="first@member.test")).person_id
    ids = [await another_email(campaign, person, position) for position in range(BOUNCES_TO_SUPPRESS + 2)]
    output = [json.loads(world.request("sendgrid", "bounce-full", message_id).body)[0] for message_id in ids]
    assert await world.post("sendgrid", world.sendgrid[1].sign(json.dumps(output).encode())) == 200  # many at once
    await process_inbound(world.runtime, 100)
    assert {(await state_of(db, message_id))[0] for message_id in ids} == {"bounced"}
    assert await campaign.suppressed() == set()
    assert await db.fetchval("select count(*) from soft_bounce") == BOUNCES_TO_SUPPRESS + 2


async def test_a_delivery_clears_earlier_soft_bounces(world: World, campaign: Campaign, db: Connection) -> None:
    person = (await campaign.ask(email="first@member.test")).person_id
    for day in range(BOUNCES_TO_SUPPRESS + 1):
        await two_days_pass(db)
        if day == 1:
            await world.tell("sendgrid", "delivered", await another_email(campaign, person, 90))
        await world.tell("sendgrid", "bounce-full", await another_email(campaign, person, day))
    assert {reason for _, _, reason in await campaign.suppressed()} == {"soft_bounced"}
    assert await db.fetchval("select count(*) from soft_bounce where discounted_at is not null") == 1
    await delete_stale_rows(db, NOW, now=NOW + timedelta(days=60))
    assert await db.fetchval("select count(*) from soft_bounce") == 0


# ---- when something is wrong


async def test_a_provider_that_is_not_set_up_is_not_there(runtime: Runtime) -> None:
    async with serve(runtime) as client:
        for provider in ("sendgrid", "mailgun", "postmark", "ses", "nobody"):
            response = await client.post(f"/webhooks/email/{provider}", data=b"[]")
            assert response.status == 404, provider


async def test_an_unknown_event_is_parked_with_an_alert(world: World, campaign: Campaign, db: Connection) -> None:
    recipient = await campaign.ask(email=ANN)
    await world.tell("sendgrid", "delivered", recipient.message_id, event="levitated")
    await world.tell("mailgun", "delivered", recipient.message_id, event="levitated")
    await world.tell("postmark", "delivery", recipient.message_id, RecordType="Levitation")
    await world.tell("ses", "delivery", recipient.message_id, eventType="Levitation")
    assert await db.fetchval("select count(*) from inbound_log where state = 'parked'") == 4
    assert await db.fetchval("select count(*) from alert where resolved_at is null") == 4


async def test_when_the_database_is_away_providers_are_asked_to_try_again(
    world: World, campaign: Campaign, keys: Keys
) -> None:
    pool = await open_pool(world.runtime.settings.database_url or "", size=1)
    await pool.close()
    async with serve(replace(world.runtime, pool=pool)) as client:
        for provider, name in DELIVERED:
            request = world.request(provider, name, 1)
            response = await client.post(f"/webhooks/email/{provider}", data=request.body, headers=request.headers)
            assert response.status == 503, provider


async def test_an_oversized_body_is_refused_unread(world: World, db: Connection) -> None:
    for provider, _ in DELIVERED:
        body = BytesIO(b"[" + b"1," * 600_000 + b"1]")
        response = await world.client.post(f"/webhooks/email/{provider}", data=body)
        assert response.status == 413
    assert await db.fetchval("select count(*) from inbound_malformed") == 0
