"""Page views without end: they fill no table, hide no machine, and cost the member nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from core.db import Connection
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import BROWSER, HEADLESS, PHONE, Campaign, look, make_campaign, press, serve
from webhooks import delete_stale_rows
from webhooks.members.page_views import MAX_RECENT_VIEWS

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection, clock: FixedClock) -> Campaign:
    return await make_campaign(replace(runtime, clock=clock), db, now=clock())


@pytest.fixture
async def client(campaign: Campaign) -> AsyncIterator[Client]:
    async with serve(campaign.runtime) as client:
        yield client


async def looks(db: Connection, action: str = "confirm") -> int:
    return int(await db.fetchval("select count(*) from page_view where action = $1", action))


async def test_a_good_link_asked_for_a_thousand_times_leaves_few_rows(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock
) -> None:
    ann, bob = await campaign.ask(sms=PHONE), await campaign.ask(sms="+447400123457")

    async def ask(worker: int) -> None:
        for number in range(50):
            clock.wait(seconds=0.01)
            path = (ann.confirm, ann.unsubscribe, ann.preferences, f"{ann.confirm}/page")[(worker + number) % 4]
            async with client.get(path, headers={"User-Agent": BROWSER}) as answer:
                assert answer.status in {200, 404}

    await asyncio.gather(*(ask(worker) for worker in range(20)))
    for action in ("confirm", "unsubscribe", "preferences"):
        # those that came at the very moment when the twentieth was being written may be more
        assert await looks(db, action) <= MAX_RECENT_VIEWS + 20, action
    await look(client, bob.confirm)
    page = await look(client, bob.confirm)
    clock.wait(seconds=5)
    assert "Thank you" in (await press(client, bob.confirm, page, "voted")).words


@pytest.mark.parametrize("how", ["one-click", "nothing", "no nonce", "second question"])
async def test_endless_presses_leave_few_rows(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock, how: str
) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    for _ in range(60):
        clock.wait(seconds=1)
        match how:
            case "one-click":
                async with client.post(ann.unsubscribe, data={"List-Unsubscribe": "One-Click"}) as answer:
                    assert answer.status == 200
            case "no nonce":
                async with client.post(ann.confirm, data={"answer": "voted"}) as answer:
                    assert answer.status == 409
            case "nothing":
                page = await press(client, ann.confirm, page, "nothing")
            case _:
                await press(client, ann.confirm, await look(client, ann.confirm), "page")
    assert await looks(db) + await looks(db, "unsubscribe") <= MAX_RECENT_VIEWS + 1


async def test_of_many_looks_the_latest_can_be_answered_and_machines_among_them_are_seen(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    first = await look(client, ann.confirm)
    for _ in range(2 * MAX_RECENT_VIEWS):
        clock.wait(seconds=1)
        await look(client, ann.confirm, agent=HEADLESS)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    second = await press(client, ann.confirm, page, "voted")
    assert "One more question" in second.words
    assert await campaign.status(ann) is None
    clock.wait(seconds=5)
    assert "Thank you" in (await press(client, ann.confirm, second, "voted")).words
    async with client.post(ann.confirm, data={**first.fields, "answer": "undo"}) as answer:
        assert answer.status == 409, "that look is no longer known, so nothing was taken back, and the page says so"
    assert await campaign.status(ann) == "voted", "a look whose place was taken changes nothing"


async def test_old_page_views_are_deleted_but_one_that_shows_the_opening(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock
) -> None:
    ann, bob = await campaign.ask(sms=PHONE), await campaign.ask(sms="+447400123457")
    for _ in range(3):
        clock.wait(minutes=20)
        await look(client, ann.confirm)
        await look(client, ann.unsubscribe)
    async with client.get(bob.confirm, headers={"User-Agent": HEADLESS}):
        pass
    clock.wait(hours=47)
    await delete_stale_rows(db, clock() - timedelta(days=30), now=clock(), page=2)
    assert await looks(db) == 4, "they can still be answered"
    for _ in range(2):
        clock.wait(hours=3)
        await delete_stale_rows(db, clock() - timedelta(days=30), now=clock(), page=2)
        kept = await db.fetch("select message_id, action, agent, kept from page_view")
        assert [tuple(row) for row in kept] == [(ann.message_id, "confirm", "browser", True)]
        await look(client, ann.confirm)
        clock.wait(days=3)
