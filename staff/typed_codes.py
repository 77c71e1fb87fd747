"""Codes as people type or paste them: with another keyboard, or out of a document."""

from __future__ import annotations

import unicodedata
from typing import Final

_DROPPED: Final = frozenset({"Pd", "Cf", "Cc", "Zs", "Zl", "Zp", "Pc"})
"""Categories of dashes, invisible characters, spaces and underscores."""
_MINUS: Final = "\N{MINUS SIGN}"


def read_typed_code(text: str) -> str:
    """Return a code in lower case, without spaces, dashes and invisible characters, its digits those of ASCII.

    Keyboards of Japanese and Arabic write digits of their own, and word processors make other dashes of a hyphen.
    """
    kept = (char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) not in _DROPPED)
    return "".join(_digit(char) for char in kept if char != _MINUS).lower()


def _digit(char: str) -> str:
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)
