"""Real browsers without a person: they run scripts, follow every link and press every button, and confirm nothing.

What the other scanners do, which are no browsers, is replayed in tests/integration/webhooks/test_link_scanners.py.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.phone import PHONE, status_of
from tests.browser.union import Union, silent_member

EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
    " Edg/131.0.0.0"
)
VISIBLE = "[...document.querySelectorAll('button')].filter((one) => one.offsetParent !== null)"

COUNTS = """
select (select count(*) from claim), (select count(*) from suppression), (select count(*) from reply),
  (select count(*) from inbound_log)
"""


async def script(page: Page, code: str) -> None:
    """Press a button as a script does: without a hand."""
    async with page.expect_navigation():
        await page.evaluate(f"() => {code}.click()")


async def click(page: Page) -> None:
    """Press the first button there is to see, with a click like a mouse's."""
    async with page.expect_navigation():
        await page.locator("button:visible").first.click()


async def look_twice(page: Page, url: str) -> None:
    """Headless Chromium with two GETs, as seen 22 seconds after sending."""
    await page.goto(url)
    await page.goto(url)


async def run_a_script_that_presses(page: Page, url: str) -> None:
    await page.goto(url)
    for _ in range(3):
        await script(page, f"{VISIBLE}[0]")


async def press_what_it_sees(page: Page, url: str) -> None:
    """A scanner that fills in forms."""
    await page.goto(url)
    for _ in range(3):
        await click(page)


async def press_everything(page: Page, url: str) -> None:
    """Each button of the page, those that nobody sees as well, each from a page loaded anew."""
    await page.goto(url)
    for value in await page.evaluate("() => [...document.querySelectorAll('button')].map((one) => one.value)"):
        await page.goto(url)
        await script(page, f"document.querySelector('button[value={value}]')")


async def follow_everything(page: Page, url: str) -> None:
    """Every link of the page, those that people cannot see as well, and then a press."""
    await page.goto(url)
    for link in await page.evaluate("() => [...document.links].map((one) => one.href)"):
        await page.goto(link)
    await page.goto(url)
    await click(page)


@pytest.mark.parametrize(
    ("agent", "after", "scan"),
    [
        (None, 22, look_twice),
        (None, 3600, run_a_script_that_presses),
        (None, 3600, press_what_it_sees),
        (None, 3600, press_everything),
        (EDGE, 3600, run_a_script_that_presses),
        (EDGE, 3600, press_everything),
        (EDGE, 12, press_what_it_sees),
        (EDGE, 3600, follow_everything),
        (PHONE, 12, press_what_it_sees),
    ],
)
async def test_no_browser_without_a_person_confirms_anything(
    site: Site, union: Union, agent: str | None, after: int, scan: Callable[[Page, str], Awaitable[None]]
) -> None:
    link, person_id = await silent_member(site.runtime, union.step_ids[0])
    db = site.runtime.pool
    now = site.runtime.clock()
    await db.execute("update message set sent_at = $2 where person_id = $1", person_id, now)
    before = await db.fetchrow(COUNTS)
    site.clock.wait(seconds=after)
    options: dict[str, Any] = {"user_agent": agent} if agent else {}
    async with site.visit(width=1024, signed_in=False, **options) as headless:
        await scan(headless.page, site.base + link)
    assert await status_of(site, person_id) is None
    assert await db.fetchrow(COUNTS) == before


async def test_after_all_scanners_the_member_is_asked_and_believed(site: Site, union: Union) -> None:
    """What a scanner did a minute ago costs the member one question and nothing else; without scripts as with them."""
    link, person_id = await silent_member(site.runtime, union.step_ids[0])
    async with site.visit(signed_in=False) as headless:
        await follow_everything(headless.page, site.base + link)
    site.clock.wait(seconds=60)
    async with site.visit(width=360, signed_in=False, user_agent=PHONE, java_script_enabled=False) as member:
        await member.go(link)
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="Yes, I have voted").click()
        await expect(member.page.get_by_role("heading", name="One more question")).to_be_visible()
        assert await status_of(site, person_id) is None
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="I have posted my ballot paper").click()
        await expect(member.page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert await status_of(site, person_id) == "voted"


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_wish_is_what_the_second_question_is_about(site: Site, union: Union, width: int) -> None:
    link, person_id = await silent_member(site.runtime, union.step_ids[0])
    async with site.visit(signed_in=False) as headless:
        await follow_everything(headless.page, site.base + link)
    site.clock.wait(seconds=60)
    async with site.visit(width=width, signed_in=False, user_agent=PHONE) as member:
        await member.go(link)
        await expect(member.page.get_by_text("post your ballot paper by")).to_be_visible()
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="Stop these messages").click()
        await expect(member.page.get_by_text("You pressed “Stop these messages”.")).to_be_visible()
        if folder := os.environ.get("MUSTER_MEMBER_PICTURES"):
            await member.page.screenshot(path=Path(folder) / f"wish-{width}.png", full_page=True)
        site.clock.wait(seconds=8)
        confirm = member.page.get_by_role("button", name="I want no more of these messages")
        wish, other = await confirm.bounding_box(), await member.page.get_by_text("Something else?").bounding_box()
        assert wish is not None
        assert other is not None
        assert wish["y"] < other["y"]
        await confirm.click()
        await expect(member.page.get_by_text("We have stopped.")).to_be_visible()
        assert member.troubles == []
    assert await site.runtime.pool.fetchval(
        "select count(*) from suppression where channel = 'person' and address = $1", str(person_id)
    )


async def test_a_member_switches_to_welsh_and_answers_in_it(site: Site, union: Union) -> None:
    link, person_id = await silent_member(site.runtime, union.step_ids[0])
    async with site.visit(width=360, signed_in=False, user_agent=PHONE, java_script_enabled=False) as member:
        await member.go(link)
        await member.page.get_by_role("link", name="Cymraeg").click()
        await expect(member.page.locator("html")).to_have_attribute("lang", "cy")
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="Ydw, rwyf wedi pleidleisio").click()
        await expect(member.page.get_by_role("heading", name="Diolch")).to_be_visible()
        await member.page.get_by_role("link", name="English").click()
        await expect(member.page.get_by_text("You have told us that you have voted")).to_be_visible()
        assert member.troubles == []
    assert await status_of(site, person_id) == "voted"
