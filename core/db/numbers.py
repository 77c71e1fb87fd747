"""Largest numbers that PostgreSQL's columns hold, to check numbers that people type."""

from __future__ import annotations

from typing import Final

MAX_ID: Final = 2**63 - 1
"""Largest id of a row (`bigint`)."""
MAX_POSITION: Final = 2**15 - 1
"""Largest position of a step in its campaign (`smallint`)."""


def read_id(text: str) -> int | None:
    """Read a row's id as pages show it: `17` or `#17`. None if it is no number, or too large for an id."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > len(str(MAX_ID)):
        return None
    return number if (number := int(digits)) <= MAX_ID else None
