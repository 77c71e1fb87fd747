"""Number types of command arguments, no larger than the database's columns."""

from __future__ import annotations

import click

from core.db.numbers import MAX_ID, MAX_POSITION

ROW = click.IntRange(1, MAX_ID)
"""Number of a reply, an event, …"""
AFTER = click.IntRange(0, MAX_ID)
"""Number of the last item already seen; 0 is before the first."""
STEP = click.IntRange(1, MAX_POSITION)
"""Position of a step in its campaign."""
