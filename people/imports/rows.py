"""Rows of a member file: cells become a person, and cells that cannot be used become problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from core.addresses import normalise_email, normalise_phone
from core.errors import AddressError
from core.files.row_problems import Problem, ProblemLog
from core.files.tables import FAULTS, Table, clean, fault_of
from core.files.workbooks.cells import column_letters
from messaging.content.languages import NAMES
from people.imports.columns import Column, Columns
from people.imports.placeholders import PlaceholderCount, is_placeholder, placeholders_in_name
from people.imports.unreadable_dates import DateColumns
from people.imports.utc_midnights import DayColumns
from people.units import UNIT_KINDS

StagedPerson = tuple[
    int, str, str | None, str | None, str, str, str, str | None, str | None, list[str], dict[str, str],
    list[str] | None, list[str] | None,
]  # fmt: skip
"""Row of `staged_person`: line, external id, first name, last name, region, branch, workplace, language, time zone,
the fields to keep as they are, attributes, phones, emails. None stands for no such column, or a cell without a usable
value."""

STAGED_COLUMNS: Final = (
    "line", "external_id", "first_name", "last_name", *UNIT_KINDS, "language", "time_zone", "kept", "attributes",
    "phones", "emails",
)  # fmt: skip

MAX_CELL_LENGTH: Final = 1000
"""Characters; a longer name or attribute is a paste that went wrong."""
DEFAULT_LANGUAGE: Final = "en"

_TOTAL: Final = re.compile(r"(?:(?:grand|sub|running|overall)[ -]?)?totals?\b(?!-?[0-9]).*|cyfanswm\b.*", re.IGNORECASE)
_NOTE: Final = re.compile(r"\b(?:count|pages?|records?|rows|members|end|printed|generated|exported)\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_MAY_BE_FAULTY: Final = re.compile(r"#|Err:|\(formula|E\+")
"""Pattern in every cell without a usable value; searched once for each row, because nearly all rows have no such
cell."""
_SEVERAL: Final = ":::"
"""Separator that Google's exports write between several addresses in one cell, in order of preference."""
_MAX_DIGITS_OF_A_COUNT: Final = 6
_MAX_SHOWN_LENGTH: Final = 200
"""Characters of a cell that a problem shows."""
_WHOLE_FLOAT: Final = re.compile(r"([0-9]+)\.0+")
_SCIENTIFIC: Final = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+[0-9]+")  # without the plus, the number may be an id
_TITLES: Final = {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "sir", "dame"}
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_LANGUAGES: Final = {name.lower(): code for code, name in NAMES.items()} | {
    "cymraeg": "cy", "gaelic": "gd", "gaeilge": "ga", "tagalog": "tl", "farsi": "fa",
}  # fmt: skip


_Check = Callable[[str], tuple[str | None, str, str]]
"""Check of a cell: returns the value, or None with a code and a message."""


