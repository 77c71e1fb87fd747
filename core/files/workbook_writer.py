"""Excel workbook, written row by row: text always stays text, and numbers keep their zeros.

This is the only module that writes workbooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from core.errors import InputError

MAX_ROWS: Final = 1_048_576
"""Rows that a sheet can have."""
MAX_CELL_LENGTH: Final = 32_767
"""Characters that a cell can have; what is longer is cut short."""
_AS_TEXT: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


class WorkbookWriter:
    """Write rows to a workbook of one sheet, whose first row is its headings; memory holds one row at a time.

    A text is written as a text, so no program takes `=HYPERLINK(…)` in it for a formula, and none drops the zeros of
    `0001006`; so nothing has to be put before it, as in a CSV file.

    Args:
        path: the file; what it held is replaced when the writer is closed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book = xlsxwriter.Workbook(str(path), {"constant_memory": True, **_AS_TEXT})
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._bold = self._book.add_format({"bold": True})
        self._rows = 0

    def writerow(self, row: Iterable[object]) -> None:
        """Write one row; numbers are written as numbers, None as an empty cell, all else as text.

        Raises:
            InputError: there are more rows than a sheet can have.
        """
        if self._rows == MAX_ROWS:
            raise InputError(
                f"A workbook holds {MAX_ROWS:,} rows, and there are more.", remedy="Write a CSV file instead."
            )
        form = None if self._rows else self._bold
        for column, cell in enumerate(row):
            if isinstance(cell, int | float) and not isinstance(cell, bool):
                self._sheet.write_number(self._rows, column, cell, form)
            elif cell is not None:
                self._sheet.write_string(self._rows, column, _text(str(cell)), form)
        self._rows += 1

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write several."""
        for row in rows:
            self.writerow(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the file, also after an error: only that removes the sheet's temporary file."""
        try:
            self._book.close()
        except FileCreateError as trouble:
            raise InputError(f"{self._path} cannot be written: {trouble}.") from None


def _text(cell: str) -> str:
    """Return a text with the line ends that a cell has, as long as it may be."""
    return cell.replace("\r\n", "\n").replace("\r", "\n")[:MAX_CELL_LENGTH]
