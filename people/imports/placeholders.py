"""Placeholders: words that exports write into a cell where there is nothing, such as `NULL`, `None`, `n/a` or `-`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

_WORDS: Final = ("null", "none", "nil", "n/a", "n.a.", "undefined")
_ONLY_IN_BRACKETS: Final = ("na", "blank", "empty")  # Na and Blank are surnames
_BRACKETS: Final = ("()", "[]", "<>", "{}")
_PLACEHOLDERS: Final = frozenset(
    {*_WORDS, "n/a.", "n.a", "\\n"}
    | {f"{left}{word}{right}" for word in (*_WORDS, *_ONLY_IN_BRACKETS) for left, right in _BRACKETS}
)
_IN_ONE_CASE: Final = {"nan", "NaN"}  # Nan is a first name
_MAX_LENGTH: Final = max(map(len, _PLACEHOLDERS))
_DASHES: Final = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212."
_NAMES: Final = {"Nil"}
"""Placeholders that are names in this spelling."""
_LAST_NAMES: Final = {"Null"}
_MAX_SHOWN_VALUES: Final = 3


def is_placeholder(text: str) -> bool:
    """Tell whether a cleaned cell holds nothing but a placeholder."""
    if not text or len(text) > _MAX_LENGTH:
        return False
    return text.lower() in _PLACEHOLDERS or text in _IN_ONE_CASE or not text.strip(_DASHES)


def placeholders_in_name(first: str, last: str) -> tuple[bool, bool]:
    """Tell which of a first and a last name are placeholders.

    Some people are called Null. In `Amy`, `Null` it is a name, because programs write `NULL` or `null`; in `Null`,
    `Null` it is not.

    Args:
        first: the first name, cleaned.
        last: the last name.
    """
    no_first = first not in _NAMES and is_placeholder(first)
    is_named = bool(first) and not no_first
    no_last = last not in _NAMES and is_placeholder(last) and not (is_named and last in _LAST_NAMES)
    return no_first, no_last


class PlaceholderCount:
    """Count the placeholders of each column, to report that they were read as empty cells."""

    def __init__(self) -> None:
        self._words: dict[str, Counter[str]] = {}

    def add(self, label: str, word: str) -> None:
        """Count one placeholder.

        Args:
            label: the column's header.
            word: as it stands in the cell.
        """
        self._words.setdefault(label, Counter())[word] += 1

    def notices(self) -> Iterator[str]:
        """Yield a notice for each column, with the words that were read as an empty cell, and how often."""
        for label, words in self._words.items():
            shown = ", ".join(f"“{word}” {count:,} ×" for word, count in words.most_common(_MAX_SHOWN_VALUES))  # noqa: RUF001
            more = " …" if len(words) > _MAX_SHOWN_VALUES else ""
            yield f"Read as empty cells in the column “{label}”: {shown}{more}."
