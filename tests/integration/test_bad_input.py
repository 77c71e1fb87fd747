"""Whatever anybody sends to any address of ours: no 500, no hang, nothing half-written, and an answer in words.

The members' pages have a test of their own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from pydantic import SecretStr
from twilio.request_validator import RequestValidator
from yarl import URL

from messaging.db import Connection
from messaging.runtime import Runtime
from tests.integration.inbound_rows import COUNTED, serve
from webhooks import process_inbox

Client = TestClient[web.Request, web.Application]
TOKEN = "the token of the account"
PATIENCE = 10.0
ADDRESSES = [
    "/healthz", "/readyz", "/metrics", "/webhooks/twilio/status", "/webhooks/twilio/inbound", "/webhooks/vonage/status",
    "/webhooks/vonage/inbound", "/console/", "/console/login", "/console/logout", "/console/ballots/x",
    "/console/campaigns/x", "/console/live", "/console/static/console.css", "/console/static/../../pyproject.toml",
    "/api/v1/nothing", "/webhooks/email/nobody", "/webhooks", "/console/ballots/x/live",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"]
TYPES = ["", "application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "text/é", ";"]
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from([
        "Accept", "Accept-Language", "Authorization", "Cookie", "X-Twilio-Signature", "X-Forwarded-For", "User-Agent",
        "If-None-Match", "If-Modified-Since", "Range", "Origin", "Referer", "Last-Event-ID", "X-HTTP-Method-Override",
    ]),
    PLAIN.map(lambda text: quote(text, safe=" ;,=/*-")), max_size=4,
)  # fmt: skip
NAMES = st.sampled_from(
    ["MessageSid", "MessageStatus", "From", "To", "Body", "OptOutType", "NumMedia", "ErrorCode", "x"]
)
VALUES = st.sampled_from(
    ["SM" + "0a" * 16, "delivered", "+447400123456", "STOP", "", "٣", "-1", "1e9", "\0"]
) | st.text(max_size=40)


@dataclass(frozen=True)
class Site:
    """A whole web application, and its database."""

    client: Client
    runtime: Runtime
    db: Connection

    async def ask(self, method: str, path: str, **how: object) -> tuple[int, str, bytes]:
        url = URL(f"http://127.0.0.1:{self.client.port}{path}", encoded=True)
        asked = self.client.session.request(method, url, allow_redirects=False, **how)  # type: ignore[arg-type]
        async with asyncio.timeout(PATIENCE), asked as answer:
            if answer.content_type == "text/event-stream":
                return answer.status, answer.content_type, b""
            return answer.status, answer.content_type, await answer.read()

    async def rows(self) -> dict[str, int]:
        return {table: await self.db.fetchval(f"select count(*) from {table}") for table in COUNTED}


@pytest.fixture
async def site(runtime: Runtime, db: Connection) -> AsyncIterator[Site]:
    given = {"twilio_auth_token": (SecretStr(TOKEN),), "public_url": "https://muster.test"}
    here = replace(runtime, settings=runtime.settings.model_copy(update=given))
    async with serve(here) as client:
        yield Site(client, here, db)


def check(status: int, kind: str, body: bytes) -> None:
    """An answer that a person or a program can use."""
    assert status < 500 or status == 503
    if status < 400 or not body:
        return
    if kind == "application/problem+json":
        problem = json.loads(body)
        assert problem["status"] == status
        assert problem["detail"]
    else:
        assert kind in {"text/html", "text/plain"}
        assert b"Traceback" not in body


hard = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@hard
@given(
    st.sampled_from(METHODS),
    st.sampled_from(ADDRESSES),
    PLAIN.map(quote),
    HEADERS,
    st.sampled_from(TYPES),
    st.binary(max_size=300),
)
@example("POST", "/webhooks/vonage/status", "", {"Authorization": "Bearer e30.e30.e30"}, "application/json", b"{}")
@example("POST", "/webhooks/vonage/status", "", {"Authorization": "Bearer \udc80"[:7]}, "application/json", b"[" * 5000)
@example("GET", "/console/live", "after=-1", {"Last-Event-ID": "9" * 30}, "", b"")
async def test_anything_anywhere_is_answered_and_changes_nothing(
    site: Site, method: str, path: str, query: str, headers: dict[str, str], kind: str, body: bytes
) -> None:
    before = await site.rows()
    told = {name: value.strip() for name, value in headers.items()} | (
        {"Content-Type": quote(kind, safe=" ;,=/*-")} if kind else {}
    )
    try:
        answer = await site.ask(method, f"{path}?{query}", headers=told, data=body)
    except aiohttp.ClientError:  # the server hung up on what is no HTTP
        answer = (400, "text/plain", b"")
    check(*answer)
    assert await site.rows() == before
    assert (await site.ask("GET", "/healthz"))[0] == 200


@hard
@given(
    st.sampled_from(["/webhooks/twilio/status", "/webhooks/twilio/inbound"]),
    st.lists(st.tuples(NAMES | st.text(max_size=10), VALUES), max_size=12),
    st.text(max_size=20),
)
async def test_whatever_a_provider_signs_is_taken_or_refused_and_never_stops_the_inbox(
    site: Site, path: str, pairs: list[tuple[str, str]], seal: str
) -> None:
    form = MultiDict(
        (name.encode(errors="replace").decode(), value.encode(errors="replace").decode()) for name, value in pairs
    )
    path = f"{path}?m={quote(seal.encode(errors='replace'))}"
    signature = RequestValidator(TOKEN).compute_signature(f"https://muster.test{path}", form)
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in form.items())
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    status, kind, answer = await site.ask("POST", path, headers=headers, data=body.encode())
    check(status, kind, answer)
    assert status in {200, 204, 400}
    await process_inbox(site.runtime, 100)
    left = await site.db.fetch("select state, error from inbox where state = 'new'")
    assert [tuple(row) for row in left] == []


@pytest.mark.parametrize("path", ["/webhooks/twilio/status", "/webhooks/vonage/inbound", "/console/login", "/u/abc"])
async def test_a_body_without_end_is_cut_off(site: Site, path: str) -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(2000):
            sent += 65_536
            yield b"a" * 65_536
            await asyncio.sleep(0)

    headers = {"X-Twilio-Signature": "x" * 28, "Authorization": "Bearer a.b.c"}
    try:
        status, _, _ = await site.ask("POST", path, headers=headers, data=flood())
    except aiohttp.ClientError:
        status = 413
    assert 400 <= status < 500
    assert sent < 2000 * 65_536
