"""Clock: the current time, injected everywhere so that tests and the demo can move it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Function that returns the current time: an aware datetime in UTC."""


def system_clock() -> datetime:
    """Return the machine's time, aware, in UTC."""
    return datetime.now(UTC)
