"""Vonage's webhooks: only what Vonage signed, once, in any order; and nothing of what it did not."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from core.db import Connection, open_pool
from core.runtime import Runtime
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import PHONE, Campaign, make_campaign, serve
from tests.support.rows import row_of
from tests.support.two_providers import with_vonage
from tests.support.vonage_requests import (
    INBOUND,
    NEW,
    OLD,
    STATUS,
    UUID,
    Client,
    rows,
    send,
    status,
    text,
    token,
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


async def state(db: Connection, message_id: int) -> str:
    return str(await db.fetchval("select state::text from message where message_id = $1", message_id))


def sign_id(here: Runtime, message_id: int) -> str:
    return here.keyring.sign_id(message_id, "status")


# ---- signatures


@pytest.mark.parametrize("secret", [NEW, OLD])
@pytest.mark.parametrize("path", [STATUS, INBOUND])
async def test_requests_signed_with_either_secret_are_accepted(
    client: Client, db: Connection, path: str, secret: str
) -> None:
    body = status("submitted") if path == STATUS else text("Voted")
    assert (await send(client, path, body, secret=secret)).status == 200
    assert await rows(db) == 1


@pytest.mark.parametrize("how", [
    {"secret": "somebody else's signature secret of an account"},
    {"payload_hash": hashlib.sha256(b"another body").hexdigest()},
    {"payload_hash": ""},
    {"payload_hash": None},
    {"api_key": "another0"},
    {"api_key": None},
    {"without": "payload_hash"},
    {"without": "api_key"},
    {"without": "iat"},
    {"iat": int(datetime.now(UTC).timestamp()) + 3600},
    {"iat": int(datetime(2026, 11, 21, 9, tzinfo=UTC).timestamp())},  # 27 hours ago
    {"iat": 0},
    {"exp": int(datetime.now(UTC).timestamp()) - 3600},
    {"algorithm": "HS384"},
])  # fmt: skip
@pytest.mark.parametrize("path", [STATUS, INBOUND])
async def test_forged_requests_are_refused_and_leave_nothing(
    client: Client, db: Connection, path: str, how: dict[str, Any]
) -> None:
    assert (await send(client, path, status("delivered") | text("STOP"), **how)).status == 403
    assert await rows(db) == await rows(db, "inbound_malformed") == 0


async def test_a_token_that_claims_to_need_no_signature_is_refused(client: Client, db: Connection) -> None:
    body = json.dumps(text("STOP")).encode()
    good = token(body)
    head, claims, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    for bad in (f"{none}.{claims}.", f"{none}.{claims}.{signature}", f"{head}.{claims}.", f"{good}A", good[:-2], "x"):
        response = await client.post(INBOUND, data=body, headers={"Authorization": f"Bearer {bad}"})
        assert response.status == 403, bad
    assert await rows(db) == 0


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi"])
async def test_vonage_is_asked_to_sign_what_it_forgot_to(client: Client, db: Connection, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = await client.post(INBOUND, data=json.dumps(text("STOP")), headers=headers)
    assert response.status == 503
    assert await rows(db) == await rows(db, "inbound_malformed") == 0


async def test_without_a_secret_nothing_is_believed(runtime: Runtime, db: Connection) -> None:
    async with serve(runtime) as client:
        assert (await send(client, INBOUND, text("STOP"), api_key=None)).status == 403
    assert await rows(db) == 0


# ---- what cannot be read


@pytest.mark.parametrize("body", [
    b"", b"not JSON", b"[]", b"5", b"{}", b'{"message_uuid": "x", "from": "447400123456", "to": "447700900001"}',
    json.dumps(text("x", sender="")).encode(), json.dumps(text("x", sender="+44 7400")).encode(),
    json.dumps(text("x") | {"from": {"number": 1}}).encode(),
])  # fmt: skip
async def test_signed_but_useless_is_kept_for_a_while(
    client: Client, db: Connection, here: Runtime, body: bytes
) -> None:
    headers = {"Authorization": f"Bearer {token(body)}"}
    assert (await client.post(INBOUND, data=body, headers=headers)).status == 400
    [kept] = await db.fetch("select source, expires_at from inbound_malformed")
    assert kept["source"] == "vonage_inbound"
    assert here.clock() < kept["expires_at"] <= here.clock() + timedelta(days=7)
    assert await rows(db) == 0


async def test_an_oversized_body_is_refused_unread(client: Client, db: Connection) -> None:
    body = b"a" * 1_000_000
    response = await client.post(INBOUND, data=body, headers={"Authorization": f"Bearer {token(body)}"})
    assert response.status == 413
    assert await rows(db) == 0


async def test_an_odd_character_does_not_stop_the_inbound_log(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    assert (await send(client, INBOUND, text("vo\0ted 🎉 ŵ"))).status == 200
    assert await process_inbound(campaign.runtime, 10) == 1
    assert await db.fetchval("select text from reply") == "vo\ufffdted 🎉 ŵ"


async def test_when_the_database_is_away_vonage_is_asked_to_try_again(here: Runtime, db: Connection) -> None:
    pool = await open_pool(here.settings.database_url or "", size=1)
    await pool.close()
    async with serve(replace(here, pool=pool)) as client:
        assert (await send(client, STATUS, status("delivered"))).status == 503
        assert (await send(client, INBOUND, text("STOP"))).status == 503


# ---- receipts


async def test_receipts_in_any_order_end_in_the_same_state(here: Runtime, campaign: Campaign, client: Client) -> None:
    luck = random.Random(7)
    for number in range(6):
        recipient = await campaign.ask(sms=f"+4474001000{number:02}", sent=False)
        uuid = f"aaaaaaaa-bbbb-4ccc-8ddd-{number:012}"
        statuses = ["submitted", "delivered"] * 2
        luck.shuffle(statuses)
        for name in statuses:
            receipt = status(name, uuid, client_ref=sign_id(here, recipient.message_id))
            assert (await send(client, STATUS, receipt)).status == 200
        while await process_inbound(here, 100):
            pass
        assert await state(campaign.db, recipient.message_id) == "delivered"
        row = await row_of(campaign.db, "select provider_id from message where message_id = $1", recipient.message_id)
        assert row["provider_id"] == uuid
    assert await campaign.db.fetchval("select count(*) from inbound_log where state = 'done'") == 12


@pytest.mark.parametrize(("name", "ends", "reason", "suppressed"), [
    ("rejected", "failed", "opted_out", "opted_out"),
    ("undeliverable", "undelivered", "invalid_number", "invalid_number"),
])  # fmt: skip
async def test_a_failure_of_the_number_suppresses_it(
    here: Runtime,
    campaign: Campaign,
    client: Client,
    db: Connection,
    name: str,
    ends: str,
    reason: str,
    suppressed: str,
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await send(client, STATUS, status(name, client_ref=sign_id(here, ann.message_id)))
    await process_inbound(here, 10)
    row = await row_of(db, "select state::text, reason from message where message_id = $1", ann.message_id)
    assert tuple(row) == (ends, reason)
    assert await campaign.suppressed() == {("sms", PHONE, suppressed)}


async def test_a_receipt_without_our_signed_id_finds_its_message_by_vonages_id(
    here: Runtime, campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await db.execute("update message set provider_id = $2 where message_id = $1", ann.message_id, UUID)
    for reference in ({"client_ref": "somebody else's"}, {"client_ref": None}):
        await send(client, STATUS, status("delivered", **reference))
    await process_inbound(here, 10)
    assert await state(db, ann.message_id) == "delivered"


async def test_a_forged_signed_id_is_no_message_id(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    other = campaign.runtime.keyring.sign_id(ann.message_id, "bounce")
    await send(client, STATUS, status("delivered", client_ref=other))
    await process_inbound(campaign.runtime, 10)
    assert await state(db, ann.message_id) == "sent"


async def test_an_unknown_status_is_parked_with_an_alert(here: Runtime, client: Client, db: Connection) -> None:
    await send(client, STATUS, status("delivered") | {"status": "levitated"})
    await process_inbound(here, 10)
    assert await db.fetchval("select state from inbound_log") == "parked"
    assert await db.fetchval("select severity from alert where key = 'inbound:vonage_status'") == "warning"


# ---- texts
