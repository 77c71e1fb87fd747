"""Numbers that commands take, no larger than the database keeps them."""

from __future__ import annotations

import click

from core.db.numbers import LARGEST_ID, LARGEST_POSITION

ROW = click.IntRange(1, LARGEST_ID)
"""The number of a reply, an event, …"""
AFTER = click.IntRange(0, LARGEST_ID)
"""The number of what was last; 0 is before the first."""
STEP = click.IntRange(1, LARGEST_POSITION)
"""The place of a step in its campaign."""
