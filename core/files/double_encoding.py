"""Text that was converted to UTF-8 twice: `JosÃ©` is read as `José`.

A program read UTF-8 as an older encoding and saved the result. The whole of such a cell decodes as UTF-8 once more,
which a proper name in any language does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from core.files.tables import FaultyCell, RawRow

MAX_TIMES: Final = 3
"""Times that a text may have been encoded once too often."""
_MAX_SHOWN_WORDS: Final = 3

_OLDER: Final = (
    ("cp1252", re.compile("[ÂÃÄÅÎÏÐÑáâð][^\x00-\x7f]")),
    ("mac-roman", re.compile("[√¬≈ƒ\u201a][^\x00-\x7f]")),
    ("cp850", re.compile("[├┬┼─Ô][^\x00-\x7f]")),
    ("cp437", re.compile("[├┬┼─Γ][^\x00-\x7f]")),
)
"""Encodings as which programs misread UTF-8, each with the characters that the first byte of a letter then becomes:
letters of European languages, Cyrillic and Greek letters, and quotation marks."""
_ENDS_IN_A_CAPITAL: Final = re.compile("(?<=[A-Z])[ÂÃÄÅÎÏÐÑ][\xa0\u2019]")
"""Capital at the end of a word, and what may follow it, as in `IRMÃ MARIA` with a space that does not break."""
_NOT_SHOWN: Final = re.compile(
    "[\x80-\x9f]|(?![\u2010-\u2015\u2018-\u201f\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2116\u2122])[\u2000-\u2fff]"
)
"""Characters that no cell has: control characters, and signs other than typographic quotation marks and dashes."""


def mend(cell: str) -> str:
    """Return a cell as it was before it was converted twice; any other cell as it is."""
    for _ in range(MAX_TIMES):
        mended = next(
            (repaired for name, looks in _OLDER if looks.search(cell) and (repaired := _once(cell, name))), None
        )
        if mended is None:
            return cell
        cell = mended
    return cell


def _once(cell: str, encoding: str) -> str | None:
    if _ENDS_IN_A_CAPITAL.search(cell):
        return None
    try:
        repaired = b"".join(_byte(char, encoding) for char in cell).decode()
    except UnicodeError:
        return None
    return None if _NOT_SHOWN.search(repaired) else repaired


def _byte(char: str, encoding: str) -> bytes:
    """Return the byte that a program read as this character; Windows shows a few bytes as control characters."""
    try:
        return char.encode(encoding)
    except UnicodeEncodeError:
        if encoding == "cp1252":
            return char.encode("latin-1")
        raise


def with_mended_cells(records: Iterator[RawRow], notices: list[str]) -> Iterator[RawRow]:
    """Yield rows with such cells mended.

    Args:
        records: the rows.
        notices: gets a notice with how many cells were mended when all rows have been read.
    """
    shown: dict[str, str] = {}
    count = 0
    for line, cells in records:
        if cells is None or all(map(str.isascii, cells)):
            yield line, cells
            continue
        better = [cell if cell.isascii() or isinstance(cell, FaultyCell) else mend(cell) for cell in cells]
        changed = [(old, new) for old, new in zip(cells, better, strict=True) if old != new]
        count += len(changed)
        if len(shown) < _MAX_SHOWN_WORDS:
            shown.update(changed[:_MAX_SHOWN_WORDS])
        yield line, better
    if count:
        examples = ", ".join(f"“{old}” is “{new}”" for old, new in list(shown.items())[:_MAX_SHOWN_WORDS])
        notices.append(
            f"Letters that had been converted to UTF-8 twice were mended in {count:,} cell{'s' if count > 1 else ''}:"
            f" {examples}."
        )
