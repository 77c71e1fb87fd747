"""Process in which a workbook is read: few rights, little memory, and ended with its parent.

It is given an open file and writes lines of JSON: `{"sheet": …}` first, `{"rows": …}` as they come, `{"notes": …}` at
the end; or `{"refused": …}` where the file cannot be read.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import IO, Any, Final

import orjson

from core.errors import InputError
from core.files.workbooks.cells import Cell, Row, Sheet, column_letters
from core.files.workbooks.container import Container, damaged
from core.files.workbooks.ods import is_ods, open_ods
from core.files.workbooks.xlsx import is_xlsx, open_xlsx
from core.plurals import plural

MAX_COLUMNS: Final = 1_000
"""Columns of a sheet that are read."""
MAX_ROWS: Final = 2_000_000
"""Rows of a sheet; one with more is refused."""
MAX_CELLS: Final = 50_000_000
"""Cells of a sheet; one with more is refused."""
_CPU_SECONDS: Final = 600
_CHUNK_SIZE: Final = 20_000
"""Cells that are sent at once."""
_MAX_NAMED_SHEETS: Final = 5
_BINARY: Final = "xl/workbook.bin"


def main() -> None:
    """Read the workbook whose file descriptor is the first argument, in as many bytes of memory as the second says."""
    descriptor, memory = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    gc.disable()  # nothing here is in cycles
    out = sys.stdout.buffer
    try:
        with os.fdopen(descriptor, "rb") as file:
            for message in read(file):
                out.write(orjson.dumps(message) + b"\n")
    except InputError as error:
        out.write(orjson.dumps({"refused": error.message, "remedy": error.remedy}) + b"\n")
    except MemoryError:
        os._exit(os.EX_SOFTWARE)  # the parent process takes the exit for too little memory
    except Exception as error:  # noqa: BLE001  # a file can be wrong in more ways than anybody foresees
        refused = damaged(type(error).__name__)
        out.write(orjson.dumps({"refused": refused.message, "remedy": refused.remedy}) + b"\n")
    out.flush()


def read(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the messages about a workbook, as plain values.

    Raises:
        InputError: the workbook cannot be read.
    """
    for sheet, rows in _open(file):
        filled = _filled_down(sheet, _within_bounds(rows))
        if (first := next(filled, None)) is None:
            continue
        yield {
            "sheet": sheet.name,
            "others": sheet.others[:_MAX_NAMED_SHEETS],
            "total": sheet.rows if sheet.rows <= MAX_ROWS else 0,
        }
        yield from _in_chunks(sheet, chain([first], filled))
        yield {"notes": list(_notes(sheet))}
        return
    raise InputError("The file is empty.", remedy="A row names the columns, and the people follow below.")


def _open(file: IO[bytes]) -> Iterator[tuple[Sheet, Iterator[Row]]]:
    if file.read(2) != b"PK":
        from core.files.workbooks.xls import open_xls

        file.seek(0)
        return open_xls(file)
    container = Container(file)
    if is_xlsx(container):
        return open_xlsx(container)
    if is_ods(container):
        return open_ods(container)
    if _BINARY in container:
        raise InputError(
            "The file is a binary workbook (XLSB), which Muster does not read.", remedy="Save it again as XLSX."
        )
    raise InputError(
        "The file is an archive, and not a spreadsheet Muster can read.", remedy="Save it as XLSX, ODS or CSV."
    )


def _within_bounds(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the rows without cells that hold only spaces: such stray cells are often far from the table.

    Raises:
        InputError: a cell lies beyond the largest member file, or there are too many cells.
    """
    count = 0
    for row in rows:
        cells = row.cells
        for place in [place for place, cell in cells.items() if cell.text.isspace()]:
            del cells[place]
        if not cells:
            continue
        furthest = max(cells)
        count += furthest + 1
        if row.line > MAX_ROWS or furthest >= MAX_COLUMNS:
            raise InputError(
                f"Something stands in cell {column_letters(furthest)}{row.line}, further out than Muster reads:"
                f" {MAX_ROWS:,} rows and {MAX_COLUMNS:,} columns.",
                remedy="Delete what stands so far out, or copy the members' rows into a new workbook.",
            )
        if count > MAX_CELLS:
            raise InputError(
                f"The sheet has more than {MAX_CELLS:,} cells.", remedy="Leave out the columns that are not needed."
            )
        yield row


def _filled_down(sheet: Sheet, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the rows, repeating the content of a merged cell in each of its rows, as people see it."""
    begin: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    open_ones: list[tuple[int, int, Cell]] = []
    known = 0
    for row in rows:
        for top, bottom, place in sheet.merged[known:]:
            begin[top].append((bottom, place))
        known, index = len(sheet.merged), row.line - 1
        open_ones = [merged for merged in open_ones if merged[0] >= index]
        for _, place, cell in open_ones:
            row.cells.setdefault(place, cell)
        open_ones += [(bottom, place, row.cells[place]) for bottom, place in begin.pop(index, ()) if place in row.cells]
        yield row


def _in_chunks(sheet: Sheet, rows: Iterator[Row]) -> Iterator[dict[str, Any]]:
    chunk: list[tuple[int, list[str]]] = []
    faults: list[tuple[int, int, str]] = []
    size = 0
    for row in rows:
        cells = [""] * (max(row.cells) + 1)
        for place, cell in row.cells.items():
            cells[place] = cell.text
            if cell.fault:
                faults.append((len(chunk), place, cell.fault))
        if row.hidden:
            sheet.hidden_row_count += 1
            if len(sheet.hidden_rows) < _MAX_NAMED_SHEETS:
                sheet.hidden_rows.append(row.line)
        chunk.append((row.line, cells))
        size += len(cells)
        if size > _CHUNK_SIZE:
            yield {"rows": chunk, "faults": faults}
            chunk, faults, size = [], [], 0
    yield {"rows": chunk, "faults": faults}


def _notes(sheet: Sheet) -> Iterator[str]:
    """Yield notices about a sheet that has more or less in it than people see."""
    if sheet.hidden_sheets:
        names = ", ".join(f"“{name}”" for name in sheet.hidden_sheets[:_MAX_NAMED_SHEETS])
        yield f"Hidden sheets were not read: {names}."
    if sheet.hidden_row_count:
        lines = ", ".join(map(str, sheet.hidden_rows))
        more = " …" if sheet.hidden_row_count > _MAX_NAMED_SHEETS else ""
        are = plural(sheet.hidden_row_count, "row is", "rows are")
        yield f"{are} hidden, perhaps by a filter, and read all the same: {lines}{more}."
    if columns := sorted(place for place in sheet.hidden_columns if place < MAX_COLUMNS):
        letters = ", ".join(map(column_letters, columns[:_MAX_NAMED_SHEETS]))
        yield f"Hidden columns are read all the same: {letters}{' …' if len(columns) > _MAX_NAMED_SHEETS else ''}."


def _end_with_parent() -> None:
    """End at once when the parent process does: standard input is a pipe that it holds, and never writes to."""
    with suppress(OSError):
        os.read(0, 1)
    os._exit(os.EX_OK)


if __name__ == "__main__":
    main()
