"""Lifetime of members' links, and how long their messages are kept because of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

LINK_LIFETIME: Final = timedelta(days=60)
"""Time for which a link still shows a page after its subject closed, or after its campaign ended where there is no
subject."""
ARCHIVE_DELAY: Final = LINK_LIFETIME + timedelta(days=1)
"""Least time after that until messages move into the archive, where their links work no more. The database function
`archive_delay` has the same length: it checks this before a year is deleted."""
