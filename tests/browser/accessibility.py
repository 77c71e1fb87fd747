"""Accessibility of a page: rules, headings, and nothing to scroll sideways for."""

from __future__ import annotations

from axe_playwright_python.async_playwright import Axe

from tests.browser.conftest import Visit

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

LEVELS = "[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))"


async def assert_accessible(visit: Visit) -> None:
    results = (await Axe().run(visit.page, options=RULES)).response
    found = [
        f"{violation['id']}: {violation['help']}: {[node['html'][:200] for node in violation['nodes']]}"
        for violation in results["violations"]
    ]
    assert not found, "\n".join(found)
    assert results["passes"]
