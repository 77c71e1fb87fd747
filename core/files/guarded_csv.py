"""Guarded CSV, as everything here writes it: no cell that a spreadsheet would run as a formula.

Names of members, branches and files are exported again, and `=HYPERLINK(…)` in a branch's name would run on
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
_GUARDED: Final = re.compile("'+ ?[=+@\uff1d\uff0b\uff20\uff0d\u2212-]")
"""Apostrophe by which a spreadsheet marks a cell as no formula; ours as well."""
_GUARDED_INSIDE: Final = re.compile("([;|] ?)'(?='*[=+@\uff1d\uff0b\uff20\uff0d\u2212-])")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_CHANGED_BY_EXCEL: Final = re.compile(r"(?=[^0-9]*[0-9])\+?[^\W_](?:[^\W_]|[ ./:-]){0,199}")
"""Cell with a digit that Excel may take for a number or a date, and nothing that Excel may run."""


class _Text(Protocol):
    def write(self, text: str, /) -> Any:
        """Write text."""


class GuardedCsv:
    """Write rows to a text file.

    Args:
        file: opened with `newline=""`.
        for_excel: whether numbers are written in such a way that Excel keeps their zeros and digits: `="0001006"`.
            Other programs may show them like that; reading a member file takes it off.
    """

    def __init__(self, file: _Text, *, for_excel: bool = False) -> None:
        self._sheet = csv.writer(file)
        self._form = as_text if for_excel else guard

    def writerow(self, row: Iterable[object]) -> None:
        """Write one row; values that are no text are written as they are."""
        self._sheet.writerow([self._form(cell) if isinstance(cell, str) else cell for cell in row])

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


def unguard(cell: str) -> str:
    """Take the apostrophes off again that `guard` put into a cell, or a spreadsheet before one."""
    if _GUARDED.match(cell):
        cell = cell[1:].lstrip()
    return _GUARDED_INSIDE.sub(r"\1", cell)


def double_apostrophes(cell: str) -> str:
    """Double those apostrophes of a cell that `unguard` takes off: for a file in which nothing else needs a guard."""
    cell = _GUARDED_INSIDE.sub(r"\1''", cell)
    return f"'{cell}" if _GUARDED.match(cell) else cell


def as_text(cell: str) -> str:
    """Write a cell as `="0001006"` if Excel may take it for a number or a date, and change it."""
    return f'="{cell}"' if _CHANGED_BY_EXCEL.fullmatch(cell) else guard(cell)
