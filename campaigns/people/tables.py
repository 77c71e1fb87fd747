"""A member file as the import sees it, whatever program wrote it: a header and numbered rows of text cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Record = tuple[int, list[str] | None]
"""The line a row begins on, and its cells; None where the row cannot be taken apart (a quote out of place)."""


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


def is_blank(cells: list[str]) -> bool:
    """Whether a row has nothing in it but spaces."""
    return not any(cells) or all(cell.isspace() or not cell for cell in cells)
