"""Table of a member file as the import sees it, from any program: a header, and numbered rows of text cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from core.control_characters import HIDDEN
from core.files.guarded_csv import unguard
from core.files.workbooks.cells import NO_RESULT

RawRow = tuple[int, list[str] | None]
"""The line a row begins on, and its cells; None if the row cannot be taken apart (a quote out of place)."""


_INVISIBLE: Final[dict[int, str | None]] = dict.fromkeys([*HIDDEN, 0xAD, 0x200E, 0x200F])
_INVISIBLE.update({ord(char): " " for char in "\t\n\v\f\r\x85\u2028\u2029"})
_AS_TEXT: Final = re.compile(r'="((?:[^"]|"")*)"')
"""Cell that keeps the zeros before a number in Excel; `as_text` writes one."""
_ERROR: Final = re.compile(
    r"#[\u00a1\u00bf]?[A-Z\u00c0-\u00de][A-Z\u00c0-\u00de0-9_/]*[!?]|#(?:N/A|n/a|N/D|NV|ND|N/V|GETTING_DATA|ERROR)|#{3,}|Err:[0-9]{3}"
)
"""Errors that spreadsheet programs of any language show for a value: `#N/A`, `#REF!`, `#BEZUG!`, `#####`, `Err:502`."""

FAULTS: Final = {
    "error_cell": "The cell holds an error of the spreadsheet, such as #N/A; what was known stays as it is.",
    "no_result": "The cell holds a formula whose result was not saved: open the file in a spreadsheet program, save it,"
    " and import that. What was known stays as it is.",
    "lost_digits": "A spreadsheet has rounded this number; format the column as text and export it again.",
}
"""Reasons why a cell has no usable value. An empty cell is none of these: it says that there is nothing."""


class FaultyCell(str):
    """Cell that a spreadsheet could not show correctly.

    Attributes:
        code: one of `FAULTS`.
    """

    __slots__ = ("code",)

    def __new__(cls, text: str, code: str) -> Self:
        """Create a cell from its shown text and the code of its fault."""
        cell = super().__new__(cls, text)
        cell.code = code
        return cell

    code: str


@dataclass(frozen=True, slots=True)
class RawTable:
    """An open file before anybody knows where its headings are.

    Attributes:
        kind: the kind of file, for people: `CSV (UTF-8, semicolons)`.
        records: all rows, blank ones left out; can be read once.
        total: about how many rows there are, for progress.
        sha256: fingerprint of the file, in hex.
        rectangular: a row with fewer cells than the header is damaged (in CSV), not just short (in spreadsheets).
        notices: sentences about the file for people; complete when all records are read.
    """

    kind: str
    records: Iterator[RawRow]
    total: int
    sha256: str
    rectangular: bool
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Table:
    """An open member file.

    Attributes:
        kind, total, sha256, rectangular, notices: as of a `RawTable`.
        header: the column names as they stand in the file.
        header_line: the line or row they stand in.
        records: the rows after the header, blank ones left out; can be read once.
    """

    kind: str
    header: list[str]
    header_line: int
    records: Iterator[RawRow]
    total: int
    sha256: str
    rectangular: bool
    notices: list[str]


def fault_of(cell: str) -> str:
    """Return the code of `FAULTS` for a cell without a usable value; empty if it has one, or is empty."""
    if isinstance(cell, FaultyCell):
        return cell.code
    if cell == NO_RESULT:
        return "no_result"
    return "error_cell" if ("#" in cell or "Err:" in cell) and _ERROR.fullmatch(cell.strip()) else ""


def is_blank(cells: list[str]) -> bool:
    """Tell whether a row has nothing in it but spaces."""
    return not any(cells) or all(cell.isspace() or not cell for cell in cells)


def clean(cell: str) -> str:
    """Clean a cell: one line, composed (NFC), without invisible characters and spreadsheets' guard against formulas."""
    if not (cell.isascii() and cell.isprintable()):
        cell = unicodedata.normalize("NFC", cell.translate(_INVISIBLE))
        cell = " ".join(cell.split())
    elif "  " in cell:
        cell = " ".join(cell.split())
    else:
        cell = cell.strip()
    if "'" in cell:
        cell = unguard(cell)
    if cell[:1] == "=" and (match := _AS_TEXT.fullmatch(cell)):
        cell = " ".join(match[1].replace('""', '"').split())
    return cell
