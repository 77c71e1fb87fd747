"""CSV as programs write it: UTF-8, UTF-16 or an older encoding; commas, semicolons or tabs; misplaced quotes."""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final, Self

from core.errors import InputError
from core.files.encodings import NAMES, WINDOWS, Guess, describe_mixed, guess_encoding
from core.files.odd_quotes import are_lines_quoted, quote_of, without_line_quotes
from core.files.tables import RawRow, RawTable, is_blank

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_CHUNK_SIZE: Final = 1 << 20
_HEAD_SIZE: Final = 4096
_CONTROL: Final = re.compile(r"[\x01-\x08\x0e-\x19\x1c-\x1f]")
_FORMAT_SEARCH_ROWS: Final = 50
_SAMPLE_SIZE: Final = 1 << 18
"""Bytes of non-ASCII lines that are read to guess an encoding."""
_MAX_ROW_LENGTH: Final = 100  # lines; more than that is a quote nobody closed, not an address with line breaks
_MAX_LINE_LENGTH: Final = 200_000
"""Characters of a line, or of a row over several: a whole member takes a few hundred."""
_MAX_CELLS: Final = 16_384  # of a row; what the widest spreadsheet has
_LINES_IN_QUOTES: Final = "Each line was in quotes as a whole, as if it were one cell; these quotes were taken off."
_CELLS_IN_APOSTROPHES: Final = "Cells are in apostrophes where other files have quotes; these were taken off."
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # Excel's own hint


@dataclass(frozen=True, slots=True)
class _Text:
    """Results of a first pass over the file."""

    path: Path
    encoding: str
    lines: int
    sha256: str
    guess: Guess | None = None


@contextmanager
def open_delimited(path: Path, *, encoding: str | None = None) -> Iterator[RawTable]:
    """Open a CSV file.

    Args:
        path: the file.
        encoding: Python's name of it, if a person gave one.

    Raises:
        InputError: the file is empty or not text, or not in the encoding that was named.
    """
    text = _survey(path, encoding)
    with _open_lines(text) as first_look:
        head = list(islice(first_look, _FORMAT_SEARCH_ROWS))
    in_quotes = are_lines_quoted(head, _DELIMITERS)
    head = list(without_line_quotes(head)) if in_quotes else head
    delimiter = _delimiter(head)
    quote = quote_of(head, delimiter)
    with _open_lines(text) as lines:
        kind = f"CSV ({NAMES[text.encoding]}, {_DELIMITERS.get(delimiter, repr(delimiter))})"
        notices = [text.guess.notice] if text.guess else []
        notices += [_LINES_IN_QUOTES] if in_quotes else []
        notices += [_CELLS_IN_APOSTROPHES] if quote != '"' else []
        total = max(text.lines - 1, 0)
        records = _records(without_line_quotes(lines) if in_quotes else lines, delimiter, quote)
        yield RawTable(kind, records, total, text.sha256, rectangular=True, notices=notices)


def _survey(path: Path, named: str | None) -> _Text:
    """Read the file once for its encoding, length and fingerprint, and to check that it is text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(_HEAD_SIZE)
        digest.update(head)
        while chunk := file.read(_CHUNK_SIZE):
            digest.update(chunk)
    if named is not None:
        return _in_named(path, named, digest.hexdigest())
    for likely in _likely(head):
        guess = _guess(path, likely)
        encoding = guess.encoding if guess else likely
        try:
            return _Text(path, encoding, _count_lines(path, encoding), digest.hexdigest(), guess)
        except UnicodeDecodeError:
            continue
    raise _not_text(path)


def _guess(path: Path, likely: str) -> Guess | None:
    """Guess the encoding of a file that is not UTF-8 throughout; None for an encoding that needs no guess."""
    if likely == "mixed":
        return describe_mixed(_sample(path, only_broken=True))
    return guess_encoding(_sample(path)) if likely == WINDOWS else None


def _in_named(path: Path, encoding: str, sha256: str) -> _Text:
    try:
        return _Text(path, encoding, _count_lines(path, encoding), sha256)
    except UnicodeError:
        raise InputError(
            f"{path.name} is not in {NAMES[encoding]}.",
            remedy="Name another encoding, or leave out --encoding: the import reports the one it uses.",
        ) from None


def _sample(path: Path, *, only_broken: bool = False) -> bytes:
    """Collect lines that are not plain ASCII, from the top; with `only_broken`, those that are not UTF-8 either."""
    lines, size = [], 0
    with path.open("rb") as file:
        while size < _SAMPLE_SIZE and (chunk := file.read(_CHUNK_SIZE)):
            for line in chunk.splitlines(keepends=True):
                if line.isascii() or (only_broken and _is_utf_8(line)):
                    continue
                lines.append(line)
                size += len(line)
    return b"".join(lines)[:_SAMPLE_SIZE]


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _likely(head: bytes) -> list[str]:
    """List the encodings to try.

    Without a byte-order mark, UTF-16 is recognised by the zero byte of each ASCII letter.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    high, low = head[0::2].count(0), head[1::2].count(0)
    if max(high, low) > len(head) // 4:
        return ["utf-16-be" if high > low else "utf-16-le"]
    return ["utf-8-sig", "mixed", WINDOWS]


def _count_lines(path: Path, encoding: str) -> int:
    """Count lines, checking on the way that all of it can be decoded.

    Raises:
        UnicodeDecodeError: another encoding.
        InputError: whatever it is, it is not text.
    """
    if encoding == "mixed":
        return _count_mixed(path)
    lines = 0
    with path.open(encoding=encoding, newline="") as file:
        head = True
        while chunk := file.read(_CHUNK_SIZE):
            if "\0" in chunk or (
                head and len(_CONTROL.findall(chunk, 0, _HEAD_SIZE)) > min(len(chunk), _HEAD_SIZE) / 10
            ):
                raise _not_text(path)
            head = False
            lines += chunk.count("\n") or chunk.count("\r")
    return lines


