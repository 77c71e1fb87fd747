"""Replays of a provider's real requests: a captured request has no effect, however late it is sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from core.db import Connection
from core.runtime import Runtime
from messaging.reasons import Reason
from messaging.suppression import lift
from sandbox import SandboxConfig, open_sandbox
from tests.support import vonage_requests as vonage
from tests.support.clocks import FixedClock
from tests.support.email_events import NOW, Keys, Request, World, mailgun_signature, open_world, payload
from tests.support.inbound_rows import PHONE, make_campaign, serve
from tests.support.mail_rows import ANN, BOUNCES, REPLIES
from tests.support.posted_mails import Sent, by_mailgun, post, reply_address
from tests.support.twilio_requests import INBOUND, NEW, STATUS, send, status, text
from tests.support.two_providers import with_vonage
from webhooks import delete_stale_rows, process_inbound
from webhooks.email import PROVIDERS

KEEP = timedelta(days=2)
"""The least that MUSTER_KEEP_INBOUND can be."""


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


async def prune(runtime: Runtime, db: Connection) -> None:
    """Forget what came in, as the worker does every hour."""
    now = runtime.clock()
    await delete_stale_rows(db, now - KEEP, now=now)
    assert await db.fetchval("select count(*) from inbound_log") == 0


async def counts(db: Connection) -> tuple[int, ...]:
    """Everything a text or a receipt could have left behind."""
    tables = ("claim", "reply", "message_event", "suppression_event", "inbound_log")
    return tuple([await db.fetchval(f"select count(*) from {table}") for table in tables])


async def test_a_text_replayed_after_pruning_is_ignored(runtime: Runtime, db: Connection, clock: FixedClock) -> None:
    settings = {"twilio_auth_token": (SecretStr(NEW),), "public_url": "https://muster.test"}
    here = replace(runtime, settings=runtime.settings.model_copy(update=settings), clock=clock)
    campaign = await make_campaign(here, db, now=clock())
    ann = await campaign.ask(sms=PHONE)
    receipt = f"{STATUS}?m={here.keyring.sign_id(ann.message_id, 'status')}"
    async with serve(here) as client:
        captured = [(INBOUND, text("1")), (INBOUND, text("STOP", "SM" + "0b" * 16)), (receipt, status("delivered"))]
        for path, form in captured:
            assert (await send(client, path, form)).status in {200, 204}
        await process_inbound(here, 10)
        assert await campaign.status(ann) == "voted"
        for days in (3, 100, 296):
            clock.wait(days=days)
            await prune(here, db)
            before = await counts(db)
            for path, form in captured:
                answer = await send(client, path, form)
                assert answer.status in {200, 204}
                assert "<Message>" not in await answer.text()
            assert await process_inbound(here, 10) == 0
            assert await counts(db) == before
        clock.wait(days=5)
        await prune(here, db)
        assert await db.fetchval("select count(*) from inbound_digest") == 0, "no ballot of today asks about it"


async def test_digests_reveal_nothing_and_exist_only_for_replayable_items(db: Connection, clock: FixedClock) -> None:
    await db.execute(
        """
        insert into inbound_log (source, dedupe_key, subject, payload, received_at, state, processed_at)
        select source, 'k' || n, 'phone:+447400123456', '{"form": {"Body": "STOP"}}', $1, state, $1
        from unnest('{twilio_inbound,mailgun_event,link,unsubscribe}'::text[]) as source, generate_series(1, 30) as n,
             unnest('{done}'::text[]) as state
        """,
        clock(),
    )
    clock.wait(days=3)
    assert await delete_stale_rows(db, clock() - KEEP, now=clock(), page=7) == 120
    kept = await db.fetch("select * from inbound_digest")
    assert len(kept) == 30
    assert {len(row["digest"]) for row in kept} == {16}
    assert set(kept[0].keys()) == {"digest", "noted_at"}


async def test_a_repetition_during_pruning_is_recognised(runtime: Runtime, db: Connection, clock: FixedClock) -> None:
    """It began before the digests were there, so nothing is deleted until it has ended."""
    await db.execute(
        "insert into inbound_log (source, dedupe_key, subject, payload, received_at, state, processed_at)"
        " values ('twilio_inbound', 'SM1', 's', '{}', $1, 'done', $1)",
        clock(),
    )
    clock.wait(days=3)
    async with runtime.pool.acquire() as storing:
        transaction = storing.transaction()
        await transaction.start()
        await storing.execute(
            "insert into inbound_log (source, dedupe_key, subject, payload) values ('twilio_inbound', 'SM2', 's', '{}')"
        )
        pruning = asyncio.create_task(delete_stale_rows(db, clock() - KEEP, now=clock()))
        assert await pruning == 0
        await transaction.commit()
    assert await delete_stale_rows(db, clock() - KEEP, now=clock()) == 1


async def test_a_vonage_signature_counts_once_and_for_a_while(
    runtime: Runtime, db: Connection, clock: FixedClock
) -> None:
    async with open_sandbox(SandboxConfig()) as sandbox:
        settings = with_vonage(runtime.settings, sandbox, vonage_signature_secret=(SecretStr(vonage.NEW),))
        here = replace(runtime, settings=settings, clock=clock)
        campaign = await make_campaign(here, db, now=clock())
        ann = await campaign.ask(sms=PHONE)
        await vonage.by_vonage(db, ann.message_id)
        async with serve(here) as client:
            signed = {"iat": int(clock().timestamp())}
            assert (await vonage.send(client, vonage.INBOUND, vonage.text("1"), **signed)).status == 200
            await process_inbound(here, 10)
            assert await campaign.status(ann) == "voted"
            clock.wait(days=3)
            await prune(here, db)
            before = await counts(db)
            for path, body in ((vonage.INBOUND, vonage.text("1")), (vonage.STATUS, vonage.status("delivered"))):
                assert (await vonage.send(client, path, body, **signed)).status == 403, "it is old"
            fresh = {"iat": int(clock().timestamp())}
            assert (await vonage.send(client, vonage.INBOUND, vonage.text("1"), **fresh)).status == 200
            for hours, answer in ((25, 200), (27, 403)):
                old = {"iat": int((clock() - timedelta(hours=hours)).timestamp())}
                assert (await vonage.send(client, vonage.INBOUND, vonage.text("1"), **old)).status == answer
            assert await process_inbound(here, 10) == 0
            assert await counts(db) == before


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


COMPLAINTS = {"sendgrid": "spamreport", "mailgun": "complained", "postmark": "complaint", "ses": "complaint"}


@pytest.mark.parametrize("provider", [provider.name for provider in PROVIDERS])
async def test_an_email_event_replayed_after_pruning_is_ignored(
    runtime: Runtime, db: Connection, keys: Keys, provider: str
) -> None:
    async with open_world(runtime, keys) as world:
        campaign = await make_campaign(world.runtime, db, now=NOW)
        ann = await campaign.ask(email=ANN)
        captured = world.request(provider, COMPLAINTS[provider], ann.message_id)
        assert await world.post(provider, captured) == 200
        await process_inbound(world.runtime, 10)
        assert ("email", ANN, "complained") in await campaign.suppressed()
        await lift(db, channel="email", address=ANN, reason="opted_in", source="staff", of=Reason.COMPLAINED)
        for days in (3, 100, 296):
            world.clock.wait(days=days)
            await prune(world.runtime, db)
            before = await counts(db)
            assert await world.post(provider, captured) in {200, 403}
            await process_inbound(world.runtime, 10)
            assert await counts(db) == before
            assert await campaign.suppressed() == set()


# ---- Mailgun, whose signature is over nothing but a token


async def forge(world: World, token: dict[str, str], message_id: int, to: str) -> None:
    """Put a token that was seen to every use there is for it."""
    signed_id = world.runtime.keyring.sign_id(message_id, "bounce")
    for name in ("complained", "unsubscribed", "failed-permanent"):
        said = payload("mailgun", name, signed_id) | {"signature": token}
        assert await world.post("mailgun", Request(json.dumps(said).encode())) == 200
    body = urlencode({"recipient": to, "sender": ANN, "body-mime": Sent(to, text="STOP").raw} | token).encode()
    for more in ("", "/mime"):
        request = Request(body, {"Content-Type": "application/x-www-form-urlencoded"})
        assert await post(world, "mailgun", request, more) == 200
    await process_inbound(world.runtime, 20)


async def test_a_token_of_mailguns_counts_once_over_events_and_mails_whatever_came_with_it(
    runtime: Runtime, db: Connection, keys: Keys
) -> None:
    update = {"bounce_domain": BOUNCES, "reply_domain": REPLIES, "mailroom_largest": 1}
    settings = runtime.settings.model_copy(update=update)
    async with open_world(replace(runtime, settings=settings), keys) as world:
        campaign = await make_campaign(world.runtime, db, now=NOW)
        ann = await campaign.ask(email=ANN)
        to = reply_address(world, ann)
        signed_id = world.runtime.keyring.sign_id(ann.message_id, "bounce")
        nobody, form = "nobody@elsewhere.test", {"Content-Type": "application/x-www-form-urlencoded"}
        large = Sent(to, text="words " * 200_000)

        def mailed(token: dict[str, str], mail: Sent, **more: str) -> Request:
            fields = {"recipient": mail.to, "sender": ANN, **token, **(more or {"body-mime": mail.raw.decode()})}
            return Request(urlencode(fields).encode(), form)

        def event(token: dict[str, str], name: str) -> Request:
            return Request(json.dumps(payload("mailgun", name, signed_id) | {"signature": token}).encode())

        first_uses: list[tuple[str, Callable[[dict[str, str]], Request], int]] = [
            ("", lambda token: event(token, "opened"), 200),
            ("", lambda token: Request(json.dumps({"signature": token}).encode()), 400),
            ("", lambda token: event(token, "delivered"), 200),
            ("/inbound/mime", lambda token: mailed(token, Sent(nobody)), 200),
            ("/inbound", lambda token: mailed(token, Sent(to), **{"message-headers": "{["}), 400),
            ("/inbound/mime", lambda token: mailed(token, large), 413),
            ("/inbound", lambda token: mailed(token, Sent(to), **{"attachment-count": "²", "body-plain": "Ŵy"}), 200),
        ]
        for number, (more, make, answered) in enumerate(first_uses):
            token = mailgun_signature()
            request = make(token)
            response = await world.client.post(
                f"/webhooks/email/mailgun{more}", data=BytesIO(request.body), headers=request.headers
            )
            assert response.status == answered, number
            await forge(world, token, ann.message_id, to)
            assert await campaign.suppressed() == set(), number
        assert await db.fetchval("select string_agg(text, ' ') from reply") == "Ŵy"
        kept = await db.fetch("select payload from inbound_log where source = 'mailgun_event' and payload <> '{}'")
        assert [row["payload"]["event"]["event"] for row in kept] == ["delivered"], "of the others nothing is kept"
        assert await post(world, "mailgun", by_mailgun(world, Sent(to, text="STOP"), raw=True), "/mime") == 200
        await process_inbound(world.runtime, 10)
        assert ("email", ANN, "opted_out") in await campaign.suppressed(), "a token of its own counts"
