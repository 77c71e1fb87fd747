"""A member file as the import sees it, whatever program wrote it: a header and numbered rows of text cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Record = tuple[int, list[str] | None]
"""The line a row begins on, and its cells; None where the row cannot be taken apart (a quote out of place)."""


_INVISIBLE: Final = dict.fromkeys(
    [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060,
     *range(0x2066, 0x206A), 0xFEFF]
)  # fmt: skip
_INVISIBLE.update({ord(char): " " for char in "\t\n\v\f\r\x85"})
_FORMULA: Final = re.compile(r"'*[=+@-]")
_GUARDED: Final = re.compile(r"'+[=+@-]")  # a spreadsheet's way to say that a cell is no formula


@dataclass(frozen=True, slots=True)
class Table:
    """An open member file.

    Attributes:
        kind: what it is, for people: `CSV (UTF-8, semicolons)`.
        header: the column names as they stand in the file.
        records: the rows after the header, blank ones left out; can be read once.
        total: about how many rows there are, for progress.
        sha256: fingerprint of the file, in hex.
        rectangular: a row with fewer cells than the header is damaged (in CSV), not just short (in spreadsheets).
    """

    kind: str
    header: list[str]
    records: Iterator[Record]
    total: int
    sha256: str
    rectangular: bool


def guard(cell: str) -> str:
    """A cell as it is written: what a spreadsheet would take for a formula gets an apostrophe; `clean` takes it off."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def is_blank(cells: list[str]) -> bool:
    """Whether a row has nothing in it but spaces."""
    return not any(cells) or all(cell.isspace() or not cell for cell in cells)


def clean(cell: str) -> str:
    """A cell's text on one line, composed (NFC), without invisible marks and a spreadsheet's guard against formulas."""
    if not (cell.isascii() and cell.isprintable()):
        cell = unicodedata.normalize("NFC", cell.translate(_INVISIBLE))
        cell = " ".join(cell.split())
    elif "  " in cell:
        cell = " ".join(cell.split())
    else:
        cell = cell.strip()
    return cell[1:] if _GUARDED.match(cell) else cell
