"""The real web application in Debian's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from core.runtime import Runtime
from muster.app import make_app
from muster.operator import operator
from staff.sign_in import make_sign_in_link
from tests.browser.union import Union, write_union
from tests.support.clocks import ShiftedClock
from tests.support.staff_accounts import EVERYDAY_ROLE

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Scheme = Literal["light", "dark"]


@dataclass
class Visit:
    """A browser window on the site, and what it has seen go wrong."""

    page: Page
    base: str
    troubles: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.base).netloc:
            self.troubles.append(f"asked another host: {request.url}")

    async def go(self, path: str) -> int:
        response = await self.page.goto(self.base + path)
        assert response is not None
        return response.status

    async def live(self) -> None:
        """Wait until the page follows along."""
        await self.page.locator(".live[data-live=on]").wait_for(timeout=15_000)


@dataclass
class Site:
    """The application while it runs."""

    runtime: Runtime
    clock: ShiftedClock
    browser: Browser
    runner: web.AppRunner
    base: str

    async def link(self) -> str:
        async with self.runtime.pool.acquire() as db:
            return await make_sign_in_link(
                db,
                email="ada@union.test",
                name="Ada Price",
                by=operator("a test"),
                now=self.runtime.clock(),
                create_as=EVERYDAY_ROLE,
            )

    @asynccontextmanager
    async def visit(
        self,
        *,
        width: int = 1440,
        scheme: Scheme = "light",
        signed_in: bool = True,
        **options: Any,
    ) -> AsyncIterator[Visit]:
        """A window in a fresh profile."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-GB", **options
        )
        try:
            visit = Visit(await context.new_page(), self.base)
            if signed_in:
                await visit.go(await self.link())
                await visit.page.get_by_role("button", name="Sign in").click()
                await visit.page.wait_for_url("**/console/")
            visit.watch()
            yield visit
        finally:
            await context.close()


@pytest.fixture
def chromium() -> str:
    """Where the browser is; there is no way around it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("The browser tests need Chromium on PATH. On Debian: sudo apt-get install chromium", pytrace=False)
    return program


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def site(runtime: Runtime, browser: Browser) -> AsyncIterator[Site]:
    clock = ShiftedClock()
    runtime = replace(runtime, clock=clock)
    runner = web.AppRunner(make_app(runtime), access_log=None, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Site(runtime, clock, browser, runner, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


@pytest.fixture
async def union(site: Site) -> Union:
    async with site.runtime.pool.acquire() as db:
        return await write_union(db, site.runtime.clock())
