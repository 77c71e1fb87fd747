"""Requests with any content to any path of ours: no 500, no hang, nothing half-written, and an answer in words.

Which addresses there are is asked of the router, so that new ones are tried, too. The members' pages have a test of
their own.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256
from urllib.parse import quote

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from pydantic import SecretStr
from twilio.request_validator import RequestValidator
from yarl import URL

from core.db import Connection
from core.runtime import Runtime
from muster.operator import operator
from staff.sign_in import make_sign_in_link, use_link
from tests.support.inbound_rows import COUNTED, serve
from tests.support.staff_accounts import EVERYDAY_ROLE
from webhooks import process_inbound

Client = TestClient[web.Request, web.Application]
TOKEN = "the token of the account"
SECRET = "a signature secret of the account"
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
ANSWER_TIMEOUT = 10.0
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

    def addresses(self) -> list[str]:
        """Every address there is, with its blanks, and some that are none; not the members' pages."""
        known = {resource.canonical for resource in self.app.router.resources()}
        members = {path for path in known if path.startswith(("/{", "/u/"))}
        assert {"/webhooks/twilio/status", "/console/sign-in/{token}", "/metrics"} <= known - members
        return [*sorted(known - members), "/console/assets/../../pyproject.toml", "/api/v1/nothing", "/webhooks", "//"]

    @property
    def app(self) -> web.Application:
        app = self.client.server.app  # type: ignore[attr-defined]  # of a TestServer
        assert isinstance(app, web.Application)
        return app

    async def ask(self, method: str, path: str, **how: object) -> tuple[int, str, bytes]:
        url = URL(f"http://127.0.0.1:{self.client.port}{path}", encoded=True)
        asked = self.client.session.request(method, url, allow_redirects=False, **how)  # type: ignore[arg-type]
        async with asyncio.timeout(ANSWER_TIMEOUT), asked as answer:
            if answer.content_type == "text/event-stream":
                return answer.status, answer.content_type, b""
            return answer.status, answer.content_type, await answer.read()

    async def session(self) -> str:
        """The cookie of somebody of staff who has just signed in."""
        link = await make_sign_in_link(
            self.db,
            email="ada@union.test",
            name="Ada",
            by=operator("a test"),
            now=self.runtime.clock(),
            create_as=EVERYDAY_ROLE,
            minutes=15,
        )
        token = await use_link(self.db, link.rpartition("/")[2], now=self.runtime.clock(), replaces=None)
        assert token is not None
        return token

    async def rows(self) -> dict[str, int]:
        return {table: await self.db.fetchval(f"select count(*) from {table}") for table in COUNTED}


@pytest.fixture
async def site(runtime: Runtime, db: Connection) -> AsyncIterator[Site]:
    given = {
        "twilio_auth_token": (SecretStr(TOKEN),), "public_url": "https://muster.test", "vonage_api_key": "account0",
        "vonage_signature_secret": (SecretStr(SECRET),),
    }  # fmt: skip
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


hard = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@hard
@given(
    st.data(),
    st.sampled_from(METHODS),
    PLAIN.map(quote),
    HEADERS,
    st.sampled_from(TYPES),
    st.binary(max_size=300),
    st.booleans(),
)
async def test_anything_anywhere_is_answered_and_changes_nothing(
    site: Site,
    data: st.DataObject,
    method: str,
    query: str,
    headers: dict[str, str],
    kind: str,
    body: bytes,
    staff: bool,
) -> None:
    path = data.draw(st.sampled_from(site.addresses()))
    path = re.sub(r"\{[^}]*\}", lambda _: quote(data.draw(PLAIN), safe="") or "x", path)
    sent = {name: value.strip() for name, value in headers.items()}
    if kind:
        sent["Content-Type"] = quote(kind, safe=" ;,=/*-")
    if staff:
        sent["Cookie"] = f"muster={await site.session()}"
    before = await site.rows()
    try:
        answer = await site.ask(method, f"{path}?{query}", headers=sent, data=body)
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
async def test_any_signed_body_is_taken_or_refused_and_never_stops_the_inbound_log(
    site: Site, path: str, pairs: list[tuple[str, str]], signed_id: str
) -> None:
    form = MultiDict(
        (name.encode(errors="replace").decode(), value.encode(errors="replace").decode()) for name, value in pairs
    )
    path = f"{path}?m={quote(signed_id.encode(errors='replace'))}"
    signature = RequestValidator(TOKEN).compute_signature(f"https://muster.test{path}", form)
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in form.items())
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    status, kind, answer = await site.ask("POST", path, headers=headers, data=body.encode())
    check(status, kind, answer)
    assert status in {200, 204, 400}
    await process_inbound(site.runtime, 100)
    left = await site.db.fetch("select state, error from inbound_log where state = 'new'")
    assert [tuple(row) for row in left] == []


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SAID = st.dictionaries(
    st.sampled_from(["message_uuid", "status", "from", "to", "text", "error", "client_ref", "message_type", "image"]),
    ANY, max_size=8,
)  # fmt: skip


@hard
@given(st.sampled_from(["/webhooks/vonage/status", "/webhooks/vonage/inbound"]), SAID | ANY, st.booleans())
@example("/webhooks/vonage/inbound", {"image": {"caption": 5}, "message_type": "image"}, True)
@example("/webhooks/vonage/status", {"status": "rejected", "error": {"title": 5, "detail": []}, "client_ref": {}}, True)
async def test_any_signed_body_of_the_other_provider_is_taken_or_refused(
    site: Site, path: str, said: object, likely: bool
) -> None:
    if likely and isinstance(said, dict):
        said = {"message_uuid": UUID, "status": "delivered", "from": "447400123456", "to": "447700900001"} | said
    body = json.dumps(said).encode(errors="replace")
    claims = {"iat": int(time.time()), "payload_hash": sha256(body).hexdigest(), "api_key": "account0"}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
    status, kind, answer = await site.ask("POST", path, headers=headers, data=body)
    check(status, kind, answer)
    assert status in {200, 400}
    await process_inbound(site.runtime, 100)
    assert await site.db.fetchval("select count(*) from inbound_log where state = 'new'") == 0


@pytest.mark.parametrize(
    "path", ["/webhooks/twilio/status", "/webhooks/vonage/inbound", "/console/sign-in/abc", "/u/abc"]
)
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
