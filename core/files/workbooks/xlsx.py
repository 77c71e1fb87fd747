"""XLSX workbooks: the first visible sheet that has anything in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from core.errors import InputError
from core.files.workbooks.cells import (
    MAX_TEXT_LENGTH,
    NO_RESULT,
    PLAIN,
    Cell,
    NumberFormat,
    Row,
    Sheet,
    date_text,
    number_format,
    number_text,
    yes_or_no,
)
from core.files.workbooks.container import Container, Handlers, damaged, local_name, resolve

_WORKBOOK: Final = "xl/workbook.xml"
_ROOT: Final = "_rels/.rels"
_DIGITS: Final = re.compile(r"[1-9][0-9]{0,14}")
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_RANGE: Final = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]+)(?::\$?([A-Z]{1,3})\$?([0-9]+))?")
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*?\bref="([A-Z0-9:$]+)"')
_MAX_MERGED: Final = 20_000
_MAX_COLUMNS: Final = 16_384
_TRUE: Final = {"1", "true"}
_HIDDEN: Final = {"hidden", "veryHidden"}
_EMPTY: Final = Cell("")


def is_xlsx(container: Container) -> bool:
    """Tell whether a ZIP file is an XLSX workbook."""
    return _workbook(container) in container


def open_xlsx(container: Container) -> Iterator[tuple[Sheet, Iterator[Row]]]:
    """Open the visible sheets, in order, each with its rows.

    Raises:
        InputError: the file is damaged.
    """
    workbook = _workbook(container)
    targets, by_kind, kinds = _links(container, workbook)
    book = _Book()
    sheets: list[tuple[str, str, bool]] = []
    for element in container.tree(workbook).iter():
        match local_name(element.tag):
            case "sheet":
                link = next((value for key, value in element.items() if key.endswith(":id")), "")
                is_hidden = element.get("state") in _HIDDEN
                if kinds.get(link) == "worksheet":  # not a chart, a dialogue or a macro
                    sheets.append((element.get("name", ""), targets[link], is_hidden))
            case "workbookPr":
                book.since_1904 = element.get("date1904") in _TRUE
            case "calcPr":
                book.wants_results = element.get("fullCalcOnLoad") in _TRUE
    hidden = [name for name, _, is_hidden in sheets if is_hidden]
    seen = [(name, part) for name, part, is_hidden in sheets if not is_hidden]
    if seen:
        book.texts = _texts(container, by_kind.get("sharedStrings", ""))
        book.formats = _formats(container, by_kind.get("styles", ""))
    for name, part in seen:
        others = [other for other, _ in seen if other != name]
        sheet = Sheet(name, hidden_sheets=hidden, others=others, merged=list(_merged(container, part)))
        yield sheet, _rows(container, part, sheet, book)


def column_number(letters: str) -> int:
    """Return the place of a column, from 0: A is 0, XFD 16,383."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


@dataclass(slots=True)
class _Book:
    """Data that all sheets of a workbook share.

    Attributes:
        since_1904: days are counted from 1904.
        wants_results: the program that wrote it has left the formulas to the one that opens it.
        texts: the texts that cells name by number.
        formats: the number format of each style.
    """

    since_1904: bool = False
    wants_results: bool = False
    texts: list[Cell] = field(default_factory=list)
    formats: list[NumberFormat] = field(default_factory=list)


def _workbook(container: Container) -> str:
    """Find the part that lists the sheets, whose name the program chooses; empty if there is none."""
    if _WORKBOOK in container:
        return _WORKBOOK
    for element in container.tree(_ROOT) if _ROOT in container else ():
        target = resolve("", element.get("Target", ""))
        is_book = element.get("Type", "").endswith("/officeDocument") and element.get("TargetMode") != "External"
        if is_book and target.startswith("xl/") and target.endswith(".xml"):
            return target
    return ""


