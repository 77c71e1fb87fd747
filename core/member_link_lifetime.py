"""Lifetime of members' links, and how long their messages are kept for that."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

LINK_LIFETIME: Final = timedelta(days=60)
"""Time during which a link still shows a page after its subject closed, or else its campaign ended."""
ARCHIVE_DELAY: Final = LINK_LIFETIME + timedelta(days=1)
"""Least time after that until messages move into the archive, whose links work no more. The database, which checks
this before it deletes a year, has the same as its function `archive_delay`."""
