"""OpenDocument spreadsheets: the first visible sheet that has anything in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from core.files.workbooks.cells import MAX_TEXT_LENGTH, NO_RESULT, Cell, Row, Sheet, date_text, number_text, yes_or_no
from core.files.workbooks.container import Container, Handlers, local_name, protected

_CONTENT: Final = "content.xml"
_MANIFEST: Final = "META-INF/manifest.xml"
_UNSEEN: Final = {"collapse", "filter"}
_NUMBERS: Final = {"float", "percentage", "currency"}
_ERROR: Final = re.compile(r"#[^\s]+[!?]|#N/?A|Err:[0-9]+")
_MAX_COLUMNS: Final = 16_384


def is_ods(container: Container) -> bool:
    """Tell whether a ZIP file is an OpenDocument spreadsheet."""
    return _CONTENT in container


def open_ods(container: Container) -> Iterator[tuple[Sheet, Iterator[Row]]]:
    """Open the first visible sheet that has anything in it, with its rows.

    Raises:
        InputError: the file is damaged, or protected by a password.
    """
    if _MANIFEST in container:
        for element in container.tree(_MANIFEST).iter():
            if local_name(element.tag) == "encryption-data":
                raise protected()
    sheet = Sheet("")
    yield sheet, _rows(container, sheet)


def _rows(container: Container, sheet: Sheet) -> Iterator[Row]:
    document = _Document(sheet)
    began = False
    for _ in container.parse(_CONTENT, document.handlers):
        for name, row in document.done:
            if began and name != sheet.name:
                return
            began, sheet.name = True, name
            yield row
        document.done.clear()
    if not began:
        return
    for name, row in document.done:
        if name == sheet.name:
            yield row


@dataclass(slots=True)
class _Cell:
    """A cell that is being read: its attributes, and the paragraphs that are shown in it."""

    attributes: dict[str, str]
    paragraphs: list[list[str]] = field(default_factory=list)


class _Document:
    """The sheets of a document as they are parsed, and the rows that are `done`, each with its sheet's name."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self.done: list[tuple[str, Row]] = []
        self._unseen_styles: set[str] = set()
        self._style = ""
        self._table, self._is_unseen, self._has_rows = "", False, False
        self._line = self._place = self._columns = 0
        self._row: dict[str, str] = {}
        self._cells: dict[int, Cell] = {}
        self._cell: _Cell | None = None
        self._aside = 0  # inside a comment or a drawing: its text is not the cell's
        self._length = 0

    def handlers(self, _: str) -> Handlers:
        """Return the callbacks. Names are compared without their prefixes, which programs are free to choose."""
        return self._start, self._end, self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: C901, PLR0912  # a line for each element
        match local_name(name):
            case "table-cell" | "covered-table-cell" if not self._aside:
                self._cell = _Cell({local_name(key): value for key, value in attributes.items()})
                if "value-type" in self._cell.attributes and "calcext:value-type" in attributes:
                    self._cell.attributes["calculated"] = attributes["calcext:value-type"]
                self._length = 0
            case "annotation" | "frame" | "custom-shape" | "shapes":
                self._aside += 1
            case "p" if self._cell is not None and not self._aside:
                self._cell.paragraphs.append([])
            case "s" if self._cell is not None:
                self._text(" " * min(_count(attributes, "c"), MAX_TEXT_LENGTH))
            case "tab" | "line-break" if self._cell is not None:
                self._text(" ")
            case "table-row":
                self._row = {local_name(key): value for key, value in attributes.items()}
                self._cells, self._place = {}, 0
            case "table-column":
                self._take_column(attributes)
            case "table" if not self._aside:
                given = {local_name(key): value for key, value in attributes.items()}
                self._table, self._line, self._columns = given.get("name", ""), 0, 0
                self._is_unseen = given.get("style-name", "") in self._unseen_styles
                if self._is_unseen:
                    self._sheet.hidden_sheets.append(self._table)
            case "style":
                self._style = next((value for key, value in attributes.items() if local_name(key) == "name"), "")
            case "table-properties":
                if any(local_name(key) == "display" and value == "false" for key, value in attributes.items()):
                    self._unseen_styles.add(self._style)

    def _end(self, name: str) -> None:
        match local_name(name):
            case "table-cell" | "covered-table-cell" if self._cell is not None and not self._aside:
                self._take_cell(self._cell)
                self._cell = None
            case "annotation" | "frame" | "custom-shape" | "shapes":
                self._aside -= 1
            case "table-row":
                self._take_row()

    def _text(self, data: str) -> None:
        if self._cell is not None and self._cell.paragraphs and not self._aside and self._length < MAX_TEXT_LENGTH:
            self._cell.paragraphs[-1].append(data[: MAX_TEXT_LENGTH - self._length])
            self._length += len(data)

    def _take_column(self, attributes: dict[str, str]) -> None:
        times = _count(attributes, "number-columns-repeated")
        hidden = any(local_name(key) == "visibility" and value in _UNSEEN for key, value in attributes.items())
        if hidden and not self._is_unseen and not self._has_rows:
            last = min(self._columns + times, _MAX_COLUMNS)
            self._sheet.hidden_columns.update(range(self._columns, last))
        self._columns += times

    def _take_cell(self, cell: _Cell) -> None:
        times = _count(cell.attributes, "number-columns-repeated")
        high = _count(cell.attributes, "number-rows-spanned")
        if high > 1 and not self._is_unseen:
            self._sheet.merged.append((self._line, self._line + high - 1, self._place))
        value = _value_of(cell)
        if value.text:
            for place in range(self._place, min(self._place + times, _MAX_COLUMNS)):
                self._cells[place] = value
        self._place += times

    def _take_row(self) -> None:
        times = _count(self._row, "number-rows-repeated")
        if self._cells and not self._is_unseen:
            self._has_rows = True
            hidden = self._row.get("visibility") in _UNSEEN
            # a row that is repeated more often than a sheet can have rows ends at the last line
            self.done += [
                (self._table, Row(line, self._cells, hidden))
                for line in {*range(self._line + 1, self._line + min(times, _MAX_COLUMNS) + 1), self._line + times}
            ]
        self._line += times


