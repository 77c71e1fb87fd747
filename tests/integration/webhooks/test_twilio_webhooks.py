"""Twilio's webhooks: only what Twilio signed, once, in any order; and nothing of what it did not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from multidict import MultiDict
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from core.db import Connection, open_pool
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import PHONE, Campaign, make_campaign, serve
from tests.support.twilio_requests import (
    FORM,
    INBOUND,
    NEW,
    OLD,
    SID,
    STATUS,
    Client,
    rows,
    send,
    signed,
    status,
    text,
)
from webhooks import process_inbound


@pytest.fixture
async def here(runtime: Runtime) -> Runtime:
    tokens = {"twilio_auth_token": (SecretStr(NEW), SecretStr(OLD)), "public_url": "https://muster.test"}
    clock = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    return replace(runtime, settings=runtime.settings.model_copy(update=tokens), clock=clock)


@pytest.fixture
async def campaign(here: Runtime, db: Connection) -> Campaign:
    return await make_campaign(here, db, now=here.clock())


@pytest.fixture
async def client(here: Runtime) -> AsyncIterator[Client]:
    async with serve(here) as client:
        yield client


async def state(db: Connection, message_id: int) -> str:
    return str(await db.fetchval("select state::text from message where message_id = $1", message_id))


# ---- signatures


@pytest.mark.parametrize("token", [NEW, OLD])
@pytest.mark.parametrize("path", [STATUS, INBOUND])
async def test_requests_signed_with_either_token_are_accepted(
    client: Client, db: Connection, path: str, token: str
) -> None:
    form = status("sent") if path == STATUS else text("Voted")
    response = await send(client, path, form, token=token)
    assert response.status in {200, 204}
    assert await rows(db) == 1


@pytest.mark.parametrize("path", [STATUS, INBOUND])
async def test_forged_requests_are_refused_and_leave_nothing(client: Client, db: Connection, path: str) -> None:
    form = status("delivered") | text("STOP")
    good = signed(path, form)["X-Twilio-Signature"]
    flipped = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(0, len(good) - 2, 5)]
    others = [
        signed(path, form, token="another token")["X-Twilio-Signature"],
        signed(path, form, url="http://muster.test")["X-Twilio-Signature"],
        signed(path, form, url="https://evil.test")["X-Twilio-Signature"],
        signed(path + "?m=1", form)["X-Twilio-Signature"],
        signed(path, form | {"Body": "1"})["X-Twilio-Signature"],
        signed(path, {name: value for name, value in form.items() if value})["X-Twilio-Signature"][:-2],
    ]
    for signature in ["", " ", good.lower(), good[:-1], good + "=", good * 2, "é", *flipped, *others]:
        headers = {"X-Twilio-Signature": signature, "Content-Type": FORM}
        response = await client.post(path, data=urlencode(form), headers=headers)
        assert response.status == 403, signature
    response = await client.post(path, data=urlencode(form), headers={"Content-Type": FORM})
    assert response.status == 403
    assert await rows(db) == await rows(db, "inbound_malformed") == 0


async def test_any_change_to_a_signed_request_is_seen(client: Client, db: Connection) -> None:
    form = text("not yet")
    headers = signed(INBOUND, form)
    changed = [
        (INBOUND, form | {"Body": "voted"}),
        (INBOUND, form | {"From": "+447400999999"}),
        (INBOUND, form | {"Extra": "1"}),
        (INBOUND, {name: value for name, value in form.items() if name != "NumMedia"}),
        (f"{INBOUND}?m=abc", form),
        (STATUS, form),
        (f"{INBOUND}/", form),
    ]
    for path, other in changed:
        response = await client.post(path, data=urlencode(other), headers=headers)
        assert response.status in {403, 404}
    assert await rows(db) == 0


async def test_without_an_account_every_request_is_refused(runtime: Runtime, db: Connection) -> None:
    async with serve(runtime) as client:
        form = text("STOP")
        assert (await send(client, INBOUND, form, token="", url="http://muster.test")).status == 403
    assert await rows(db) == 0


async def test_the_query_is_part_of_what_is_signed(here: Runtime, campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(sms=PHONE)
    path = f"{STATUS}?m={here.keyring.sign_id(ann.message_id, 'status')}"
    assert (await send(client, path, status("delivered"))).status == 204


async def test_headers_of_proxies_do_not_change_the_signed_url(client: Client, db: Connection) -> None:
    form = text("not yet")
    fields = {
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Port": "1",
        "Forwarded": "host=e",
    }
    good = signed(INBOUND, form) | fields
    assert (await client.post(INBOUND, data=urlencode(form), headers=good)).status == 200
    forged = signed(INBOUND, form, url="http://evil.test") | fields
    assert (await client.post(INBOUND, data=urlencode(form), headers=forged)).status == 403
    assert await rows(db) == 1


async def test_a_slow_client_is_not_waited_for(client: Client, db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.http.request_bodies.BODY_TIMEOUT", 0.2)
    form = urlencode(text("STOP")).encode()
    assert client.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    signature = signed(INBOUND, text("STOP"))["X-Twilio-Signature"]
    writer.write(
        f"POST {INBOUND} HTTP/1.1\r\nHost: muster.test\r\nContent-Type: {FORM}\r\nContent-Length: {len(form)}\r\n"
        f"X-Twilio-Signature: {signature}\r\n\r\n".encode()
        + form[:-1]
    )
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert b" 408 " in answer
    assert await rows(db) == await rows(db, "inbound_malformed") == 0


# ---- what cannot be read


UNREADABLE = [
    (b"\xff\xfe\xfd", FORM),
    (b"Body=%ff%fe", FORM),
    (b"&".join(b"a%d=1" % number for number in range(300)), FORM),
    (b"no equals sign", FORM),
    (b'{"MessageSid": 1}', "application/json"),
    (b"--x\r\n\r\n", "multipart/form-data; boundary=x"),
]


def signed_rubbish(body: bytes, content_type: str) -> dict[str, str]:
    """The headers of something unreadable that Twilio has signed."""
    form = MultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)) if content_type == FORM else {}
    signature = RequestValidator(NEW).compute_signature(f"https://muster.test{INBOUND}", form)
    return {"X-Twilio-Signature": signature, "Content-Type": content_type}


@pytest.mark.parametrize(("body", "content_type"), UNREADABLE)
async def test_a_signed_request_that_cannot_be_read_is_kept_for_a_while(
    client: Client, db: Connection, here: Runtime, body: bytes, content_type: str
) -> None:
    assert (await client.post(INBOUND, data=body, headers=signed_rubbish(body, content_type))).status == 400
    [kept] = await db.fetch("select source, body, expires_at from inbound_malformed")
    assert (kept["source"], kept["body"]) == ("twilio_inbound", body)
    assert here.clock() < kept["expires_at"] <= here.clock() + timedelta(days=7)
    assert await rows(db) == 0


@pytest.mark.parametrize(("body", "content_type"), UNREADABLE)
async def test_nothing_of_a_strangers_request_is_kept(
    client: Client, db: Connection, body: bytes, content_type: str
) -> None:
    headers = {"X-Twilio-Signature": "x" * 28, "Content-Type": content_type}
    assert (await client.post(INBOUND, data=body, headers=headers)).status == 403
    assert await rows(db) == await rows(db, "inbound_malformed") == 0


@pytest.mark.parametrize("form", [{}, {"MessageSid": SID}, text("x", sid="nonsense"), text("x", sender="")])
async def test_signed_but_useless_is_kept_for_a_while(client: Client, db: Connection, form: dict[str, str]) -> None:
    assert (await send(client, INBOUND, form)).status == 400
    assert (await rows(db), await rows(db, "inbound_malformed")) == (0, 1)


async def test_rubbish_cannot_fill_the_database(client: Client, db: Connection, here: Runtime) -> None:
    await db.execute(
        "insert into inbound_malformed (source, problem, body, expires_at)"
        " select 't', 'p', '', $1 from generate_series(1, 999)",
        here.clock() + timedelta(days=1),
    )
    for _ in range(3):
        headers = signed_rubbish(b"y" * 60_000, "text/plain")
        assert (await client.post(INBOUND, data=b"y" * 60_000, headers=headers)).status == 400
    assert await rows(db, "inbound_malformed") == 1000
    assert await db.fetchval("select max(length(body)) from inbound_malformed") == 8192


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_oversized_body_is_refused_unread(client: Client, db: Connection, chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"a" * 10_000

    body: object = pieces() if chunked else b"a" * 1_000_000
    headers = {"X-Twilio-Signature": "x" * 28, "Content-Type": FORM}
    response = await client.post(INBOUND, data=body, headers=headers)
    assert response.status == 413
    assert await rows(db) == await rows(db, "inbound_malformed") == 0


async def test_an_odd_character_does_not_stop_the_inbound_log(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    assert (await send(client, INBOUND, text("vo\0ted 🎉 ŵ"))).status == 200
    assert await process_inbound(campaign.runtime, 10) == 1
    assert await db.fetchval("select text from reply where message_id = $1", ann.message_id) == "vo\ufffdted 🎉 ŵ"


async def test_when_the_database_is_away_twilio_is_asked_to_try_again(here: Runtime, db: Connection) -> None:
    pool = await open_pool(here.settings.database_url or "", size=1)
    await pool.close()
    async with serve(replace(here, pool=pool)) as client:
        assert (await send(client, STATUS, status("sent"))).status == 503
        assert (await send(client, INBOUND, text("STOP"))).status == 503


# ---- receipts


async def test_receipts_in_any_order_end_in_the_same_state(here: Runtime, campaign: Campaign, client: Client) -> None:
    luck = random.Random(7)
    for number in range(6):
        recipient = await campaign.ask(sms=f"+4474001000{number:02}")
        path = f"{STATUS}?m={here.keyring.sign_id(recipient.message_id, 'status')}"
        statuses = ["queued", "sending", "sent", "delivered"] * 2
        luck.shuffle(statuses)
        for name in statuses:
            assert (await send(client, path, status(name, sid=f"SM{number:032x}"))).status == 204
        while await process_inbound(here, 100):
            pass
        assert await state(campaign.db, recipient.message_id) == "delivered"
    assert await campaign.db.fetchval("select count(*) from inbound_log where state = 'done'") == 24


async def test_the_same_receipt_twice_is_stored_once(campaign: Campaign, client: Client, db: Connection) -> None:
    for _ in range(3):
        assert (await send(client, STATUS, status("delivered"))).status == 204
    assert await rows(db) == 1


async def test_a_receipt_of_an_unknown_text_is_done_with(campaign: Campaign, client: Client, db: Connection) -> None:
    assert (await send(client, STATUS, status("delivered"))).status == 204
    assert await process_inbound(campaign.runtime, 10) == 1
    assert await db.fetchval("select state from inbound_log") == "done"


async def test_a_receipt_before_the_request_returned_finds_its_message(
    here: Runtime, campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE, sent=False)
    path = f"{STATUS}?m={here.keyring.sign_id(ann.message_id, 'status')}"
    await send(client, path, status("sent"))
    await process_inbound(here, 10)
    assert await state(db, ann.message_id) == "sent"
    assert await db.fetchval("select provider_id from message where message_id = $1", ann.message_id) == SID


async def test_a_forged_signed_id_is_no_message_id(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    signed_id = campaign.runtime.keyring.sign_id(ann.message_id, "bounce")
    await send(client, f"{STATUS}?m={signed_id}", status("delivered"))
    await process_inbound(campaign.runtime, 10)
    assert await state(db, ann.message_id) == "sent"


async def test_a_failure_of_the_number_suppresses_it(
    here: Runtime, campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    path = f"{STATUS}?m={here.keyring.sign_id(ann.message_id, 'status')}"
    await send(client, path, status("undelivered", ErrorCode="30005"))
    await process_inbound(here, 10)
    assert await state(db, ann.message_id) == "undelivered"
    assert await campaign.suppressed() == {("sms", PHONE, "invalid_number")}


async def test_an_unknown_status_is_parked_with_an_alert_and_delays_nothing(
    here: Runtime, campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await send(client, STATUS, status("levitated", sid="SM" + "1" * 32))
    path = f"{STATUS}?m={here.keyring.sign_id(ann.message_id, 'status')}"
    await send(client, path, status("delivered"))
    await process_inbound(here, 10)
    assert {row[0] for row in await db.fetch("select state from inbound_log")} == {"parked", "done"}
    assert await state(db, ann.message_id) == "delivered"
    assert await db.fetchval("select severity from alert where key = 'inbound:twilio_status'") == "warning"


# ---- texts


# ---- what is answered at once
