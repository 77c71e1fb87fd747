"""The console as people meet it: on a phone, on a wide screen, by keyboard, in the dark, and while things change."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.async_api import expect

from core.alerts import raise_alert
from tests.browser.accessibility import LEVELS, SIDEWAYS, assert_accessible
from tests.browser.conftest import Scheme, Site
from tests.browser.union import Union

PAGES = ("/console/", "/console/campaigns/pay-nudge", "/console/ballots/pay-2026")
GAPS = """
() => [...document.querySelectorAll('main .card')].map((card) => card.getBoundingClientRect()).flatMap((box, n, all) =>
  all.slice(n + 1).filter((other) => other.top - box.bottom < 8 && other.bottom > box.top
    && other.left < box.right && other.right > box.left).map((other) => [box.bottom, other.top]))
"""
"""Cards that stand one above the other without a gap."""
BROKEN = """
() => [...document.querySelectorAll('.branches th, .branches td, .days-number')].flatMap((cell) => {
  const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
  for (let text = texts.nextNode(); text; text = texts.nextNode())
    for (const word of text.data.matchAll(/\\S+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (range.getClientRects().length > 1) found.push(word[0]);
    }
  return found;
})
"""
"""Words that are broken over two lines."""
BARS = """
() => [...new Set([...document.querySelectorAll('.days-bar')].map((bar) => bar.getBoundingClientRect())
  .map((box) => box.height > 60 ? Math.round(box.bottom) : Math.round(box.left)))]
"""


async def alert(site: Site, title: str) -> None:
    async with site.runtime.pool.acquire() as db:
        await raise_alert(db, key=title, severity="error", title=title, remedy="Look at it.")


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), (390, "light"), (820, "light"), (1440, "dark"), (1920, "light")]
)
async def test_every_page_is_accessible_at_every_width(site: Site, union: Union, width: int, scheme: Scheme) -> None:
    async with site.visit(width=width, scheme=scheme) as visit:
        for path in PAGES:
            assert await visit.go(path) == 200
            await visit.live()
            assert await visit.page.evaluate(SIDEWAYS) == 0, path
            levels = await visit.page.evaluate(LEVELS)
            assert levels.count(1) == 1
            assert all(after - before <= 1 for before, after in pairwise(levels)), levels
            await assert_accessible(visit)
        assert visit.troubles == []


async def test_empty_pages_are_accessible(site: Site) -> None:
    async with site.visit(width=360, signed_in=False) as visit:
        assert await visit.go("/console/") == 401
        await assert_accessible(visit)
        await visit.go(await site.link())
        await assert_accessible(visit)
        await visit.page.get_by_role("button", name="Sign in").click()
        await visit.live()
        await assert_accessible(visit)
        assert await visit.page.evaluate(SIDEWAYS) == 0
        await expect(visit.page.get_by_text("muster people import members.csv")).to_be_visible()
        await visit.go("/console/sign-in/used-up")
        await assert_accessible(visit)


async def test_a_member_of_staff_signs_in_and_out(site: Site) -> None:
    async with site.visit(signed_in=False) as visit:
        link = await site.link()
        await visit.go(link)
        await visit.page.get_by_role("button", name="Sign in").click()
        await expect(visit.page.get_by_role("heading", name="Overview")).to_be_visible()
        assert "sign-in" not in visit.page.url
        await visit.page.get_by_role("button", name="Sign out").click()
        await expect(visit.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        assert await visit.go("/console/") == 401
        assert await visit.go(link) == 404


async def test_changes_appear_by_themselves_and_focus_stays(site: Site, union: Union) -> None:
    async with site.visit() as visit:
        await visit.go("/console/")
        await visit.live()
        more = visit.page.get_by_role("link", name="All 40 branches")
        await more.focus()
        number = visit.page.locator(".figure-number")
        before = int((await number.inner_text()).replace(",", ""))
        await site.runtime.pool.execute(
            "insert into count_change (ballot_id, unit_id, measure, n)"
            " select $1, unit_id, 'voted', 7 from elector limit 1",
            union.ballot_id,
        )
        await alert(site, "The relay is away.")
        await expect(number).to_have_text(str(before + 7), timeout=15_000)
        await expect(visit.page.get_by_text("The relay is away.")).to_be_visible()
        await expect(more).to_be_focused()
        assert visit.troubles == []


async def test_updates_can_be_paused_and_resumed(site: Site, union: Union) -> None:
    async with site.visit() as still, site.visit() as moving:
        for visit in (still, moving):
            await visit.go("/console/")
            await visit.live()
        button = still.page.get_by_role("button", name="Pause updates")
        await button.click()
        button = still.page.get_by_role("button", name="Resume updates")
        await expect(still.page.get_by_text("Paused at")).to_be_visible()
        await alert(site, "Only for those who watch.")
        await expect(moving.page.get_by_text("Only for those who watch.")).to_be_visible(timeout=15_000)
        await expect(still.page.get_by_text("Only for those who watch.")).to_have_count(0)
        await button.click()
        await expect(still.page.get_by_text("Only for those who watch.")).to_be_visible(timeout=15_000)
        await expect(still.page.get_by_role("button", name="Pause updates")).to_be_visible()


async def test_a_page_that_is_not_live_says_so(site: Site, union: Union) -> None:
    async with site.visit() as visit:
        await visit.go("/console/")
        await visit.live()
        await site.runner.cleanup()
        await expect(visit.page.get_by_text("Not live.")).to_be_visible(timeout=20_000)
        await expect(visit.page.locator(".live")).to_have_attribute("data-live", "lost")


async def test_everything_is_there_without_a_script(site: Site, union: Union) -> None:
    async with site.visit(java_script_enabled=False) as visit:
        for path in PAGES:
            await visit.go(path)
            await expect(visit.page.get_by_role("link", name="Reload", exact=True)).to_be_visible()
            await expect(visit.page.get_by_role("button", name="Pause updates")).to_have_count(0)
        await visit.page.get_by_label("Find a branch").fill("land registry")
        await visit.page.get_by_role("button", name="Find").click()
        await expect(visit.page.get_by_text("with “land registry” in the name")).to_be_visible()
        await visit.page.get_by_role("link", name="Branch").click()
        assert "find=land+registry" in visit.page.url
        assert await visit.page.locator("tbody th[scope=row]").filter(has_text="Land Registry").count() > 2


async def test_the_keyboard_reaches_everything_and_shows_where_it_is(site: Site, union: Union) -> None:
    async with site.visit() as visit:
        await visit.go("/console/")
        await visit.live()
        stops = []
        for _ in range(40):
            await visit.page.keyboard.press("Tab")
            stop = await visit.page.evaluate(
                "() => { const one = document.activeElement; const style = getComputedStyle(one);"
                " return [one.tagName, one.innerText, style.outlineStyle, parseFloat(style.outlineWidth)]; }"
            )
            if stop[0] == "BODY":
                break
            stops.append(stop)
        assert stops[0][1] == "Skip to the content"
        assert {"Pay ballot 2026", "Pause updates", "Sign out", "Have you posted your ballot?"} <= {
            stop[1] for stop in stops
        }
        assert all(style == "solid" and width >= 2 for _, _, style, width in stops)


async def test_nothing_moves_for_those_who_ask_for_less_motion(site: Site, union: Union) -> None:
    async with site.visit(reduced_motion="reduce") as visit:
        await visit.go("/console/")
        await visit.live()
        moving = await visit.page.evaluate("document.getAnimations().length")
        assert moving == 0


async def test_paper_shows_the_figures_and_none_of_the_buttons(site: Site, union: Union) -> None:
    async with site.visit(scheme="dark") as visit:
        await visit.go("/console/ballots/pay-2026")
        await visit.page.emulate_media(media="print", color_scheme="light")
        await expect(visit.page.locator(".figure-number")).to_be_visible()
        await expect(visit.page.get_by_role("button", name="Sign out")).to_be_hidden()
        await expect(visit.page.get_by_label("Find a branch")).to_be_hidden()


async def test_a_tab_nobody_looks_at_holds_no_connection(site: Site, union: Union) -> None:
    hide = (
        "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    async with site.visit() as visit:
        await visit.go("/console/")
        await visit.live()
        await visit.page.evaluate(hide, True)
        await expect(visit.page.locator(".live")).to_have_attribute("data-live", "off")
        await alert(site, "While nobody looked.")
        await visit.page.evaluate(hide, False)
        await visit.live()
        await expect(visit.page.get_by_text("While nobody looked.")).to_be_visible()


async def test_an_open_list_of_problems_stays_open(site: Site, union: Union) -> None:
    for number in range(4):
        await alert(site, f"Problem {number}.")
    async with site.visit() as visit:
        await visit.go("/console/")
        await visit.live()
        await visit.page.get_by_text("2 more", exact=True).click()
        await alert(site, "One more.")
        await expect(visit.page.get_by_text("3 more", exact=True)).to_be_visible(timeout=15_000)
        await expect(visit.page.locator("details")).to_have_attribute("open", "")


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_ballots_page_has_room_for_large_figures_and_long_names(site: Site, union: Union, width: int) -> None:
    await site.runtime.pool.execute("update unit set name = 'Caerfyrddin Revenue ' || unit_id where kind = 'branch'")
    async with site.visit(width=width) as visit:
        await visit.go("/console/ballots/pay-2026")
        await visit.page.evaluate(
            "() => { for (const one of document.querySelectorAll('.days-number')) one.textContent = '3,261'; }"
        )
        assert await visit.page.evaluate(SIDEWAYS) == 0
        assert await visit.page.evaluate(GAPS) == []
        assert await visit.page.evaluate(BROKEN) == []
        lines = await visit.page.evaluate(BARS)
        assert len(lines) == 1, "every bar begins on one line"
