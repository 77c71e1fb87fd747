"""Garbage collection tuned for a process that stays up: it runs seldom and skips long-lived objects."""

from __future__ import annotations

import gc
from typing import Final

GARBAGE_THRESHOLD: Final = 20_000
"""Objects allocated, less those freed, between two collections of the youngest generation."""


def tune_gc() -> None:
    """Freeze the objects there are, and collect seldom: hardly any objects here are in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
