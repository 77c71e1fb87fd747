"""Lists about people: a table whose columns are known by their names, read row by row, each problem with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from core.errors import InputError
from core.files.header_keys import header_key
from core.files.readers import open_table
from core.files.row_problems import Problem, ProblemLog
from core.files.tables import FAULTS, Table, clean, fault_of
from core.written_dates import read_written_date
from people.imports.columns import MEMBER_ID_NAMES

MAX_CELL_LENGTH: Final = 2000
"""Characters of a cell; a longer one is a paste that went wrong."""


class BadRow(Exception):  # noqa: N818  # reads as what it is
    """A row that cannot be used.

    Args:
        code: the reason as a program reads it.
        message: the reason as a person reads it.
        column: the field at fault.
        value: the content of its cell.
    """

    def __init__(self, code: str, message: str, column: str = "", value: str = "") -> None:
        super().__init__(code)
        self.code, self.message, self.column, self.value = code, message, column, value


@dataclass(slots=True)
class OpenList:
    """An open list.

    Attributes:
        kind: the kind of file, for people.
        labels: the header of each field that it has.
        rows: how many were read so far.
        problems: rows that could not be used, and why.
        notices: sentences about the file for people; complete when all rows are read.
        unknown: headers of columns that are none of its fields.
    """

    kind: str
    labels: Mapping[str, str]
    _table: Table
    _places: Mapping[str, int]
    notices: Sequence[str] = ()
    unknown: Sequence[str] = ()
    rows: int = 0
    problems: ProblemLog = field(default_factory=ProblemLog)

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield each row's line, and its cells by field; a field without a column is empty."""
        for line, cells in self._table.records:
            self.rows += 1
            if cells is None:
                self.reject(line, BadRow("broken_row", "A quote is out of place or never closed."))
                continue
            row = {name: clean(cells[place]) if place < len(cells) else "" for name, place in self._places.items()}
            if bad := next((bad for name, place in self._places.items() if (bad := _faulty(name, cells, place))), None):
                self.reject(line, bad, row)
                continue
            if any(len(cell) > MAX_CELL_LENGTH for cell in row.values()):
                self.reject(line, BadRow("too_long", f"A cell is longer than {MAX_CELL_LENGTH} characters."))
                continue
            yield line, row

    def reject(self, line: int, bad: BadRow, row: Mapping[str, str] | None = None) -> None:
        """Leave a row out, and record why.

        Args:
            line: where it begins.
            bad: what is wrong with it.
            row: its cells by field, if they could be read.
        """
        label, row = self.labels.get(bad.column, bad.column), row or {}
        self.problems.reject(
            Problem(line, label, bad.code, bad.message, row.get(bad.column, bad.value), row.get("member_id", ""))
        )


@contextmanager
def open_list(
    path: Path,
    fields: Mapping[str, Sequence[str]],
    *,
    needs: Sequence[str],
    header_row: int | None = None,
    encoding: str | None = None,
) -> Iterator[OpenList]:
    """Open a CSV, XLSX, ODS or XLS file.

    Args:
        path: the file.
        fields: names that the column of each field goes by, beside the field's own.
        needs: the list must have one of these fields.
        header_row: the line or row that names the columns, if a person says so.
        encoding: of a CSV file, if a person says so.

    Raises:
        InputError: the file cannot be read, is empty, or has none of the columns it needs.
    """
    known = {header_key(name): field for field, names in fields.items() for name in (field, *names)}

    if "member_id" in fields:
        known |= {key: "member_id" for name in MEMBER_ID_NAMES if (key := header_key(name)) not in known}

    def judge(cells: Sequence[str]) -> tuple[int, bool]:
        fields_here = [field for cell in cells if (field := known.get(header_key(clean(cell))))]
        return len(fields_here), not set(needs).isdisjoint(fields_here)

    with open_table(path, judge, header_row=header_row, encoding=encoding) as table:
        places: dict[str, int] = {}
        for index, label in enumerate(table.header):
            if (name := known.get(header_key(clean(label)))) and name not in places:
                places[name] = index
        if not places.keys() & set(needs):
            header = ", ".join(f"“{label}”" for cell in table.header if (label := clean(cell)))
            line = table.header_line
            raise InputError(
                f"{path.name} has no column that says whom it is about.",
                problems=[f"The columns of row {line} are {header}." if header else f"Row {line} names no column."],
                remedy=f"Call one of the columns {' or '.join(needs)}. If the headings stand in another row, say in"
                " which: --header-row 3.",
            )
        labels = {name: clean(table.header[place]) for name, place in places.items()}
        headers = [clean(cell) for cell in table.header]
        unknown = [label for label in headers if label and header_key(label) not in known]
        yield OpenList(
            table.kind, labels, table, {name: places.get(name, len(table.header)) for name in fields}, table.notices,
            unknown,
        )  # fmt: skip


def _faulty(name: str, cells: Sequence[str], place: int) -> BadRow | None:
    code = fault_of(cells[place]) if place < len(cells) else ""
    return BadRow(code, FAULTS[code], name, cells[place]) if code else None


def read_past_date(text: str, zone: ZoneInfo, *, now: datetime, column: str) -> datetime:
    """Read a date, or a date and time, in any notation that member files have: `3 May 2026 at 2pm`, `03/05/2026 14:00`.

    A date without a time is the beginning of that day.

    Args:
        text: as it is written.
        zone: of a time that names none.
        now: the time; nothing that is recorded is later.
        column: whose cell it is.

    Raises:
        BadRow: the text is no time, or in the future.
    """
    at = _read(text, zone)
    if at is None:
        raise BadRow("not_a_date", f"“{text}” is not a date such as 2026-05-03 or 03/05/2026.", column)
    if at > now:
        raise BadRow("in_the_future", f"{text} is in the future.", column)
    return at


def _read(text: str, zone: ZoneInfo) -> datetime | None:
    try:
        exact = datetime.fromisoformat(text)  # as programs write it, to the microsecond
    except ValueError:
        written = read_written_date(text, zone)
        if written is None:
            return None
        return written.at if written.timed else written.at.replace(hour=0)
    return exact if exact.tzinfo else exact.replace(tzinfo=zone)
