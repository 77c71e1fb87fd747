"""Folding of text, so that it compares as equal in any case, with accents or without."""

from __future__ import annotations

import unicodedata


def without_accents(text: str) -> str:
    """Return a text without accents, and with plain letters for those that only look different: `Siân` is `Sian`."""
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def fold(text: str) -> str:
    """Return a text without case and accents: "SIÂN" and "Siân" become "sian"."""
    return without_accents(text).casefold()
