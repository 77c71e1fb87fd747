"""Pictures of pages."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.async_api import Page


async def picture(window: Page, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at them all: MUSTER_MEMBER_PICTURES=folder."""
    if folder := os.environ.get("MUSTER_MEMBER_PICTURES"):
        await window.screenshot(path=Path(folder) / f"{re.sub('[^a-z_]+', '-', name)}.png", full_page=True)
