"""Every page a member can meet, in every state and language, by day, by night, on a narrow phone, and on paper."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from messaging.runtime import Runtime
from tests.browser.test_console import LEVELS, RULES, SIDEWAYS
from tests.integration.member_states import every_page
from webhooks.wording import languages

NARROW = {"width": 320, "height": 640}
OPTIONS = RULES | {"rules": {"target-size": {"enabled": True}}}
SEEN = (
    "(names) => names.filter((name) => [...document.querySelectorAll(name)].some((one) => one.offsetParent !== null))"
)


async def faults(page: Page) -> list[str]:
    """What axe-core finds wrong with a page by WCAG 2.2 AA and best practice."""
    found = (await Axe().run(page, options=OPTIONS)).response
    assert "target-size" in {rule["id"] for rule in found["passes"] + found["inapplicable"]}
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes']]}" for one in found["violations"]
    ]


@pytest.mark.parametrize("language", languages())
async def test_every_page_is_accessible_in_every_state(
    runtime: Runtime, browser: Browser, language: str, tmp_path: Path
) -> None:
    pages = await every_page(runtime, language)
    window = await browser.new_page(viewport=NARROW, java_script_enabled=True)
    pictures = os.environ.get("MUSTER_MEMBER_PICTURES")
    for name, html in pages.items():
        await window.set_content(html)
        for scheme in ("light", "dark"):
            await window.emulate_media(color_scheme=scheme)
            assert await faults(window) == [], (name, scheme)
            if pictures:
                file = Path(pictures) / f"{language}-{scheme}-{name.replace(':', '').replace(' ', '-')}.png"
                await window.screenshot(path=file, full_page=True)
        assert await window.evaluate(SIDEWAYS) == 0, name
        levels = await window.evaluate(LEVELS)
        assert levels[0] == levels.count(1) == 1, name
        await window.emulate_media(media="print", color_scheme="dark")
        assert await window.evaluate(SEEN, ["button", "nav", "a"]) == [], (name, "on paper nobody can press anything")
        assert await window.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", name
        assert await window.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)", name
        await window.emulate_media(media="screen")


async def test_a_keyboard_reaches_every_button_and_shows_where_it_is(runtime: Runtime, browser: Browser) -> None:
    window = await browser.new_page(viewport=NARROW)
    await window.set_content((await every_page(runtime, "en"))["question"])
    reached = []
    for _ in range(8):
        await window.keyboard.press("Tab")
        reached.append(
            await window.evaluate(
                "document.activeElement.value || document.activeElement.lang || document.activeElement.textContent"
            )
        )
        assert await window.evaluate("getComputedStyle(document.activeElement).outlineStyle") in {"solid", "none"}
    assert reached[:5] == ["voted", "not_yet", "no_ballot_paper", "call_me", "stop"]
    assert reached[5:7] == ["What we send you, and how", "cy"]
