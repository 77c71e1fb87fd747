"""XLS workbooks of Excel 97 to 2003, read by xlrd: the first visible sheet that has anything in it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any, Final

import xlrd
from xlrd.biffh import error_text_from_code

from core.errors import InputError
from core.files.workbooks.cells import Cell, NumberFormat, Row, Sheet, number_format, number_text, yes_or_no
from core.files.workbooks.container import damaged, protected

_ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")  # an XLSX under a password is kept in one of these
_MAX_SIZE: Final = 200_000_000


def open_xls(file: IO[bytes]) -> Iterator[tuple[Sheet, Iterator[Row]]]:
    """Open the visible sheets, in order, each with its rows.

    Raises:
        InputError: the file is damaged, or protected by a password.
    """
    content = file.read(_MAX_SIZE + 1)
    if len(content) > _MAX_SIZE:
        raise InputError("The file is too large.", remedy="Save it as XLSX or CSV.")
    if _ENCRYPTED_PACKAGE in content:
        raise protected()
    try:
        book = xlrd.open_workbook(
            file_contents=content, formatting_info=True, on_demand=True, ragged_rows=True, logfile=io.StringIO()
        )
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # xlrd trips over damaged files in any way there is
        raise (protected() if "encrypted" in str(error).lower() else damaged()) from None
    hidden: list[str] = []
    for index, name in enumerate(book.sheet_names()):
        if _visibility(book, index):
            hidden.append(name)
            continue
        try:
            cells = book.sheet_by_index(index)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001
            raise damaged() from None
        names = enumerate(book.sheet_names())
        others = [other for place, other in names if place != index and not _visibility(book, place)]
        sheet = Sheet(name, rows=cells.nrows, hidden_sheets=hidden, others=others)
        sheet.hidden_columns.update(place for place, info in cells.colinfo_map.items() if info.hidden)
        sheet.merged += [(top, end - 1, left) for top, end, left, _ in cells.merged_cells if end - top > 1]
        yield sheet, _rows(book, cells)
        book.unload_sheet(index)


def _visibility(book: Any, index: int) -> int:
    return int(book._sheet_visibility[index])  # noqa: SLF001  # the sheet itself says it only when it is loaded


def _rows(book: Any, sheet: Any) -> Iterator[Row]:
    formats = [_format(book, style.format_key) for style in book.xf_list]
    for index in range(sheet.nrows):
        cells = {
            place: cell
            for place in range(sheet.row_len(index))
            if (cell := _cell(sheet, index, place, formats, since_1904=book.datemode == 1)).text
        }
        if cells:
            info = sheet.rowinfo_map.get(index)
            yield Row(index + 1, cells, bool(info is not None and info.hidden))


def _format(book: Any, key: int) -> NumberFormat:
    known = book.format_map.get(key)
    return number_format(known.format_str if known is not None else "", key)


def _cell(sheet: Any, row: int, place: int, formats: list[NumberFormat], *, since_1904: bool) -> Cell:
    kind, value = sheet.cell_type(row, place), sheet.cell_value(row, place)
    if kind == xlrd.XL_CELL_TEXT:
        return Cell(value)
    if kind in {xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE}:
        return number_text(repr(value), formats[sheet.cell_xf_index(row, place)], since_1904=since_1904)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return yes_or_no(str(value))
    if kind == xlrd.XL_CELL_ERROR:
        return Cell(error_text_from_code.get(value, "#N/A"), "error_cell")
    return Cell("")
