"""One row of a member file: its cells become a person, and what cannot be used becomes a problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.people.columns import UNIT_KINDS, Column, Columns
from campaigns.people.report import Problem
from campaigns.people.tables import Table, clean
from messaging.addresses import normalise_email, normalise_phone
from messaging.errors import AddressError

StagedPerson = tuple[
    int, str, str | None, str | None, str, str, str, str | None, str | None, dict[str, str],
    list[str] | None, list[str] | None,
]  # fmt: skip
"""A row of `staged_person`: line, external id, first name, last name, region, branch, workplace, language, time zone,
attributes, phones, emails. None where the file has no such column."""

STAGED_COLUMNS: Final = (
    "line", "external_id", "first_name", "last_name", *UNIT_KINDS, "language", "time_zone", "attributes",
    "phones", "emails",
)  # fmt: skip

LONGEST_CELL: Final = 1000
"""Characters; a longer name or attribute is a paste that went wrong."""
DEFAULT_LANGUAGE: Final = "en"

_WHOLE_FLOAT: Final = re.compile(r"([0-9]+)\.0+")
_SCIENTIFIC: Final = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+[0-9]+")  # without the plus it may be an id
_TITLES: Final = {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "sir", "dame"}
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_LANGUAGES: Final = {
    "english": "en", "welsh": "cy", "cymraeg": "cy", "gaelic": "gd", "irish": "ga", "gaeilge": "ga", "polish": "pl",
    "french": "fr", "german": "de", "spanish": "es", "portuguese": "pt", "italian": "it", "romanian": "ro",
    "punjabi": "pa", "urdu": "ur", "bengali": "bn", "gujarati": "gu", "arabic": "ar", "chinese": "zh",
}  # fmt: skip


_Check = Callable[[str], tuple[str | None, str, str]]
"""Gives the value, or None with a code and a message."""


class _RejectedRow(Exception):  # noqa: N818
    """Nothing in this row can be used."""

    def __init__(self, code: str, message: str, column: str = "") -> None:
        super().__init__(code)
        self.code, self.message, self.column = code, message, column


class RowReader:
    """Reads the rows of one table.

    Args:
        table: the open file.
        columns: what its columns mean.
        phone_region: country whose way of writing phone numbers is assumed where there is no `+`.
        time_zone: of people whose cell is empty or wrong.
        needs_number: whether a row without a membership number is left out.

    Attributes:
        rows: how many were read so far.
        rejected: how many of them had to be left out whole.
        problems: what could not be used so far.
    """

    def __init__(
        self, table: Table, columns: Columns, *, phone_region: str, time_zone: str, needs_number: bool = True
    ) -> None:
        self._table = table
        self._columns = columns
        self._phone_region = phone_region
        self._time_zone = time_zone
        self._id = columns.one("external_id")
        self._needs_number = needs_number
        self._first, self._last, self._full = map(columns.one, ("first_name", "last_name", "full_name"))
        self._units = tuple(map(columns.one, UNIT_KINDS))
        self._language, self._zone = map(columns.one, ("language", "time_zone"))
        self._phones, self._emails = columns.fields.get("phone"), columns.fields.get("email")
        self.rows = 0
        self.rejected = 0
        self.problems: list[Problem] = []

    def __iter__(self) -> Iterator[StagedPerson]:
        """The people in the file's order; those that cannot be used are only in `problems`."""
        for line, cells in self._table.records:
            self.rows += 1
            try:
                yield self._person(line, self._whole_row(cells))
            except _RejectedRow as rejected:
                self.rejected += 1
                self.problems.append(Problem(line, rejected.column, rejected.code, rejected.message))

    def _whole_row(self, cells: list[str] | None) -> list[str]:
        """The cells, as many as the header has; a row of another width has slipped, and its cells mean nothing."""
        if cells is None:
            raise _RejectedRow("broken_row", "A quote is out of place or never closed.")
        width, full_width = self._columns.width, self._columns.full_width
        if len(cells) < width:
            if self._table.rectangular:
                raise _RejectedRow("too_few_cells", f"The row has {len(cells)} cells, the header {full_width}.")
            return [*cells, *[""] * (width - len(cells))]
        if len(cells) > full_width and any(map(str.strip, cells[full_width:])):
            raise _RejectedRow(
                "too_many_cells",
                f"The row has {len(cells)} cells, the header {full_width}: does a text lack its quotes?",
            )
        return cells

    def _person(self, line: int, cells: Sequence[str]) -> StagedPerson:
        external_id = self._external_id(cells)
        first_name, last_name = self._names(line, cells)
        region, branch, workplace = (self._text(line, cells, column) or "" for column in self._units)
        return (
            line, external_id, first_name, last_name, region, branch, workplace,
            self._checked(line, cells, self._language, language_code, DEFAULT_LANGUAGE),
            self._checked(line, cells, self._zone, _time_zone, self._time_zone),
            self._attributes(line, cells), self._phone_numbers(line, cells), self._mailboxes(line, cells),
        )  # fmt: skip

    def _external_id(self, cells: Sequence[str]) -> str:
        text, label = ("", "") if self._id is None else (clean(cells[self._id.index]), self._id.label)
        if not text and not self._needs_number:
            return ""
        if not text:
            raise _RejectedRow("no_external_id", "There is no membership number.", label)
        if len(text) > LONGEST_CELL:
            raise _RejectedRow("too_long", "That is too long for a membership number.", label)
        if _SCIENTIFIC.fullmatch(text):
            return _whole_number(text, label)
        found = _WHOLE_FLOAT.fullmatch(text)
        return found[1] if found else text

    def _text(self, line: int, cells: Sequence[str], column: Column | None) -> str | None:
        """A cell's text; empty and a problem where it is too long, None where there is no such column."""
        if column is None:
            return None
        text = clean(cells[column.index])
        if len(text) > LONGEST_CELL:
            self.problems.append(Problem(line, column.label, "too_long", "The cell is too long; it was left out."))
            return ""
        return text

    def _names(self, line: int, cells: Sequence[str]) -> tuple[str | None, str | None]:
        first, last = self._text(line, cells, self._first), self._text(line, cells, self._last)
        if self._full is not None and not first and not last:
            return split_name(self._text(line, cells, self._full) or "")
        return first, last

    def _checked(
        self, line: int, cells: Sequence[str], column: Column | None, check: _Check, default: str
    ) -> str | None:
        """A cell that must be one of a kind; the default and, if it was not empty, a problem where it is not."""
        text = self._text(line, cells, column)
        if not text or column is None:
            return default if column else None
        value, code, message = check(text)
        if value is None:
            self.problems.append(Problem(line, column.label, code, message))
        return value or default

    def _attributes(self, line: int, cells: Sequence[str]) -> dict[str, str]:
        values = ((column.name, self._text(line, cells, column)) for column in self._columns.attributes)
        return {name: value for name, value in values if value}

    def _phone_numbers(self, line: int, cells: Sequence[str]) -> list[str] | None:
        if self._phones is None:
            return None
        numbers: dict[str, None] = {}
        for column in self._phones:
            cell = cells[column.index]
            if cell and not cell.isspace():
                try:
                    numbers[normalise_phone(cell, region=self._phone_region)] = None
                except AddressError as error:
                    self._unusable(line, column, error)
        return list(numbers)

    def _mailboxes(self, line: int, cells: Sequence[str]) -> list[str] | None:
        if self._emails is None:
            return None
        mailboxes: dict[str, None] = {}
        for column in self._emails:
            cell = cells[column.index]
            if cell and not cell.isspace():
                try:
                    mailboxes[normalise_email(clean(cell))] = None
                except AddressError as error:
                    self._unusable(line, column, error)
        return list(mailboxes)

    def _unusable(self, line: int, column: Column, error: AddressError) -> None:
        if error.code != "empty":  # a cell of invisible marks is as good as empty
            self.problems.append(Problem(line, column.label, error.code, error.message))


