"""Attacks on the limit of bad links and keys: no number of them costs anybody a good one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from api.keys import make_key
from core.db import Connection
from core.http.rate_limit import FLOOD_MISSES, MAX_MISSES_PER_NETWORK, RateLimit
from core.keyring import ALPHABET, EMAIL_TOKEN_LENGTH, TOKEN_LENGTH
from core.runtime import Runtime
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import PHONE, Campaign, Recipient, look, make_campaign, serve

Client = TestClient[web.Request, web.Application]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEIGHBOUR = {"X-Forwarded-For": "198.51.100.7"}
MEMBER = {"X-Forwarded-For": "198.51.100.77"}
CHANGES = "/api/v1/turnout/pay-2026/changes"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection, clock: FixedClock) -> Campaign:
    return await make_campaign(replace(runtime, clock=clock), db, now=NOW)


@pytest.fixture
async def client(campaign: Campaign) -> AsyncIterator[Client]:
    async with serve(campaign.runtime) as client:
        yield client


def guess(number: int) -> str:
    """A link of the right form that leads nowhere, of a text or an email by turns."""
    digits, length = "", (TOKEN_LENGTH, EMAIL_TOKEN_LENGTH)[number // 3 % 2]
    for _ in range(length):
        number, digit = divmod(number * 7 + 3, len(ALPHABET))
        digits += ALPHABET[digit]
    return f"/{digits}"


async def flood(client: Client, misses: int, paths: tuple[str, ...] = ("", "/u", "/p")) -> set[int]:
    """Ask for links that lead nowhere, many at a time; returns how that was answered."""
    seen: set[int] = set()

    async def ask(worker: int) -> None:
        for number in range(worker, misses, 20):
            where = paths[number % len(paths)] + guess(number)
            async with client.get(where, headers=NEIGHBOUR) as answer:
                seen.add(answer.status)

    await asyncio.gather(*(ask(worker) for worker in range(20)))
    return seen


async def stop_by_one_click(client: Client, recipient: Recipient) -> int:
    body = {"List-Unsubscribe": "One-Click"}
    async with client.post(recipient.unsubscribe, data=body, headers=MEMBER | {"User-Agent": ""}) as answer:
        return answer.status


async def test_a_flood_of_bad_links_shuts_out_no_neighbour(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    assert await flood(client, FLOOD_MISSES + 100) == {404, 429}
    for path in (ann.confirm, ann.unsubscribe, ann.preferences):
        async with client.get(path, headers=MEMBER) as answer:
            assert answer.status == 200, path
    assert await stop_by_one_click(client, ann) == 200
    assert ("sms", PHONE, "opted_out") in await campaign.suppressed()
    key = await make_key(db, "crm", actor=operator("ada"), now=NOW)
    async with client.get(CHANGES, headers=MEMBER) as answer:
        assert answer.status == 401
    async with client.get(CHANGES, headers=MEMBER | {"Authorization": f"Bearer {key}"}) as answer:
        assert answer.status == 200


async def test_while_the_flood_goes_on_good_links_are_answered_in_turn(
    campaign: Campaign, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.rate_limit.FLOOD_MISSES", 100)
    members = [await campaign.ask(sms=f"+4474001234{number:02}") for number in range(8)]
    await flood(client, 150)
    going_on = asyncio.create_task(flood(client, 400))
    statuses = await asyncio.gather(*(stop_by_one_click(client, member) for member in members))
    assert set(statuses) == {200}
    assert await going_on == {429}


async def test_a_flood_of_keys_refuses_no_key_that_works_and_no_link(
    campaign: Campaign, client: Client, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.rate_limit.FLOOD_MISSES", 100)
    ann = await campaign.ask(sms=PHONE)
    key = await make_key(db, "crm", actor=operator("ada"), now=NOW)
    forged = f"Bearer {key[:-32]}{'a' * 32}"
    seen = set()
    for number in range(150):
        shown = forged if number % 2 else "Bearer guess"
        async with client.get(CHANGES, headers=NEIGHBOUR | {"Authorization": shown}) as answer:
            seen.add(answer.status)
    assert seen == {401, 429}
    async with client.get(CHANGES, headers=MEMBER | {"Authorization": f"Bearer {key}"}) as answer:
        assert answer.status == 200
    async with client.get("/0000000000000", headers=NEIGHBOUR) as answer:
        assert answer.status == 404, "links are counted apart"
    await look(client, ann.confirm)


async def test_links_and_keys_are_counted_apart_by_all_processes(runtime: Runtime) -> None:
    links, keys, other_links = RateLimit("links"), RateLimit("keys"), RateLimit("links")
    for _ in range(MAX_MISSES_PER_NETWORK):
        assert not await links.count(runtime.redis, "198.51.100.0/24", NOW)
    assert not await keys.count(runtime.redis, "198.51.100.0/24", NOW)
    assert await other_links.count(runtime.redis, "198.51.100.0/24", NOW)


async def test_few_links_of_a_flooding_network_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    misses = RateLimit("links")
    monkeypatch.setattr("core.http.rate_limit.FLOOD_MISSES", 0)
    misses._turn_over(NOW)
    misses._counted["198.51.100.0/24"] = 1
    most = inside = 0

    async def look_up(where: str) -> None:
        nonlocal most, inside
        async with misses.turn(where, NOW):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(look_up("198.51.100.0/24") for _ in range(50)))
    assert most == 4
    most = 0
    await asyncio.gather(*(look_up("203.0.113.0/24") for _ in range(50)))
    assert most == 50, "nobody else waits"


async def test_a_made_up_client_shuts_out_nobody_else(campaign: Campaign, client: Client) -> None:
    """From a balancer that is not ours, and passes on what the client wrote: it names a network to be shut out."""
    settings = campaign.runtime.settings.model_copy(update={"proxies": ()})
    async with serve(replace(campaign.runtime, settings=settings)) as elsewhere:
        for _ in range(MAX_MISSES_PER_NETWORK + 1):
            await elsewhere.get("/0000000000000", headers=MEMBER)
        assert (await elsewhere.get("/0000000000000")).status == 429, "it is counted as where it comes from"
    assert (await client.get("/0000000000000", headers=MEMBER)).status == 404
