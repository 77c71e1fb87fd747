"""The pictures in README.md, taken from the product itself.

`MUSTER_PICTURES=docs/images pytest tests/browser/test_pictures.py` takes them again.
"""

from __future__ import annotations

import os
from pathlib import Path

from messaging.alerts import resolve_alert
from tests.browser.conftest import Site
from tests.browser.union import write_union


async def test_the_readmes_pictures(site: Site, tmp_path: Path) -> None:
    folder = Path(os.environ.get("MUSTER_PICTURES", tmp_path))
    async with site.runtime.pool.acquire() as db:
        await write_union(db, site.runtime.clock(), branches=300, members=12_000)
        await resolve_alert(db, "sender:1")
    for name, width, height, scheme in (("console", 1280, 1560, "light"), ("console-phone", 390, 844, "dark")):
        async with site.visit(width=width, scheme=scheme, device_scale_factor=1.5) as visit:
            await visit.page.set_viewport_size({"width": width, "height": height})
            await visit.go("/console/")
            await visit.live()
            await visit.page.screenshot(path=folder / f"{name}.png", animations="disabled")
            assert (folder / f"{name}.png").stat().st_size > 20_000