def split_name(full: str) -> tuple[str, str]:
    """First and last name of `Amy Jones`, `Jones, Amy` or `Dr Amy van Dyk` (Amy, van Dyk)."""
    if "," in full:
        last, _, first = full.partition(",")
        return first.strip(), last.strip()
    words = full.split()
    while len(words) > 1 and words[0].rstrip(".").lower() in _TITLES:
        words.pop(0)
    return (words[0], " ".join(words[1:])) if words else ("", "")


def language_code(text: str) -> tuple[str | None, str, str]:
    """`cy` of Welsh, Cymraeg, cy or CY; None, a code and a message where it is no language."""
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
    # Python also takes `localtime`, `Factory` or `right/…`, of which PostgreSQL knows nothing
    if key == "UTC" or key.partition("/")[0] in _ZONES:
        return key, "", ""
    return None, "unknown_time_zone", "That is not a time zone such as Europe/London."


def _whole_number(scientific: str, label: str) -> str:
    """`1.2345E+4` as 12345.

    Raises:
        _RejectedRow: the spreadsheet that wrote it dropped digits, and two members may now look the same.
    """
    mantissa, _, exponent = scientific.lower().partition("e")
    if len(mantissa.replace(".", "")) != int(exponent) + 1:
        message = "A spreadsheet has rounded this number; format the column as text and export it again."
        raise _RejectedRow("lost_digits", message, label)
    return str(int(Decimal(mantissa).scaleb(int(exponent))))
