"""Columns of days that a system exported as midnights in UTC: `2026-07-01T00:00:00Z` is the first of July.

Read as a moment it would be one o'clock in London, and the evening before in New York. A column that holds nothing else
has no times at all, so its cells are taken as the days that they name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from people.imports.columns import Column

DAY: Final = len("2026-07-01")
"""Characters of the day, at the beginning of such a cell."""
_MIDNIGHT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]00:00(?::00(?:\.0+)?)?\s?(?:[Zz]|[+-]00(?::?00)?)")


class DayColumns:
    """Finder of such columns among the attributes, while a file is read."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self._possible = {column.name: column.label for column in columns}
        self._seen: set[str] = set()

    def look(self, name: str, value: str) -> None:
        """Look at a cell that is not empty; for most columns one look is enough."""
        if name in self._possible:
            if _MIDNIGHT.fullmatch(value):
                self._seen.add(name)
            else:
                del self._possible[name]

    @property
    def names(self) -> list[str]:
        """Return the attributes that hold nothing but midnights in UTC, so far."""
        return [name for name in self._possible if name in self._seen]

    def notices(self) -> Iterator[str]:
        """Yield a sentence for each such column."""
        for name in self.names:
            yield (
                f"{self._possible[name]} holds nothing but midnights in UTC, such as 2026-07-01T00:00:00Z: they are"
                " taken as days without a time."
            )