class _RejectedRow(Exception):  # noqa: N818
    """Error: nothing in a row can be used."""

    def __init__(self, code: str, message: str, column: Column | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.column = code, message, column


class RowReader:
    """Read the rows of one table.

    Args:
        table: the open file.
        columns: the meaning of its columns.
        phone_region: country whose way of writing phone numbers is assumed if there is no `+`.
        time_zone: of people whose cell is empty or wrong.
        needs_number: whether a row without a membership number is left out.
        dates: attributes that are known to be dates.

    Attributes:
        rows: how many were read so far.
        problems: rows and cells that could not be used so far.
        of_row: problems of the cells of the row that was read last.
        placeholders: words for nothing that were read as empty cells so far.
        days: columns that hold nothing but midnights in UTC so far.
    """

    def __init__(
        self, table: Table, columns: Columns, *, phone_region: str, time_zone: str, needs_number: bool = True,
        dates: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._table = table
        self._columns = columns
        self._phone_region = phone_region
        self._time_zone = time_zone
        self._id = columns.column("external_id")
        self._needs_number = needs_number
        self._first, self._last, self._full = map(columns.column, ("first_name", "last_name", "full_name"))
        self._units = tuple(map(columns.column, UNIT_KINDS))
        self._language, self._zone = map(columns.column, ("language", "time_zone"))
        self._phones, self._emails = columns.fields.get("phone"), columns.fields.get("email")
        self._headings = table.header
        self._may_be_faulty = False  # whether any cell of the current row is worth a closer look
        self.rows = 0
        self.problems = ProblemLog()
        self.of_row: list[Problem] = []
        self.placeholders = PlaceholderCount()
        self.days = DayColumns(columns.attributes)
        self._dates = DateColumns(columns.attributes, dates)

    def __iter__(self) -> Iterator[StagedPerson]:
        """Yield the people in the file's order; those that cannot be used are only in `problems`."""
        for line, cells in self._table.records:
            self.rows += 1
            self.of_row = []
            try:
                whole = self._whole_row(cells)
                self._may_be_faulty = _MAY_BE_FAULTY.search("\n".join(whole)) is not None
                self._refuse_no_member(whole)
                person = self._person(line, whole)
                self._report_strays(line, whole)
                yield person
            except _RejectedRow as rejected:
                self.problems.reject(self._problem(line, cells or (), rejected.column, rejected.code, rejected.message))
        self._dates.note(self.problems)

    def _report(self, line: int, cells: Sequence[str], column: Column | None, code: str, message: str) -> None:
        """Record a problem of a cell."""
        problem = self._problem(line, cells, column, code, message)
        self.of_row.append(problem)
        self.problems.note_cell(problem)

    def _problem(self, line: int, cells: Sequence[str], column: Column | None, code: str, message: str) -> Problem:
        """Build a problem, with what the cell holds and its row's membership number."""
        value = cells[column.index] if column is not None and column.index < len(cells) else ""
        number = clean(cells[self._id.index]) if self._id is not None and self._id.index < len(cells) else ""
        label = column.label if column is not None else ""
        return Problem(line, label, code, message, value[:_MAX_SHOWN_LENGTH], number[:_MAX_SHOWN_LENGTH])

    def _whole_row(self, cells: list[str] | None) -> list[str]:
        """Return the cells, as many as the header has at least.

        Raises:
            _RejectedRow: a row of a text file with too few or too many cells has shifted, and its cells mean nothing.
                In a sheet, cells do not shift.
        """
        if cells is None:
            raise _RejectedRow("broken_row", "A quote is out of place or never closed.")
        width, full_width = self._columns.width, self._columns.full_width
        if len(cells) < width:
            if self._table.rectangular:
                raise _RejectedRow("too_few_cells", f"The row has {len(cells)} cells, the header {full_width}.")
            return [*cells, *[""] * (width - len(cells))]
        if self._table.rectangular and len(cells) > full_width and any(map(str.strip, cells[full_width:])):
            raise _RejectedRow(
                "too_many_cells",
                f"The row has {len(cells)} cells, the header {full_width}: does a text lack its quotes?",
            )
        return cells

    def _report_strays(self, line: int, cells: Sequence[str]) -> None:
        """Report a sheet's cells that stand to the right of all headings; they cost their row nothing else."""
        width = self._columns.full_width
        for place in range(width, len(cells)):
            if clean(cells[place]):
                message = f"The cell {column_letters(place)}{line} stands under no heading; it was left out."
                self._report(line, cells, Column(place, "", ""), "no_heading", message)

    def _refuse_no_member(self, cells: Sequence[str]) -> None:
        """Reject totals and notes below the members, and headings that are printed again on each page.

        Raises:
            _RejectedRow: the row is no member's.
        """
        if self._id is not None and cells[self._id.index] == self._headings[self._id.index]:
            raise _RejectedRow("headings_again", "The headings stand here once more.", self._id)
        if self._has_address(cells):
            return
        naming = (self._id, self._first, self._last, self._full)
        is_total = any(_TOTAL.fullmatch(clean(cells[column.index])) for column in naming if column is not None)
        if not is_total and len(cells) > 1:
            filled = [cell for cell in cells if cell and not cell.isspace()]
            is_total = len(filled) == 1 and (len(_WORD.findall(filled[0])) > 1 or bool(_NOTE.search(filled[0])))
        if is_total:
            raise _RejectedRow("not_a_member", "That looks like a total or a note, not a member.", self._id)

    def _has_address(self, cells: Sequence[str]) -> bool:
        """Tell whether something in a row may be a number or a mailbox: then the row is about a person."""
        for column in self._emails or ():
            if "@" in cells[column.index]:
                return True
        for column in self._phones or ():
            cell = cells[column.index]
            if len(cell) > _MAX_DIGITS_OF_A_COUNT and sum(map(str.isdigit, cell)) > _MAX_DIGITS_OF_A_COUNT:
                return True
        return False

    def _person(self, line: int, cells: Sequence[str]) -> StagedPerson:
        external_id = self._external_id(cells)
        kept: list[str] = []
        first_name, last_name = self._names(line, cells)
        region, branch, workplace = self._unit_names(line, cells, kept)
        return (
            line, external_id, first_name, last_name, region, branch, workplace,
            self._checked(line, cells, self._language, language_code, DEFAULT_LANGUAGE),
            self._checked(line, cells, self._zone, _time_zone, self._time_zone),
            kept, self._attributes(line, cells, kept),
            self._addresses(line, cells, self._phones, "phone", kept),
            self._addresses(line, cells, self._emails, "email", kept),
        )  # fmt: skip

    def _external_id(self, cells: Sequence[str]) -> str:
        column = self._id
        cell = cells[column.index] if column is not None else ""
        if code := fault_of(cell):
            raise _RejectedRow(code, FAULTS[code], column)
        text = clean(cell)
        if not self._needs_number and (not text or is_placeholder(text)):
            return ""
        if is_placeholder(text):
            raise _RejectedRow("no_external_id", f"“{text}” is no number or reference of a person.", column)
        if not text:
            raise _RejectedRow("no_external_id", "There is no number or reference of a person.", column)
        if len(text) > MAX_CELL_LENGTH:
            raise _RejectedRow("too_long", "That is too long for a number or reference.", column)
        if _SCIENTIFIC.fullmatch(text):
            return _whole_number(text, column)
        match = _WHOLE_FLOAT.fullmatch(text)
        return match[1] if match else text

    def _text(self, line: int, cells: Sequence[str], column: Column | None) -> str | None:
        """Return a cell's text, empty if it is a placeholder; None in the same cases as `_words`."""
        text = self._words(line, cells, column)
        return self._without_placeholder(text, column) if text and is_placeholder(text) else text

    def _without_placeholder(self, text: str, column: Column | None) -> str:
        self.placeholders.add(column.label if column is not None else "", text)
        return ""

    def _words(self, line: int, cells: Sequence[str], column: Column | None) -> str | None:
        """Return a cell's text; None if there is no such column, or the cell is faulty, which becomes a problem."""
        if column is None:
            return None
        cell = cells[column.index]
        if self._may_be_faulty and (code := fault_of(cell)):
            self._report(line, cells, column, code, FAULTS[code])
            return None
        text = clean(cell)
        if len(text) > MAX_CELL_LENGTH:
            self._report(line, cells, column, "too_long", "The cell is too long; it was left out.")
            return ""
        return text

    def _names(self, line: int, cells: Sequence[str]) -> tuple[str | None, str | None]:
        first, last = self._words(line, cells, self._first), self._words(line, cells, self._last)
        first, last = self._real_names(first, last, self._first, self._last)
        if self._full is not None and not first and not last:
            full = self._text(line, cells, self._full)
            return (None, None) if full is None else self._real_names(*split_name(full), self._full, self._full)
        return first, last

    def _real_names(
        self, first: str | None, last: str | None, of_first: Column | None, of_last: Column | None
    ) -> tuple[str | None, str | None]:
        no_first, no_last = placeholders_in_name(first or "", last or "")
        if no_first and first:
            first = self._without_placeholder(first, of_first)
        if no_last and last:
            last = self._without_placeholder(last, of_last)
        return first, last

    def _unit_names(self, line: int, cells: Sequence[str], kept: list[str]) -> tuple[str, str, str]:
        """Return the units' names down to the first that cannot be read; known people then stay where they are."""
        names = ["", "", ""]
        for level, column in enumerate(self._units):
            name = self._text(line, cells, column)
            if name is None and column is not None:
                kept.append("unit")
                break
            names[level] = name or ""
        return names[0], names[1], names[2]

    def _checked(
        self, line: int, cells: Sequence[str], column: Column | None, check: _Check, default: str
    ) -> str | None:
        """Read a cell that must be of a kind; if it is not, return the default, and report a cell that is not empty."""
        text = self._text(line, cells, column)
        if not text or column is None:
            return default if text is not None else None
        value, code, message = check(text)
        if value is None:
            self._report(line, cells, column, code, message)
        return value or default

    def _attributes(self, line: int, cells: Sequence[str], kept: list[str]) -> dict[str, str]:
        values: dict[str, str] = {}
        number = clean(cells[self._id.index])[:_MAX_SHOWN_LENGTH] if self._id is not None else ""
        for column in self._columns.attributes:
            value = self._text(line, cells, column)
            if value is None:
                kept.append(f"attributes.{column.name}")
            elif value:
                values[column.name] = value
                self.days.look(column.name, value)
                self._dates.look(column.name, value, line, number)
        return values

    def _addresses(
        self, line: int, cells: Sequence[str], columns: Sequence[Column] | None, kind: str, kept: list[str]
    ) -> list[str] | None:
        """Return the addresses of one kind in order of preference; None if the file has no column for them."""
        if columns is None:
            return None
        addresses: dict[str, None] = {}
        for column in columns:
            cell = cells[column.index]
            if not cell or cell.isspace():
                continue
            if self._may_be_faulty and (code := fault_of(cell)):
                self._report(line, cells, column, code, FAULTS[code])
                kept.append(kind)
                continue
            if is_placeholder(text := clean(cell)):
                self._without_placeholder(text, column)
                continue
            for written in _each(cell):
                try:
                    addresses[self._normalise(kind, written)] = None
                except AddressError as error:
                    if error.code != "empty":  # a cell of invisible marks is as good as empty
                        self._report(line, cells, column, error.code, error.message)
                    if error.code == "lost_digits":  # the spreadsheet is at fault, as with an error in the cell
                        kept.append(kind)
        return list(addresses)

    def _normalise(self, kind: str, cell: str) -> str:
        if kind == "email":
            return normalise_email(clean(cell))
        # line breaks separate several numbers, so the cell is not cleaned, except for a spreadsheet's guard around it
        return normalise_phone(clean(cell) if cell[0] in "=' " else cell, region=self._phone_region)


def _each(cell: str) -> Sequence[str]:
    """Split a cell into its addresses, if it is certain how they are separated."""
    if _SEVERAL not in cell:
        return (cell,)
    return [part for address in cell.split(_SEVERAL) if (part := address.strip())]


def split_name(full: str) -> tuple[str, str]:
    """Split a full name into first and last: `Amy Jones`, `Jones, Amy` or `Dr Amy van Dyk` (Amy, van Dyk)."""
    if "," in full:
        last, _, first = full.partition(",")
        return first.strip(), last.strip()
    words = full.split()
    while len(words) > 1 and words[0].rstrip(".").lower() in _TITLES:
        words.pop(0)
    return (words[0], " ".join(words[1:])) if words else ("", "")


def language_code(text: str) -> tuple[str | None, str, str]:
    """Read a language: `cy` for Welsh, Cymraeg, cy or CY; None, a code and a message if it is no language."""
    plain = text.lower().replace("_", "-")
    code = _LANGUAGES.get(plain, plain)
    if _LANGUAGE.fullmatch(code):
        return code, "", ""
    return None, "unknown_language", "That is not a language such as en, cy or Welsh."


_ZONES: Final = frozenset(
    {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific", "Etc"}
)


@lru_cache(maxsize=1024)
def _time_zone(text: str) -> tuple[str | None, str, str]:
    try:
        key = ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        key = ""
    # Python also takes `localtime`, `Factory` or `right/…`, which PostgreSQL does not know
    if key == "UTC" or key.partition("/")[0] in _ZONES:
        return key, "", ""
    return None, "unknown_time_zone", "That is not a time zone such as Europe/London."


def _whole_number(scientific: str, column: Column | None) -> str:
    """Write a number in scientific notation as a whole one: `1.2345E+4` as 12345.

    Raises:
        _RejectedRow: the spreadsheet that wrote it dropped digits, and two members may now look the same.
    """
    mantissa, _, exponent = scientific.lower().partition("e")
    if len(mantissa.replace(".", "")) != int(exponent) + 1:
        raise _RejectedRow("lost_digits", FAULTS["lost_digits"], column)
    return str(int(Decimal(mantissa).scaleb(int(exponent))))
