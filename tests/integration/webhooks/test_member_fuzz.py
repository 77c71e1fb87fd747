"""Any request to members' addresses gets a readable answer soon, and leaves nothing half written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db import Connection
from core.keyring import ALPHABET, EMAIL_TOKEN_LENGTH, TOKEN_LENGTH
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import Campaign, Forms, Recipient, make_campaign, serve
from tests.support.member_states import NOON, Client

ANSWER_TIMEOUT = 20.0
"""Seconds; a hang is none of them."""
FIELDS = ("nonce", "answer", "List-Unsubscribe", "to-1", "to-2", "")
ANSWERS = (
    "voted",
    "not_yet",
    "stop",
    "undo",
    "undo_stop",
    "nothing",
    "stop_everywhere",
    "page",
    "One-Click",
    "save",
    "stop_all",
    "yes",
    "everything",
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
KINDS = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
    "x",
)
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

header = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)
path = st.one_of(
    st.text(ALPHABET, min_size=TOKEN_LENGTH, max_size=TOKEN_LENGTH).map(lambda token: f"/{token}"),
    st.text(ALPHABET, min_size=EMAIL_TOKEN_LENGTH, max_size=EMAIL_TOKEN_LENGTH).map(lambda token: f"/{token}"),
    st.sampled_from(
        [
            "confirm",
            "unsubscribe",
            "preferences",
            "confirm/page",
            "confirm?lang=cy",
            "confirm?lang=%00",
            "confirm?answer=voted",
        ]
    ),
)
form = st.dictionaries(
    st.one_of(st.sampled_from(FIELDS), st.text(max_size=20)),
    st.one_of(st.sampled_from(ANSWERS), st.text(max_size=60)),
    max_size=6,
)
body = st.one_of(st.binary(max_size=2000), st.integers(0, 40_000).map(lambda size: b"a=%00&" * (size // 6)))


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection) -> Campaign:
    clock = FixedClock(NOON)
    return await make_campaign(replace(runtime, clock=clock), db, now=NOON)


@pytest.fixture
async def client(campaign: Campaign) -> AsyncIterator[Client]:
    async with serve(campaign.runtime) as client:
        yield client


@pytest.fixture
async def ann(campaign: Campaign) -> Recipient:
    return await campaign.ask(email="ann@x.test", language="cy")


def place(ann: Recipient, path: str) -> str:
    for name in ("unsubscribe", "preferences", "confirm"):
        path = path.replace(name, str(getattr(ann, name)))
    return path


async def check(response: ClientResponse) -> None:
    text = await response.text()
    assert response.status in {200, 400, 404, 405, 408, 409, 413, 429}, (response.status, text)
    if response.method != "HEAD":
        page = Forms(text)
        assert response.content_type == "text/html", text
        assert page.language in {"en", "cy"}
        assert text.count("<h1>") == 1
        assert "Traceback" not in text


@many
@given(
    path, st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY"]), header, header, form
)
async def test_any_request_is_answered_with_a_page(
    campaign: Campaign, client: Client, ann: Recipient, path: str, method: str, agent: str, languages: str,
    form: dict[str, str],
) -> None:  # fmt: skip
    await campaign.runtime.redis.flushdb()
    headers = FORM | {"User-Agent": agent, "Accept-Language": languages, "X-Forwarded-For": languages}
    async with asyncio.timeout(ANSWER_TIMEOUT):
        data = urlencode(form).encode() if method in {"POST", "PUT", "PATCH"} else None
        async with client.request(method, place(ann, path), headers=headers, data=data) as response:
            await check(response)
    await nothing_half_written(campaign)


@many
@given(st.sampled_from(["confirm", "unsubscribe", "preferences"]), st.sampled_from(KINDS), body)
async def test_any_body_is_answered_with_a_page(
    campaign: Campaign, client: Client, ann: Recipient, path: str, kind: str, body: bytes
) -> None:
    async with (
        asyncio.timeout(ANSWER_TIMEOUT),
        client.post(place(ann, path), data=body, headers={"Content-Type": kind}) as response,
    ):
        await check(response)
    await nothing_half_written(campaign)


@many
@given(st.sampled_from(["confirm", "unsubscribe", "preferences"]), form)
async def test_any_form_from_a_page_that_was_looked_at_is_answered_with_a_page(
    campaign: Campaign, client: Client, ann: Recipient, path: str, form: dict[str, str]
) -> None:
    async with asyncio.timeout(ANSWER_TIMEOUT):
        looked = Forms(await (await client.get(place(ann, path))).text())
        async with client.post(place(ann, path), data=urlencode({**form, **looked.fields}), headers=FORM) as response:
            await check(response)
    await nothing_half_written(campaign)


async def nothing_half_written(campaign: Campaign) -> None:
    """Every press that was kept was done, and nothing was done that no press asked for."""
    left = await campaign.db.fetchval("select count(*) from inbound_log where state <> 'done'")
    unasked = await campaign.db.fetchval(
        "select count(*) from claim c where c.source = 'link'"
        " and not exists (select from inbound_log where source = 'link')"
    )
    stopped = await campaign.db.fetchval("select count(*) from suppression")
    kept = await campaign.db.fetchval("select count(*) from inbound_log")
    assert (left, unasked) == (0, 0)
    assert stopped == 0 or kept > 0


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /zzzz456789abc HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Y: z\r\n" * 2_000 + b"\r\n",
        b"POST /zzzz456789abc HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /zzzz456789abc HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200 + b"\r\n\r\n",
        b"\0\r\n\r\n",
    ],
)
async def test_a_malformed_request_is_refused_and_the_next_answered(client: Client, sent: bytes) -> None:
    async with asyncio.timeout(ANSWER_TIMEOUT):
        reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
        writer.write(sent)
        writer.write_eof()
        output = await reader.read()
        writer.close()
        assert b" 500 " not in output.partition(b"\r\n")[0]
        assert (await client.get("/healthz")).status == 200
