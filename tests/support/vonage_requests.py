"""Requests of Vonage, signed as it does."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from core.db import Connection
from tests.support.inbound_rows import PHONE
from tests.support.two_providers import VONAGE_FROM

Client = TestClient[web.Request, web.Application]

NEW, OLD = "the new signature secret of the account, long enough", "the old signature secret of the account"

ACCOUNT = "sandbox0"

UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"

STATUS, INBOUND = "/webhooks/vonage/status", "/webhooks/vonage/inbound"

DATA = Path(__file__).parents[1] / "data" / "vonage"


def token(body: bytes, *, secret: str = NEW, algorithm: str = "HS256", without: str = "", **claims: Any) -> str:
    fields = {
        "iat": int(datetime.now(UTC).timestamp()),
        "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": ACCOUNT,
    } | claims
    fields.pop(without, None)
    return jwt.encode(fields, secret, algorithm=algorithm)


async def send(client: Client, path: str, said: dict[str, Any], **how: Any) -> ClientResponse:
    body = json.dumps(said).encode()
    headers = {"Authorization": f"Bearer {token(body, **how)}", "Content-Type": "application/json"}
    return await client.post(path, data=body, headers=headers)


def payload(name: str, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return body | more


def status(name: str, uuid: str = UUID, **more: Any) -> dict[str, Any]:
    return payload(f"status-{name}", message_uuid=uuid, **more)


def text(words: str, uuid: str = UUID, sender: str = PHONE, **more: Any) -> dict[str, Any]:
    to = VONAGE_FROM.removeprefix("+")
    return payload("inbound", text=words, message_uuid=uuid, to=to, **{"from": sender.removeprefix("+")}) | more


async def by_vonage(db: Connection, message_id: int) -> None:
    await db.execute(
        "update message set provider = 'vonage', sent_from = $2 where message_id = $1", message_id, VONAGE_FROM
    )


async def rows(db: Connection, table: str = "inbound_log") -> int:
    return int(await db.fetchval(f"select count(*) from {table}"))
