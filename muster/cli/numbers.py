"""Number types of command arguments, no larger than the database's columns."""

from __future__ import annotations

from typing import Final

import click

from core.db.numbers import MAX_ID, MAX_POSITION

ROW: Final = click.IntRange(1, MAX_ID)
"""Number of a reply, an event, …"""
AFTER: Final = click.IntRange(0, MAX_ID)
"""Number of the last item already seen; 0 is before the first."""
STEP: Final = click.IntRange(1, MAX_POSITION)
"""Position of a step in its campaign."""
