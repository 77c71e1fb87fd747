"""Guarded CSV, as everything here writes it: no cell that a spreadsheet would run as a formula.

Names of members, branches and files come out of the tables again, and `=HYPERLINK(…)` in a branch's name would run on
the machine of the person who opens the export. This is the only module that writes CSV.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Any, Final, Protocol

_FORMULA: Final = re.compile("[ \t\r\n]*'*[=+@\uff1d\uff0b\uff20\uff0d\u2212-]|\t|\r|\n")
"""Beginning of a formula, in full width as well, which some versions of Excel read alike."""
_INNER_FORMULA: Final = re.compile(
    "((?:[;|]|(?<=.)[\t\r\n])[ \t]*)(?='*[=+@\uff1d\uff0b\uff20\uff0d\u2212-])", re.DOTALL
)
"""Beginning of a formula if the file were split at semicolons, bars, tabs or line breaks, as programs may do."""
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class _Text(Protocol):
    def write(self, text: str, /) -> Any:
        """Write text."""


class GuardedCsv:
    """Write rows to a text file.

    Args:
        file: opened with `newline=""`.
    """

    def __init__(self, file: _Text) -> None:
        self._sheet = csv.writer(file)

    def writerow(self, row: Iterable[object]) -> None:
        """Write one row; values that are no text are written as they are."""
        self._sheet.writerow([guard(cell) if isinstance(cell, str) else cell for cell in row])

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write several."""
        for row in rows:
            self.writerow(row)


def guard(cell: str) -> str:
    """Put an apostrophe before a cell that could be taken for a formula; reading a member file takes it off again.

    Phone numbers stay as they are: they can do nothing.
    """
    cell = _INNER_FORMULA.sub(r"\1'", cell)
    return f"'{cell}" if _FORMULA.match(cell) and not _PHONE.fullmatch(cell) else cell
