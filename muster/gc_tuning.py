"""Garbage collection in a process that stays up: seldom, and not of what stays for good."""

from __future__ import annotations

import gc
from typing import Final

GARBAGE: Final = 20_000
"""Objects made, and not gone by themselves, between two looks for garbage."""


def look_less_for_garbage() -> None:
    """Leave out what stays for good, and look seldom: next to nothing here is in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
