"""Headings: the row of a file that names its columns, which titles and notes may stand above."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Final

from core.errors import InputError
from core.files.double_encoding import with_mended_cells
from core.files.tables import RawRow, RawTable, Table

Judge = Callable[[Sequence[str]], tuple[int, bool]]
"""Function that counts the known column names in a row, and says whether the column that a file must have is among
them."""

MAX_COLUMNS: Final = 1_000
"""Columns of a file; a file with more is no list of people."""
_HEADING_SEARCH_ROWS: Final = 50
"""Rows from the top among which the headings are looked for."""
_MAX_HEADING_ROW: Final = 1_000
_MIN_COLUMNS: Final = 2


def with_headings(raw: RawTable, name: str, judge: Judge, header_row: int | None) -> Table:
    """Find the headings, and leave out what stands above them.

    The headings are the row with the most known column names, if it has the column that a file must have, or else the
    first row.

    Args:
        raw: the open file.
        name: of the file, for errors.
        judge: knows names of columns.
        header_row: the line or row they stand in, if a person says so.

    Raises:
        InputError: the named line has no headings, or the file is empty.
    """
    notices = raw.notices
    records = with_mended_cells(raw.records, notices)
    first = list(islice(records, _HEADING_SEARCH_ROWS if header_row is None else _MAX_HEADING_ROW))
    if not first:
        raise InputError(f"{name} is empty.", remedy="A row names the columns, and the people follow below.")
    place = _most_likely(first, judge) if header_row is None else _place_of(first, header_row, name)
    line, header = first[place]
    if header is None:
        raise InputError(f"{name}, line {line}: the header has a quote out of place.")
    if len(header) > MAX_COLUMNS:
        raise InputError(
            f"{name} has {len(header):,} columns, more than the {MAX_COLUMNS:,} that Muster reads.",
            remedy="Leave out the columns that are not needed.",
        )
    if place and header_row is None:
        above = f"{place} row{'s' if place > 1 else ''} above {'were' if place > 1 else 'was'} left out"
        notices.append(f"The headings were found in row {line}; {above}. (--header-row names another.)")
    rest = chain(first[place + 1 :], records)
    return Table(raw.kind, header, line, rest, raw.total, raw.sha256, raw.rectangular, notices)


def _most_likely(rows: Sequence[RawRow], judge: Judge) -> int:
    best, most, of_first = 0, 0, _MIN_COLUMNS
    likely, known_there = 0, _MIN_COLUMNS - 1  # the error names its columns where no row has the needed one
    for place, (_, cells) in enumerate(rows):
        known, has_needed = judge(cells) if cells is not None else (0, False)
        filled = sum(1 for cell in cells or () if cell and not cell.isspace())
        of_first = filled if place == 0 else of_first
        # one known word in a row of others may as well be data, unless only a title stands above it
        if (
            has_needed
            and known > most
            and (place == 0 or known >= _MIN_COLUMNS or filled <= _MIN_COLUMNS or of_first < _MIN_COLUMNS)
        ):
            best, most = place, known
        if known > known_there:
            likely, known_there = place, known
    return best if most else likely


def _place_of(rows: Sequence[RawRow], header_row: int, name: str) -> int:
    for place, (line, _) in enumerate(rows):
        if line == header_row:
            return place
    raise InputError(
        f"Row {header_row} of {name} is empty.",
        remedy="--header-row is the row of the sheet, or the line of the CSV file, in which the columns are named.",
    )
