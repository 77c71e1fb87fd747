"""Requests of Twilio, signed as it does."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from twilio.request_validator import RequestValidator

from core.db import Connection
from core.runtime import Runtime
from tests.support.inbound_rows import NUMBER, PHONE
from webhooks import process_inbound

Client = TestClient[web.Request, web.Application]

NEW, OLD = "the new token of the account", "the old token of the account"

SID = "SM" + "0a" * 16

STATUS, INBOUND = "/webhooks/twilio/status", "/webhooks/twilio/inbound"

FORM = "application/x-www-form-urlencoded"


def signed(path: str, form: dict[str, str], *, token: str = NEW, url: str = "https://muster.test") -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url + path, form), "Content-Type": FORM}


async def send(client: Client, path: str, form: dict[str, str], **how: str) -> ClientResponse:
    return await client.post(path, data=urlencode(form), headers=signed(path, form, **how))


def status(name: str, sid: str = SID, **more: str) -> dict[str, str]:
    return {"AccountSid": "AC1", "MessageSid": sid, "MessageStatus": name, "To": PHONE, "From": NUMBER, **more}


def text(body: str, sid: str = SID, sender: str = PHONE, **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "From": sender, "To": NUMBER, "Body": body, "NumMedia": "0", "FromCity": "", **more}


async def rows(db: Connection, table: str = "inbound_log") -> int:
    return int(await db.fetchval(f"select count(*) from {table}"))


async def answer(here: Runtime, client: Client, form: dict[str, str]) -> str:
    """What a text is answered by itself, once it is processed; "" for nothing."""
    last = await here.pool.fetchval("select coalesce(max(message_id), 0) from transactional")
    assert (await send(client, INBOUND, form)).status == 200
    await process_inbound(here, 10)
    rows_stored = await here.pool.fetch(
        "select content ->> 'text' as text from transactional where message_id > $1", last
    )
    return "".join(row["text"] for row in rows_stored)
