"""Every page a member can meet, in every state and language, by day, by night, on a narrow phone, and on paper."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize

from core.runtime import Runtime
from messaging.content.translations import languages
from tests.browser.accessibility import LEVELS, RULES, SIDEWAYS
from tests.browser.page_pictures import picture
from tests.support.member_states import every_page

NARROW: ViewportSize = {"width": 320, "height": 640}
ALL = RULES | {"rules": {"target-size": {"enabled": True}}}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
"""All that can differ by night: the page is the same, and so is its layout."""
SEEN = (
    "(names) => names.filter((name) => [...document.querySelectorAll(name)].some((one) => one.offsetParent !== null))"
)


async def faults(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds wrong with a page by WCAG 2.2 AA and best practice."""
    violations = (await Axe().run(page, options=options)).response
    looked = {rule["id"] for rule in violations["passes"] + violations["inapplicable"]}
    assert looked >= ({"color-contrast"} if options is COLOURS else {"color-contrast", "target-size"})
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:200] for node in violation['nodes']]}"
        for violation in violations["violations"]
    ]


@pytest.mark.parametrize("language", languages())
async def test_every_page_is_accessible_in_every_state(runtime: Runtime, browser: Browser, language: str) -> None:
    pages = await every_page(runtime, language)
    window = await browser.new_page(viewport=NARROW, java_script_enabled=True)
    for name, html in pages.items():
        await window.set_content(html)
        for scheme, options in (("light", ALL), ("dark", COLOURS)):
            await window.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert await faults(window, options) == [], (name, scheme)
            await picture(window, f"{language}-{scheme}-{name}")
        assert await window.evaluate(SIDEWAYS) == 0, name
        levels = await window.evaluate(LEVELS)
        assert levels[0] == levels.count(1) == 1, name
        await window.emulate_media(media="print", color_scheme="dark")
        assert await window.evaluate(SEEN, ["button", "nav", "a"]) == [], (name, "on paper nobody can press anything")
        assert await window.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", name
        assert await window.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)", name
        await picture(window, f"{language}-paper-{name}")
        await window.emulate_media(media="screen")


async def test_a_keyboard_reaches_every_button_and_shows_where_it_is(runtime: Runtime, browser: Browser) -> None:
    window = await browser.new_page(viewport=NARROW)
    await window.set_content((await every_page(runtime, "en"))["question"])
    reached = []
    for _ in range(20):
        await window.keyboard.press("Tab")
        if await window.evaluate("document.activeElement === document.body"):
            break
        reached.append(
            await window.evaluate(
                "document.activeElement.value || document.activeElement.lang || document.activeElement.textContent"
            )
        )
        shown = await window.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert shown == "solid", reached[-1]
    assert reached == ["voted", "not_yet", "no_ballot_paper", "call_me", "stop", "What we send you, and how", "cy"]