def _links(container: Container, workbook: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Read the parts that the workbook refers to, by id and by kind; and the kind of each id."""
    targets, by_kind, kinds = {}, {}, {}
    folder, _, name = workbook.rpartition("/")
    for element in container.tree(f"{folder}/_rels/{name}.rels"):
        if element.get("TargetMode") != "External":
            link, kind = element.get("Id", ""), element.get("Type", "").rpartition("/")[2]
            targets[link] = by_kind[kind] = resolve(workbook, element.get("Target", ""))
            kinds[link] = kind
    return targets, by_kind, kinds


def _formats(container: Container, part: str) -> list[NumberFormat]:
    """Read the number format of each style, in their order."""
    codes: dict[str, str] = {}
    formats: list[NumberFormat] = []
    for element in container.tree(part) if part in container else ():
        name = local_name(element.tag)
        for child in element if name in {"numFmts", "cellXfs"} else ():
            number = child.get("numFmtId", "0")
            if name == "numFmts":
                codes[number] = child.get("formatCode", "")
            else:
                formats.append(number_format(codes.get(number, ""), int(number) if number.isdecimal() else 0))
    return formats


def _texts(container: Container, part: str) -> list[Cell]:  # noqa: C901  # a function for each kind of event
    """Read the texts that cells name by number, without phonetic guides above them."""
    texts: list[Cell] = []
    parts: list[str] = []
    collects, phonetic = False, 0

    def handlers(prefix: str) -> Handlers:
        item, text, above = f"{prefix}si", f"{prefix}t", f"{prefix}rPh"

        def start(name: str, _: dict[str, str]) -> None:
            nonlocal collects, phonetic
            if name == text:
                collects = not phonetic
            elif name == above:
                phonetic += 1

        def end(name: str) -> None:
            nonlocal collects, phonetic
            if name == text:
                collects = False
            elif name == item:
                texts.append(Cell(_unescape("".join(parts)[:MAX_TEXT_LENGTH])))
                parts.clear()
            elif name == above:
                phonetic -= 1

        def data(chars: str) -> None:
            if collects:
                parts.append(chars[:MAX_TEXT_LENGTH])

        return start, end, data

    for _ in container.parse(part, handlers) if part in container else ():
        pass
    return texts


def _rows(container: Container, part: str, sheet: Sheet, book: _Book) -> Iterator[Row]:
    """Yield the rows of a sheet that have something in them."""
    done: list[Row] = []
    for _ in container.parse(part, lambda prefix: _Reader(prefix, sheet, book, done).handlers):
        yield from done
        done.clear()
    yield from done


class _Reader:
    """Read the events of a sheet's XML into rows. The busiest lines of an import: a cell costs five calls.

    Args:
        prefix: of the names of its elements.
        sheet: updated with what the part says of it besides.
        book: strings and formats that all sheets share.
        done: the list that rows are added to.
    """

    __slots__ = (
        "above_", "book", "cell_", "cells", "columns", "done", "formula_", "has_formula", "hidden", "kind", "length",
        "line", "parts", "phonetic", "place", "row_", "sheet", "style", "text_", "value", "value_",
    )  # fmt: skip

    def __init__(self, prefix: str, sheet: Sheet, book: _Book, done: list[Row]) -> None:
        self.cell_, self.row_, self.value_ = f"{prefix}c", f"{prefix}row", f"{prefix}v"
        self.formula_, self.text_, self.above_ = f"{prefix}f", f"{prefix}t", f"{prefix}rPh"
        self.sheet, self.book, self.done = sheet, book, done
        self.cells: dict[int, Cell] = {}
        self.line, self.place, self.phonetic, self.length, self.columns = 0, -1, 0, 0, 0
        self.hidden = self.has_formula = False
        self.kind = self.style = ""
        self.value: str | None = None
        self.parts: list[str] | None = None

    @property
    def handlers(self) -> Handlers:
        """Return the callbacks for the beginning of elements, for their end, and for text."""
        return self._start, self._end, self._data

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == self.cell_:
            letters = attributes.get("r", "").rstrip("0123456789")
            self.place = place = _column(letters) if letters else self.place + 1
            if place >= _MAX_COLUMNS:
                raise damaged()
            self.kind, self.style = attributes.get("t", "n"), attributes.get("s", "")
            self.value, self.has_formula = None, False
        elif name == self.value_ or (name == self.text_ and not self.phonetic):
            self.parts, self.length = [], 0
        elif name == self.formula_:
            self.has_formula = True
        elif name == self.row_:
            given = attributes.get("r", "")
            self.line = int(given) if given.isdecimal() else self.line + 1
            self.hidden, self.place, self.cells = attributes.get("hidden") in _TRUE, -1, {}
        elif name == self.above_:
            self.phonetic += 1
        else:
            self._note(local_name(name), attributes)

    def _end(self, name: str) -> None:
        if self.parts is not None and name in (self.value_, self.text_):  # quicker than a set
            text = "".join(self.parts)
            self.value = text if name == self.value_ else (self.value or "") + text
            self.parts = None
        elif name == self.cell_:
            if self.value is not None or self.has_formula:
                cell = _cell(self.kind, self.value, self.style, self.book, has_formula=self.has_formula)
                if cell.text:
                    self.cells[self.place] = cell
        elif name == self.row_:
            if self.cells:
                self.done.append(Row(self.line, self.cells, self.hidden))
        elif name == self.above_:
            self.phonetic -= 1

    def _data(self, chars: str) -> None:
        if self.parts is not None and self.length < MAX_TEXT_LENGTH:
            self.parts.append(chars[: MAX_TEXT_LENGTH - self.length])
            self.length += len(chars)

    def _note(self, name: str, attributes: dict[str, str]) -> None:
        """Note what else the part says of its sheet. It lists columns in order, each once."""
        if name == "col" and attributes.get("hidden") in _TRUE:
            first, last = int(attributes.get("min", "1")), int(attributes.get("max", "1"))
            self.sheet.hidden_columns.update(range(max(first - 1, self.columns), min(last, _MAX_COLUMNS)))
            self.columns = max(last, self.columns)
        elif name == "dimension" and (match := _RANGE.fullmatch(attributes.get("ref", ""))):
            self.sheet.rows = int(match[4] or match[2])


def _cell(  # noqa: PLR0911  # a kind a line
    kind: str, value: str | None, style: str, book: _Book, *, has_formula: bool
) -> Cell:
    """Convert a cell's value to text."""
    if kind == "s":
        try:
            return book.texts[int(value or "")]
        except (ValueError, IndexError):
            raise damaged() from None
    # an empty text is a result, an empty number is not; a 0 stands for a result until a spreadsheet program works it
    # out
    is_text = kind in {"str", "inlineStr"}
    if value is None or not (value or is_text) or (has_formula and value == "0" and book.wants_results):
        return Cell(NO_RESULT, "no_result") if has_formula else _EMPTY
    if kind == "n":
        shown = book.formats[int(style)] if style.isdecimal() and int(style) < len(book.formats) else PLAIN
        if shown is PLAIN and _DIGITS.fullmatch(value):
            return Cell(value)
        return number_text(value, shown, since_1904=book.since_1904)
    if is_text:
        return Cell(_unescape(value))
    if kind == "b":
        return yes_or_no(value)
    if kind == "e":
        return Cell(value, "error_cell")
    return Cell(date_text(value) if kind == "d" else value)


def _merged(container: Container, part: str) -> Iterator[tuple[int, int, int]]:
    """Yield merged cells that are more than one row high. They stand at the end of the part, after the cells."""
    tail = b""
    count = 0
    for piece in container.pieces(part):
        data = tail + piece
        for match in _MERGED.finditer(data) if b"mergeCell" in data else ():
            if match.end() <= len(tail):
                continue
            corners = _RANGE.fullmatch(match[1].decode())
            if corners is None or corners[4] is None:
                continue
            count += 1
            if count > _MAX_MERGED:
                raise InputError("The sheet has too many merged cells.", remedy="Unmerge them, or save it as CSV.")
            if int(corners[4]) > int(corners[2]):
                yield int(corners[2]) - 1, int(corners[4]) - 1, column_number(corners[1])
        tail = data[-200:]


@lru_cache(maxsize=16_384)
def _column(letters: str) -> int:
    if not re.fullmatch("[A-Z]{1,3}", letters):
        raise damaged()
    return column_number(letters)


def _unescape(text: str) -> str:
    """Decode `_x000D_` and the like, by which XLSX writes characters that XML cannot hold."""
    return _ESCAPED.sub(_unescaped, text) if "_x" in text else text


def _unescaped(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return "" if "\ud800" <= char <= "\udfff" else char
