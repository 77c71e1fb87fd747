"""Live pages: changes arrive, however many viewers there are, and streams end when they should."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest

from console.live import LIVE, Live
from console.views import OverviewView, read_page_state
from core.access import ReadScope, Scope
from core.alerts import raise_alert
from core.runtime import Runtime
from people.scope import ScopedPools
from staff.grants import give_grant
from tests.browser.union import Union, write_union
from tests.support.console_site import BY, Site, console_site
from tests.support.scoped import scoped_pools

WHOLE = ReadScope(Scope(is_everywhere=True), Scope(is_everywhere=True), commands=True)


@pytest.fixture
async def site(runtime: Runtime) -> AsyncIterator[Site]:
    async with console_site(runtime) as site:
        await site.sign_in()
        yield site


@pytest.fixture
async def union(site: Site) -> Union:
    async with site.runtime.pool.acquire() as db:
        return await write_union(db, site.clock(), branches=10, members=100)


@dataclass
class Stream:
    """Events as a browser reads them."""

    response: aiohttp.ClientResponse

    async def event(self) -> tuple[str, dict[str, str]]:
        """The next event; comments are skipped."""
        name, data = "", ""
        async with asyncio.timeout(20):
            while True:
                line = (await self.response.content.readline()).decode()
                if not line:
                    return "end", {}
                if line.startswith("event: "):
                    name = line.removeprefix("event: ").strip()
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                elif not line.strip() and name:
                    return name, orjson.loads(data)

    async def until(self, wanted: str) -> tuple[dict[str, str], list[str]]:
        """The next event of a kind, and the sections that came before it."""
        sections: list[str] = []
        while True:
            name, data = await self.event()
            if name == wanted:
                return data, sections
            assert name == "section", name
            sections.append(data["name"])


@asynccontextmanager
async def following(site: Site, path: str = "/console/live/overview", **query: str) -> AsyncIterator[Stream]:
    async with site.client.get(path, params=query) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        yield Stream(response)


async def alert(site: Site, key: str) -> None:
    async with site.runtime.pool.acquire() as db:
        await raise_alert(db, key=key, severity="error", title=f"About {key}.", remedy="Look.")


async def test_a_page_gets_missing_sections_and_then_changes(site: Site, union: Union) -> None:
    picture = await read_page_state(OverviewView(), site.client.app[LIVE].figures, WHOLE)
    have = ",".join(section.digest for name, section in picture.sections.items() if name != "replies")
    async with following(site, have=have) as stream:
        beat, sections = await stream.until("beat")
        assert sections == ["replies"]
        assert "confirmed" in beat["summary"]
        await alert(site, "one")
        name, data = await stream.event()
        while data.get("name") != "alerts":
            # the rate of sending may change meanwhile; nothing else does
            assert name == "beat" or data["name"] == "campaigns"
            name, data = await stream.event()
        assert "About one." in data["html"]
        assert set((await stream.until("beat"))[1]) <= {"campaigns"}


async def test_a_ballots_page_follows_as_it_is_sorted_and_filtered(site: Site, union: Union) -> None:
    async with following(site, "/console/live/ballots/pay-2026", sort="name", find="nowhere") as stream:
        name, data = await stream.event()
        assert (name, data["name"]) == ("section", "head")
        _, data = await stream.event()
        assert "No branch has “nowhere”" in data["html"]


async def test_an_unknown_page_cannot_be_followed(site: Site) -> None:
    async with site.client.get("/console/live/campaigns/none") as response:
        assert response.status == 404


class CountingPools:
    """The real pools; counts how often they are read from."""

    def __init__(self, pools: ScopedPools) -> None:
        self._pools = pools
        self.taken = 0

    def within(self, scope: ReadScope) -> Any:
        self.taken += 1
        return self._pools.within(scope)


async def test_many_viewers_read_the_database_once(runtime: Runtime) -> None:
    pools = CountingPools(scoped_pools(runtime))
    live = Live(runtime, pools, every=0.1)  # type: ignore[arg-type]

    async def look(rounds: int) -> None:
        async with live.watch(OverviewView(), WHOLE) as viewer:
            for _ in range(rounds):
                assert await viewer.updates(idle_timeout=10)

    async with asyncio.timeout(30):
        await asyncio.gather(*(look(5) for _ in range(50)))
    # the first picture, at most two while the fifty came, and one for each round
    assert pools.taken <= 8
    await live.close()


async def test_a_slow_viewer_gets_the_latest_only(runtime: Runtime) -> None:
    live = Live(runtime, scoped_pools(runtime), every=0.05)
    async with live.watch(OverviewView(), WHOLE) as slow, live.watch(OverviewView(), WHOLE) as quick:
        await slow.updates(idle_timeout=5)
        for number in range(3):
            async with runtime.pool.acquire() as db:
                await raise_alert(db, key="k", severity="notice", title=f"Number {number}.", remedy="None.")
            async with asyncio.timeout(10):
                while not any("Number" in data.get("html", "") for _, data in await quick.updates(idle_timeout=5)):
                    pass
        alerts = [data["html"] for event, data in await slow.updates(idle_timeout=5) if event == "section"]
        assert len(alerts) == 1
        assert "Number 2." in alerts[0]
    await live.close()


async def test_nothing_is_read_without_viewers(runtime: Runtime) -> None:
    pools = CountingPools(scoped_pools(runtime))
    live = Live(runtime, pools, every=0.05)  # type: ignore[arg-type]
    async with live.watch(OverviewView(), WHOLE) as viewer:
        await viewer.updates(idle_timeout=5)
    async with asyncio.timeout(10):
        while live.looking:  # noqa: ASYNC110  # polls with a deadline
            await asyncio.sleep(0.01)
    assert pools.taken <= 2


async def test_a_stream_ends_soon_after_its_session(site: Site, union: Union) -> None:
    async with following(site) as stream:
        await stream.until("beat")
        await site.post("/console/sign-out")
        site.clock.wait(seconds=11)
        await stream.until("beat")
        while (event := await stream.event())[0] != "over":
            assert event[0] in {"beat", "section"}
        assert (await stream.event())[0] == "end"


async def test_a_stream_ends_when_a_second_factor_is_due(site: Site, union: Union) -> None:
    async with following(site) as stream:
        await stream.until("beat")
        async with site.runtime.pool.acquire() as db:  # an approver sees what a campaigner does, and needs a factor
            await give_grant(db, await db.fetchval("select staff_id from staff"), "approver", by=BY, now=site.clock())
        site.clock.wait(seconds=11)
        async with asyncio.timeout(20):
            while (event := await stream.event())[0] != "over":
                assert event[0] in {"beat", "section"}
        assert (await stream.event())[0] == "end"


async def test_following_does_not_keep_a_session_alive(site: Site, union: Union) -> None:
    site.clock.wait(hours=11)
    async with following(site) as stream:
        await stream.until("beat")
    site.clock.wait(hours=1)
    assert (await site.get("/console/"))[0] == 401


async def test_open_streams_do_not_delay_the_shutdown(runtime: Runtime) -> None:
    async with console_site(runtime) as site:
        await site.sign_in()
        async with following(site) as stream:
            await stream.until("beat")
            async with asyncio.timeout(30):  # half of what the server gives requests to end
                await site.client.server.close()
            while (await stream.event())[0] != "end":
                pass