def _count_mixed(path: Path) -> int:
    """Count the lines of a UTF-8 file into which a few others were pasted.

    Raises:
        UnicodeDecodeError: most lines that are not plain ASCII are not UTF-8 either: the whole file is Windows-1252.
    """
    good = bad = lines = 0
    for line in _raw_lines(path):
        lines += 1
        if line.isascii():
            continue
        try:
            line.decode()
            good += 1
        except UnicodeDecodeError as error:
            line.decode("cp1252")
            bad += 1
            last = error
    if bad >= good:
        raise last
    return lines


def _not_text(path: Path) -> InputError:
    return InputError(
        f"{path.name} is not a text file, and not a spreadsheet Muster can read.",
        remedy="Save it as CSV (UTF-8), XLSX or ODS.",
    )


@contextmanager
def _open_lines(text: _Text) -> Iterator[Iterable[str]]:
    if text.encoding == "mixed":
        yield map(_decode_line, _raw_lines(text.path))
    else:
        with text.path.open(encoding=text.encoding, newline="") as file:
            yield _lines_of(file)


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Yield a file's lines as bytes, whichever way they end: Python splits bytes at LF alone, and text at CR too."""
    with path.open(encoding="latin-1", newline="") as file:
        for line in _lines_of(file):
            yield line.encode("latin-1")


def _lines_of(file: IO[str]) -> Iterator[str]:
    """Yield a file's lines, each read no further than a member's row can be long.

    Raises:
        InputError: one is longer.
    """
    number = 0
    while line := file.readline(_MAX_LINE_LENGTH + 1):
        number += 1
        if len(line) > _MAX_LINE_LENGTH:
            raise InputError(
                f"Line {number:,} has more than {_MAX_LINE_LENGTH:,} characters: that is no row of a table.",
                remedy="Export the file again, with a line for each row.",
            )
        yield line


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252")


def _delimiter(lines: list[str]) -> str:
    """Choose the delimiter that gives most rows the same number of columns, the headings too if they come first."""
    if lines and (hint := _SEPARATOR_LINE.fullmatch(lines[0].lstrip("\ufeff"))):
        return hint[1]

    def fit(delimiter: str) -> tuple[float, int]:
        records = _records(lines, delimiter, quote_of(lines, delimiter))
        widths = [len(cells) for _, cells in records if cells is not None]
        counted = Counter(width for width in widths if width > 1).most_common(1)
        return (counted[0][1] / len(widths), counted[0][0]) if counted else (0.0, 0)

    return max(_DELIMITERS, key=fit)


class _Lines:
    """Numbered physical lines of a file, which can be read again from the second line of the current row."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: list[str] = []
        self._row: list[str] = []
        self._length = 0
        self.number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if len(self._row) >= _MAX_ROW_LENGTH or self._length > _MAX_LINE_LENGTH:
            raise csv.Error("a quote nobody closed")
        return self._take()

    def _take(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self.number += 1
        self._length += len(line)
        self._row.append(line)
        return line

    def begin_row(self) -> int:
        """Forget the previous row; return the number of the line that the next one begins on."""
        self._row.clear()
        self._length = 0
        return self.number + 1

    def give_up_row(self, *, keep: int = 1) -> None:
        """Go back to just after the first line of the current row, or to before it with `keep=0`."""
        self.number -= len(self._row) - keep
        self._again.extend(reversed(self._row[keep:]))
        del self._row[keep:]
        self._length = sum(map(len, self._row))

    def go_to(self, number: int) -> None:
        """Go to just after a line of the current row that was read before."""
        self.give_up_row(keep=0)
        while self.number < number:
            self._take()

    def has_space_before(self, quote: str) -> bool:
        """Tell whether the current row may have quoted cells after a space, which the reader takes as ordinary ones."""
        return any(f" {quote}" in line for line in self._row)


def _records(source: Iterable[str], delimiter: str, quote: str) -> Iterator[RawRow]:
    """Split lines into records. A quote out of place costs its own line only, never the rows it would swallow."""
    lines = _Lines(source)
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
    first = True
    while True:
        line = lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            if (spaced := _read_spaced(lines, delimiter, quote)) is None:
                lines.give_up_row()
                reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
                first = False
                yield line, None
                continue
            cells = spaced
            reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
        else:
            if lines.has_space_before(quote):
                cells = _read_spaced(lines, delimiter, quote, instead_of=cells) or cells
        if is_blank(cells) or (first and _SEPARATOR_LINE.fullmatch(delimiter.join(cells))):
            continue
        first = False
        if len(cells) > _MAX_CELLS:
            raise InputError(
                f"Line {line:,} has {len(cells):,} cells, more than any spreadsheet has columns.",
                remedy="Export the file again, with a line for each row.",
            )
        yield line, cells


def _read_spaced(lines: _Lines, delimiter: str, quote: str, instead_of: list[str] | None = None) -> list[str] | None:
    """Read the current row again, taking quotes after a space for quotes: `M1, "Jones, Amy"`.

    Returns:
        Its cells; None if that gives nothing better; the position in the file is then as before.
    """
    before = lines.number
    lines.give_up_row(keep=0)
    try:
        cells = next(csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True, skipinitialspace=True))
    except (csv.Error, StopIteration):
        cells = None
    if cells is None or (instead_of and list(map(str.lstrip, instead_of)) == list(map(str.lstrip, cells))):
        lines.go_to(before)
        return None
    return cells
