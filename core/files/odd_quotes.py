"""Unusual quotes in CSV files: apostrophes around cells, or quotes around whole lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_QUOTED_LINE: Final = re.compile(r'"((?:[^"]|"")*)"[ \t]*')
_MIN_LINES: Final = 2


def quote_of(lines: Sequence[str], delimiter: str) -> str:
    """Return the character that cells of a file are quoted with: usually `"`, an apostrophe in some programs' files.

    An apostrophe is a quote only where each cell that begins with it ends with it, and each row then has as many cells
    as the first. So `'t Hooft` stays a name.

    Args:
        lines: from the top of the file.
        delimiter: the character between its cells.
    """
    texts = [line.rstrip("\r\n") for line in lines if line.strip()]
    if len(texts) < _MIN_LINES or "'" not in "".join(texts) or any('"' in text for text in texts):
        return '"'
    try:
        (width, *widths), as_usual = ([_width(text, delimiter, quote) for text in texts] for quote in ("'", '"'))
    except csv.Error:  # a cell longer than any real one
        return '"'
    around = re.escape(delimiter)
    quoted = re.compile(rf"(?:^|(?<={around}))'(?:[^']|'')*'(?={around}|[ \t]*$)")
    begun = re.compile(rf"(?:^|{around})'")
    if any(cells != width for cells in widths) or any(begun.search(quoted.sub("", text)) for text in texts):
        return '"'
    is_needed = any(cells != width for cells in as_usual)
    many = sum(len(quoted.findall(text)) >= _MIN_LINES for text in texts[1:])
    return "'" if is_needed or many > len(widths) / 2 else '"'


def _width(text: str, delimiter: str, quote: str) -> int:
    """Return how many cells a line has."""
    return len(next(csv.reader([text], delimiter=delimiter, quotechar=quote)))


def are_lines_quoted(lines: Sequence[str], delimiters: Iterable[str]) -> bool:
    """Tell whether each line of a file is in quotes as a whole, as if it were a single cell: `"id,name,email"`.

    Args:
        lines: from the top of the file.
        delimiters: characters that may separate cells.
    """
    matches = [_QUOTED_LINE.fullmatch(line.rstrip("\r\n")) for line in lines if line.strip()]
    return len(matches) >= _MIN_LINES and any(
        all(line is not None and delimiter in line[1] for line in matches) for delimiter in delimiters
    )


def without_line_quotes(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines without the quotes around the whole line; a line without such quotes is yielded unchanged."""
    for line in lines:
        text = line.rstrip("\r\n")
        match = _QUOTED_LINE.fullmatch(text)
        yield line if match is None else match[1].replace('""', '"') + line[len(text) :]
