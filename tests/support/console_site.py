"""The console on a real web server, with a browser's cookie jar and a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

import console
from core.http.web import RUNTIME
from core.runtime import Runtime
from muster.operator import operator
from staff.sign_in import make_sign_in_link
from tests.support.clocks import FixedClock
from tests.support.staff_accounts import EVERYDAY_ROLE

BY = operator("an operator")
ADD = """
with added as (insert into staff (email, name) values ($1, 'Ada Price') returning staff_id)
insert into staff_grant (staff_id, role, unit_id, starts_at, given_by, given_at)
select staff_id, $2, $3, $4, 'an operator', $4 from added
"""


@dataclass
class Site:
    """A console that is up."""

    client: TestClient[web.Request, web.Application]
    runtime: Runtime
    clock: FixedClock

    @property
    def own(self) -> dict[str, str]:
        """What a browser says when it sends a form of our own page."""
        return {"Origin": self.runtime.settings.public_url}

    async def link(
        self, email: str = "ada@union.test", *, create_as: str | None = EVERYDAY_ROLE, minutes: int = 15
    ) -> str:
        async with self.runtime.pool.acquire() as db:
            return await make_sign_in_link(
                db, email=email, name="Ada Price", now=self.clock(), by=BY, create_as=create_as, minutes=minutes
            )

    async def get(self, path: str) -> tuple[int, str]:
        async with self.client.get(path, allow_redirects=False) as response:
            return response.status, await response.text()

    async def get_with(self, token: str) -> tuple[int, bool]:
        """Ask for the first page with a session token and no cookie jar: the status, and whether it sets a cookie."""
        jar = aiohttp.DummyCookieJar()
        async with (
            aiohttp.ClientSession(cookie_jar=jar, headers={"Cookie": f"muster={token}"}) as browser,
            browser.get(self.client.make_url("/console/")) as response,
        ):
            return response.status, "Set-Cookie" in response.headers

    async def post(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        return await self.client.post(path, headers=headers or self.own, allow_redirects=False)

    async def sign_in(
        self, email: str = "ada@union.test", *, role: str = EVERYDAY_ROLE, unit_id: int | None = None
    ) -> None:
        """Sign somebody in, who has or gets a role, in a unit or in the whole organisation."""
        if unit_id is not None:
            await self.runtime.pool.execute(ADD, email, role, unit_id, self.clock())
        answer = await self.post(await self.link(email, create_as=role))
        assert (answer.status, answer.headers["Location"]) == (303, "/console/")


@asynccontextmanager
async def console_site(runtime: Runtime, **settings: Any) -> AsyncIterator[Site]:
    """Start the console."""
    clock = FixedClock(datetime(2026, 11, 23, 10, 0, tzinfo=UTC))
    runtime = replace(runtime, clock=clock, settings=runtime.settings.model_copy(update=settings))
    app = web.Application()
    app[RUNTIME] = runtime
    console.setup(app)
    # a jar that keeps cookies of an address without a name, as browsers do
    async with TestClient(TestServer(app), cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield Site(client, runtime, clock)
