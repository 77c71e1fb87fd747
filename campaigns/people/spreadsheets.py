"""XLSX, ODS and XLS, read by calamine: the first sheet that has anything in it, its cells as the text people see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from campaigns.people.tables import Record, Table, is_blank
from messaging.errors import InputError

Cell = float | str | bool | time | date | datetime | timedelta


@contextmanager
def open_spreadsheet(path: Path) -> Iterator[Table]:
    """Open the first sheet that has anything in it.

    Raises:
        InputError: it is damaged, protected by a password, or empty.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        workbook = _open(path, file)
    try:
        sheet = _first_sheet(workbook)
        records = _records(sheet) if sheet is not None else iter(())
        header = next(records, None)
        if sheet is None or header is None or header[1] is None:
            raise InputError(f"{path.name} is empty.", remedy="The first row names the columns.")
        kind = f"spreadsheet, sheet “{sheet.name}”"
        yield Table(kind, header[1], records, max(sheet.total_height - header[0], 0), sha256, rectangular=False)
    finally:
        workbook.close()


def _open(path: Path, file: BinaryIO) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(file)
    except PasswordError:
        raise InputError(
            f"{path.name} is protected by a password.", remedy="Save a copy without password, or as CSV."
        ) from None
    except CalamineError as error:
        raise InputError(
            f"{path.name} cannot be read as a spreadsheet: {error}.", remedy="Save it again as XLSX, ODS or CSV."
        ) from None


def _first_sheet(workbook: CalamineWorkbook) -> CalamineSheet | None:
    for name in workbook.sheet_names:
        sheet = workbook.get_sheet_by_name(name)
        if sheet.height:
            return sheet
    return None


def _records(sheet: CalamineSheet) -> Iterator[Record]:
    for line, row in enumerate(sheet.iter_rows(), 1):
        cells = [cell if isinstance(cell, str) else as_text(cell) for cell in row]
        if not is_blank(cells):
            yield line, cells


def as_text(cell: Cell) -> str:
    """A cell as a person reads it: whole numbers without decimals or exponent, dates as 2026-11-22, yes and no."""
    match cell:
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer():
            return str(int(cell))
        case float():
            return format(Decimal(repr(cell)), "f")
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ", "minutes")
        case _:
            return str(cell)
