"""Sheets of rows as files for spreadsheets: CSV with a guard, or a workbook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from core.files.atomic_files import complete_or_not_at_all
from core.files.guarded_csv import GuardedCsv

SheetKind = Literal["csv", "xlsx"]


class SheetWriter(Protocol):
    """Writer of rows; the first row is the headings."""

    def writerow(self, row: Iterable[object], /) -> None:
        """Write one row."""

    def writerows(self, rows: Iterable[Iterable[object]], /) -> None:
        """Write several."""


def sheet_kind(path: Path) -> SheetKind:
    """Return the kind of sheet that a file's name asks for: a workbook by its end `.xlsx`, else CSV."""
    return "xlsx" if path.suffix.lower() == ".xlsx" else "csv"


@contextmanager
def open_sheet(path: Path, kind: SheetKind, *, for_excel: bool = False) -> Iterator[SheetWriter]:
    """Write a sheet; what the file held is replaced.

    Args:
        path: the file. CSV is UTF-8 with a byte-order mark, by which spreadsheets know it.
        kind: the form.
        for_excel: of CSV, see `GuardedCsv`; a workbook keeps numbers as they are.

    Raises:
        InputError: the workbook cannot be written.
        OSError: the CSV file cannot be written.
    """
    if kind == "xlsx":
        from core.files.workbook_writer import WorkbookWriter  # late: few commands write workbooks

        with WorkbookWriter(path) as workbook:
            yield workbook
        return
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        yield GuardedCsv(file, for_excel=for_excel)


@contextmanager
def sheet_or_nothing(
    path: Path, *, replace: bool, kind: SheetKind | None = None, for_excel: bool = False
) -> Iterator[SheetWriter]:
    """Write a sheet that appears under its name when it is complete, or not at all; only its owner can read it.

    Args:
        path: the file.
        replace: whether a file that is there may be replaced.
        kind: the form; None to take it from the file's name.
        for_excel: see `open_sheet`.

    Yields:
        The writer of its rows.

    Raises:
        Conflict, InputError: see `complete_or_not_at_all`.
    """
    with (
        complete_or_not_at_all(path, replace=replace) as beside,
        open_sheet(beside, kind or sheet_kind(path), for_excel=for_excel) as sheet,
    ):
        yield sheet
