"""How large the numbers are that PostgreSQL keeps, for numbers that people type."""

from __future__ import annotations

from typing import Final

LARGEST_ID: Final = 2**63 - 1
"""Of a row (`bigint`)."""
LARGEST_POSITION: Final = 2**15 - 1
"""Of a step in its campaign (`smallint`)."""


def read_id(text: str) -> int | None:
    """Read the number of a row as it is shown: `17` or `#17`. None where it is no number, or larger than any can be."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > len(str(LARGEST_ID)):
        return None
    return number if (number := int(digits)) <= LARGEST_ID else None