def _count(attributes: dict[str, str], name: str) -> int:
    value = next((value for key, value in attributes.items() if local_name(key) == name), "1")
    return max(int(value), 1) if value.isdecimal() and len(value) < 10 else 1


def _value_of(cell: _Cell) -> Cell:
    """Convert a cell's value to text, with the zeros that are shown before a number."""
    shown = "\n".join("".join(parts) for parts in cell.paragraphs)
    given = cell.attributes
    kind, has_formula = given.get("value-type", ""), "formula" in given
    if given.get("calculated") == "error" or (has_formula and _ERROR.fullmatch(shown)):
        return Cell(shown or "#VALUE!", "error_cell")
    if has_formula and (not kind or (kind in _NUMBERS and not given.get("value"))):
        return Cell(NO_RESULT, "no_result")
    if kind in _NUMBERS and given.get("value"):
        return _number(given["value"], shown)
    if kind == "date":
        return Cell(date_text(given.get("date-value", shown)))
    if kind == "boolean":
        return yes_or_no(given.get("boolean-value", ""))
    return Cell(given.get("string-value", "")[:MAX_TEXT_LENGTH] or shown)


def _number(value: str, shown: str) -> Cell:
    cell = number_text(value)
    digits = re.sub(r"[^0-9]", "", shown)
    is_padded = re.search(r"(?<![0-9.,])0[0-9]", shown) and not re.search(r"[.,:%]", shown)
    return Cell(shown) if is_padded and not cell.fault and digits.lstrip("0") == cell.text.lstrip("0") else cell
