"""Requests for a link that are no answer: views, forgeries, unknown links and floods."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import string
from dataclasses import replace
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from core.db import Connection, open_pool
from core.http.rate_limit import MAX_MISSES_PER_NETWORK
from core.keyring import digest
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import (
    BROWSER,
    HEADLESS,
    IMESSAGE,
    PHONE,
    Campaign,
    everything,
    look,
    make_campaign,
    press,
    serve,
)
from webhooks.members import recipient

Client = TestClient[web.Request, web.Application]


@pytest.mark.parametrize("agent", [BROWSER, "", HEADLESS, IMESSAGE])
async def test_opening_the_page_changes_nothing(campaign: Campaign, client: Client, db: Connection, agent: str) -> None:
    ann = await campaign.ask(sms=PHONE)
    before = await everything(db)
    for path in (ann.confirm, ann.unsubscribe, f"{ann.confirm}/page", f"{ann.confirm}?answer=voted&nonce=1"):
        for method in ("HEAD", "GET", "GET", "HEAD"):
            await client.request(method, path, headers={"User-Agent": agent})
    assert await everything(db) == before


async def test_a_page_view_waits_for_no_disk_and_an_answer_does(
    campaign: Campaign, db: Connection, clock: FixedClock
) -> None:
    """What a transaction that ends with a look would wait for: told by the setting that holds when it commits."""
    ann = await campaign.ask(sms=PHONE)
    link = campaign.runtime.keyring.read_link(ann.confirm.removeprefix("/"))
    await db.execute("set synchronous_commit = on")
    for alone, waits in ((True, "off"), (False, "on")):
        async with db.transaction():
            assert await recipient.view_page(db, link, "confirm", clock(), agent="browser", alone=alone)
            assert await db.fetchval("show synchronous_commit") == waits
        assert await db.fetchval("show synchronous_commit") == "on"


async def test_head_has_the_headers_of_get_and_leaves_no_trace(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    head = await client.head(ann.confirm)
    assert await db.fetchval("select count(*) from page_view") == 0
    get = await client.get(ann.confirm)
    varies = {"Date"}
    assert {name: value for name, value in head.headers.items() if name not in varies} == {
        name: value for name, value in get.headers.items() if name not in varies
    }


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(campaign: Campaign, client: Client, db: Connection, method: str) -> None:
    ann = await campaign.ask(sms=PHONE)
    before = await everything(db)
    assert (await client.request(method, ann.confirm)).status == 405
    assert await everything(db) == before


async def test_a_nonce_works_once(campaign: Campaign, client: Client, db: Connection, clock: FixedClock) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    await press(client, ann.confirm, page, "voted")
    before = await everything(db)
    again = await press(client, ann.confirm, page, "voted")
    assert "You have told us that you have voted" in again.words
    for other in ("undo", "stop"):
        data = {**page.fields, "answer": other}
        response = await client.post(ann.confirm, data=data, headers={"User-Agent": BROWSER})
        assert response.status == 409
        assert "so nothing was noted" in await response.text()
    assert await everything(db) == before


async def test_simultaneous_presses_count_once(campaign: Campaign, client: Client, clock: FixedClock) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    await asyncio.gather(*(press(client, ann.confirm, page, "voted") for _ in range(8)))
    assert await campaign.db.fetchval("select count(*) from claim") == 1


async def test_a_nonce_is_valid_for_one_link(campaign: Campaign, client: Client, clock: FixedClock) -> None:
    ann, bob = await campaign.ask(sms=PHONE), await campaign.ask(sms="+447400123457")
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    response = await client.post(bob.confirm, data={**page.fields, "answer": "voted"}, headers={"User-Agent": BROWSER})
    assert response.status == 409
    assert await campaign.status(bob) is None
    unsubscribe = await look(client, ann.unsubscribe)
    response = await client.post(
        ann.confirm, data={**unsubscribe.fields, "answer": "voted"}, headers={"User-Agent": BROWSER}
    )
    assert response.status == 409
    assert await campaign.status(ann) is None


@pytest.mark.parametrize("nonce", ["", "x", "é" * 200, "\0", "'; drop table claim; --"])
async def test_without_a_nonce_nothing_is_answered(campaign: Campaign, client: Client, nonce: str) -> None:
    ann = await campaign.ask(sms=PHONE)
    response = await client.post(ann.confirm, data={"nonce": nonce, "answer": "voted"}, headers={"User-Agent": BROWSER})
    assert response.status == 409
    assert await campaign.status(ann) is None


@pytest.mark.parametrize("answer", ["", "VOTED", "voted ", "retracted", "scrutineer", "\0", "x" * 5000, "<script>"])
async def test_an_unknown_answer_shows_the_question_again(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock, answer: str
) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    before = await everything(db)
    page = await press(client, ann.confirm, page, answer)
    assert "One more question" in page.words
    assert await everything(db) == before


async def test_unknown_revoked_and_expired_look_identical(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock
) -> None:
    revoked, wrong = await campaign.ask(sms=PHONE), await campaign.ask(sms="+447400123457")
    await db.execute("update link set revoked_at = now() where digest = $1", digest(revoked.confirm[1:]))
    seen = []
    paths = (revoked.confirm, "/0000000000000", wrong.unsubscribe[2:], "/abc", "/u/0000000000000", f"/{'z' * 64}")
    for path in paths:
        response = await client.get(path)
        headers = {name: value for name, value in response.headers.items() if name != "Date"}
        seen.append((response.status, headers, await response.read()))
    assert seen[0][0] == 404
    assert b"This link does not work" in seen[0][2]
    assert all(page == seen[0] for page in seen)
    clock.wait(days=71)
    response = await client.get(wrong.confirm)
    assert await response.read() == seen[0][2]
    assert (await client.post("/0000000000000", data={"answer": "voted"})).status == 404


async def test_too_many_bad_links_have_to_wait_and_good_links_do_not(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(sms=PHONE)
    for _ in range(MAX_MISSES_PER_NETWORK):
        assert (await client.get("/0000000000000")).status == 404
    response = await client.get("/0000000000000")
    assert response.status == 429
    assert response.headers["Retry-After"] == "60"
    await look(client, ann.confirm)
    elsewhere = await client.get("/0000000000000", headers={"X-Forwarded-For": "8.8.8.8"})
    assert elsewhere.status == 404


async def test_bad_links_are_counted_without_redis(here: Runtime, db: Connection, clock: FixedClock) -> None:
    away = Redis.from_url("redis://127.0.0.1:1")
    async with serve(replace(here, redis=away)) as client:
        for _ in range(MAX_MISSES_PER_NETWORK):
            assert (await client.get("/0000000000000")).status == 404
        assert (await client.get("/0000000000000")).status == 429
    await away.aclose()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from(string.ascii_letters + string.digits + "-_~%&+'\"<>é€ "), max_size=70))
async def test_any_path_is_answered(client: Client, here: Runtime, text: str) -> None:
    assume(text.lower() not in {"metrics", "healthz", "readyz", "console"})
    await here.redis.flushdb()
    for path in (f"/{quote(text)}", f"/u/{quote(text)}"):
        response = await client.get(path, allow_redirects=False)
        # no path at all leads on; everything else is a link that nobody has
        assert response.status in ({200} if path == "/" else {404, 405, 429})


async def test_the_page_is_small_private_and_plain(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(sms=PHONE)
    for path in (ann.confirm, ann.unsubscribe, "/0000000000000"):
        response = await client.get(path)
        body = await response.read()
        assert len(body) < 20_000
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response.headers["X-Robots-Tag"]
        assert response.headers["Cache-Control"] == "no-store"
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        [style] = re.findall(rb"<style>(.*?)</style>", body, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(style).digest()).decode() in policy
        assert "Set-Cookie" not in response.headers
        text = body.decode()
        assert "<script" not in text
        assert not re.search(r"\bon\w+=", text)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
        assert " style=" not in text


XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}{name}{0.__class__}"


async def test_names_and_titles_are_escaped(here: Runtime, db: Connection, client: Client, clock: FixedClock) -> None:
    campaign = await make_campaign(here, db, now=clock(), title=XSS)
    await db.execute("update ballot set organisation = $1", XSS)
    ann = await campaign.ask(sms=PHONE, first_name=XSS)
    for path in (ann.confirm, ann.unsubscribe):
        text = await (await client.get(path)).text()
        assert "<script" not in text
        assert "<img" not in text
        assert "&lt;script&gt;" in text
        assert "{{ 7*7 }}{name}{0.__class__}" in text
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    response = await client.post(ann.confirm, data={**page.fields, "answer": "voted"}, headers={"User-Agent": BROWSER})
    assert "<script" not in await response.text()


async def test_an_oversized_body_is_refused(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    before = await everything(db)
    response = await client.post(ann.confirm, data={"answer": "voted", "nonce": "x" * 100_000})
    assert response.status == 413
    assert await everything(db) == before


async def test_a_database_that_is_away_is_a_503_a_member_understands(
    here: Runtime, db: Connection, clock: FixedClock
) -> None:
    campaign = await make_campaign(here, db, now=clock())
    ann = await campaign.ask(sms=PHONE)
    pool = await open_pool(here.settings.database_url or "", size=1)
    await pool.close()
    async with serve(replace(here, pool=pool)) as client:
        response = await client.get(ann.confirm)
        assert response.status == 503
        assert response.headers["Retry-After"] == "30"
        assert "try again in a few minutes" in await response.text()
