"""A member says that they have voted, and staff see it happen."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.accessibility import SIDEWAYS, assert_accessible
from tests.browser.conftest import Scheme, Site, Visit
from tests.browser.page_pictures import picture
from tests.browser.phone import PHONE, status_of
from tests.browser.union import Union, silent_member

VOTED = "Yes, I have voted"


async def look(visit: Visit, link: str) -> None:
    """Open the member's page and check it as every page is checked."""
    assert await visit.go(link) == 200
    await expect(visit.page.get_by_role("button", name=VOTED)).to_be_visible()
    assert await visit.page.evaluate(SIDEWAYS) == 0
    await assert_accessible(visit)


async def test_a_member_votes_on_a_phone_and_staff_see_it(site: Site, union: Union) -> None:
    link, person_id = await silent_member(site.runtime, union.step_ids[0])
    async with (
        site.visit() as staff,
        site.visit(width=360, signed_in=False, user_agent=PHONE, java_script_enabled=True) as member,
    ):
        await staff.go("/console/")
        await staff.live()
        number = staff.page.locator(".figure-number")
        before = int((await number.inner_text()).replace(",", ""))

        await look(member, link)
        assert await status_of(site, person_id) is None
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name=VOTED).click()
        await expect(member.page.get_by_role("heading", name="Thank you")).to_be_visible()
        await assert_accessible(member)
        assert await status_of(site, person_id) == "voted"

        await expect(number).to_have_text(str(before + 1), timeout=15_000)
        assert member.troubles == []
        assert staff.troubles == []

        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="That was a mistake").click()
        await expect(number).to_have_text(str(before), timeout=15_000)
        assert await status_of(site, person_id) is None


async def test_a_browser_without_a_person_is_asked_again(site: Site, union: Union) -> None:
    link, person_id = await silent_member(site.runtime, union.step_ids[0])
    async with site.visit(width=390, signed_in=False) as headless:  # it says HeadlessChrome
        await look(headless, link)
        site.clock.wait(seconds=8)
        await headless.page.get_by_role("button", name=VOTED).click()
        await expect(headless.page.get_by_role("heading", name="One more question")).to_be_visible()
        await assert_accessible(headless)
        assert await status_of(site, person_id) is None
        assert headless.troubles == []


async def test_a_link_with_the_sentence_around_it_works_to_the_end(site: Site, union: Union) -> None:
    """As a browser escapes it: the page, its link to the preferences, the button, and the second question."""
    link, person_id = await silent_member(site.runtime, union.step_ids[0])
    async with site.visit(width=360, signed_in=False, user_agent=PHONE, java_script_enabled=True) as member:
        for glued in (".", "”)", "\u200b", "/", "/…", " ", "'", "%2520"):
            assert await member.go(link + glued) == 200, glued
            await member.page.get_by_role("link", name="What we send you").click()
            await expect(member.page.get_by_role("heading", name="What we send you")).to_be_visible()
            await member.page.go_back()
            await member.page.get_by_role("link", name="Cymraeg").click()
            await expect(member.page.locator("html")).to_have_attribute("lang", "cy")
        site.clock.wait(minutes=15)
        await look(member, f"{link}/…")
        site.clock.wait(minutes=-1)  # no hand is as quick as a hurried one has to be while others use the machine
        await member.page.get_by_role("button", name=VOTED).click()
        await expect(member.page.get_by_role("heading", name="One more question")).to_be_visible()
        await picture(member.page, "one more question")
        await expect(member.page.get_by_text("You pressed “Yes, I have voted”.")).to_be_visible()
        assert await member.page.evaluate(SIDEWAYS) == 0
        await assert_accessible(member)
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="I have posted my ballot paper").click()
        await expect(member.page.get_by_role("heading", name="Thank you")).to_be_visible()
        assert member.troubles == []
    assert await status_of(site, person_id) == "voted"


@pytest.mark.parametrize(
    "path", ["/zzzz456789abc.", "/favicon.ico", "/no/such/page/here", "/console/nothing", "/u/x.y"]
)
async def test_a_missing_page_is_readable_on_a_phone(site: Site, path: str) -> None:
    async with site.visit(width=360, signed_in=False, user_agent=PHONE) as visit:
        assert await visit.go(path) in {200, 401, 404}
        assert await visit.page.evaluate("document.contentType") == "text/html"
        assert await visit.page.evaluate(SIDEWAYS) == 0
        await expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        await picture(visit.page, f"error{path}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_an_unknown_link_shows_an_accessible_page(site: Site, scheme: Scheme) -> None:
    async with site.visit(width=360, scheme=scheme, signed_in=False) as visit:
        assert await visit.go("/zzzz456789abc") == 404
        await assert_accessible(visit)


async def test_a_member_chooses_what_they_get_without_scripts(site: Site, union: Union) -> None:
    link, _ = await silent_member(site.runtime, union.step_ids[0])
    stopped = "select count(*) from suppression where purpose = 'all'"
    async with site.visit(width=360, signed_in=False, user_agent=PHONE, java_script_enabled=False) as member:
        await member.go(link)
        await member.page.get_by_role("link", name="What we send you").click()
        await expect(member.page.get_by_role("heading", name="What we send you")).to_be_visible()
        assert await site.runtime.pool.fetchval(stopped) == 0
        site.clock.wait(seconds=8)
        await member.page.get_by_label("Nothing").first.check()
        await member.page.get_by_role("button", name="Save").click()
        await expect(member.page.get_by_role("status")).to_contain_text("Saved")
        assert await site.runtime.pool.fetchval(stopped) >= 1
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="Undo").click()
        await expect(member.page.get_by_role("heading", name="Shall we write to you again?")).to_be_visible()
        site.clock.wait(seconds=8)
        await member.page.get_by_role("button", name="Yes, write to me again").click()
        await expect(member.page.get_by_role("heading", name="What we send you")).to_be_visible()
        assert await site.runtime.pool.fetchval(stopped) == 0
        assert member.troubles == []
