"""The pictures in README.md and docs/, taken from the product itself.

`MUSTER_PICTURES=docs/images pytest tests/browser/test_pictures.py` takes them again.
"""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Browser

from core.alerts import resolve_alert
from core.runtime import Runtime
from tests.browser.conftest import Scheme, Site
from tests.browser.union import write_union
from tests.support.member_states import every_page

LARGEST = 200_000
"""Bytes of a picture, which everybody who reads the README gets."""


async def test_the_readmes_pictures_are_made(site: Site, tmp_path: Path) -> None:
    folder = Path(os.environ.get("MUSTER_PICTURES", tmp_path))
    async with site.runtime.pool.acquire() as db:
        await write_union(db, site.runtime.clock(), branches=300, members=12_000)
        for key in ("sender:1", "redis"):
            await resolve_alert(db, key)
    pictures: tuple[tuple[str, int, int, Scheme, float], ...] = (
        ("console", 1080, 765, "light", 1.0),
        ("console-phone", 390, 844, "dark", 1.5),
    )
    for name, width, height, scheme, scale in pictures:
        async with site.visit(width=width, scheme=scheme, device_scale_factor=scale) as visit:
            await visit.page.set_viewport_size({"width": width, "height": height})
            await visit.go("/console/")
            await visit.live()
            await visit.page.screenshot(path=folder / f"{name}.png", animations="disabled")
            assert 20_000 < (folder / f"{name}.png").stat().st_size < LARGEST


async def test_the_pictures_of_members_pages_are_made(runtime: Runtime, browser: Browser, tmp_path: Path) -> None:
    folder = Path(os.environ.get("MUSTER_PICTURES", tmp_path))
    pages = await every_page(runtime, "en")
    window = await browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=1.5)
    for name, state, scheme in (("member", "question", "light"), ("preferences", "preferences: saved", "dark")):
        await window.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await window.set_content(pages[state])
        await window.screenshot(path=folder / f"{name}.png", full_page=True, animations="disabled")
        assert (folder / f"{name}.png").stat().st_size > 10_000
