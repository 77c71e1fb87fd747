"""Cells of a workbook as the text that people see, or the reason why a cell cannot be used."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, NamedTuple

MAX_TEXT_LENGTH: Final = 40_000
"""Characters of a cell that are kept; Excel holds 32,767."""
NO_RESULT: Final = "(formula without a result)"

_MAX_DIGITS: Final = 15
"""Digits that a spreadsheet's number holds; further digits were made up."""
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  # sheets know no zones
_EPOCH_1904: Final = datetime(1904, 1, 1)  # noqa: DTZ001
_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
"""A number as files have it. Python reads more: `1_000`, `Infinity`, the digits of every script."""
_LAST_DAY: Final = 2_958_466  # 1 January 10000
_QUOTED: Final = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[[^\]]*\]')
_ELAPSED: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_PARTS_OF_SECONDS: Final = re.compile(r"(s)[.,]0+", re.IGNORECASE)
_HALF_OF_DAY: Final = re.compile(r"am/pm|a/p|(?<=d)t(?=h)", re.IGNORECASE)  # and the T of ISO 8601
_WORDS: Final = re.compile(r"[^\W\d_]+")
_MOMENT_WORD: Final = re.compile(
    r"(?:d{1,4}|m{1,5}|y{1,4}|h{1,2}|s{1,2})+|a{3,4}|bb(?:bb)?|ee?|g{1,3}e{0,2}", re.IGNORECASE
)
_ONE_LETTER: Final = re.compile(r"(.)\1{0,3}")
_LETTERS_AGAIN: Final = re.compile(r"(?:(.)\1{1,3}(?!\1))+")
"""Parts of a date in any language: `jjjj`, `tt`, `jjjjmmtt`; no word for a plain number looks like that."""
_BUILT_IN_DATES: Final = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_BUILT_IN_ELAPSED: Final = 46


class Cell(NamedTuple):
    """Content of a cell.

    Attributes:
        text: as people see it.
        fault: `error_cell`, `no_result` or `lost_digits` if it cannot be used; else empty.
    """

    text: str
    fault: str = ""


@dataclass(slots=True)
class Sheet:
    """Sheet that is being read; more is known of it the further it is read.

    Attributes:
        name: as its tab has it.
        rows: about how many it has, if the file says so.
        hidden_sheets: names of sheets that were passed over.
        others: names of the other sheets that people see, as far as they are known before they are read.
        hidden_rows: lines that are hidden and have something in them, the first few.
        hidden_row_count: how many there are.
        hidden_columns: from 0.
        merged: ranges of merged cells as (first row, last row, column), from 0; more than one row high.
    """

    name: str
    rows: int = 0
    hidden_sheets: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_row_count: int = 0
    hidden_columns: set[int] = field(default_factory=set)
    merged: list[tuple[int, int, int]] = field(default_factory=list)


class Row(NamedTuple):
    """A row with something in it.

    Attributes:
        line: its number in the sheet, from 1.
        cells: by column, from 0; empty cells are left out.
        hidden: whether people do not see it.
    """

    line: int
    cells: dict[int, Cell]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """Number format: how a number is shown.

    Attributes:
        kind: a plain number, a moment, or time that has passed.
        zeros: the pattern of a whole number that is shown with leading zeros: `000000`, `M00000`; else empty.
    """

    kind: Literal["number", "moment", "elapsed"] = "number"
    zeros: str = ""


PLAIN: Final = NumberFormat()


@lru_cache(maxsize=4096)
def number_format(code: str, number: int = 0) -> NumberFormat:
    """Read a format code.

    Args:
        code: `dd/mm/yyyy`, `000000` …; empty for a built-in one.
        number: the built-in format, if there is no code.
    """
    if not code:
        if number == _BUILT_IN_ELAPSED:
            return NumberFormat("elapsed")
        return NumberFormat("moment") if number in _BUILT_IN_DATES else PLAIN
    section = code.partition(";")[0]
    if _ELAPSED.search(section):
        return NumberFormat("elapsed")
    bare = _QUOTED.sub("", section)
    if _is_moment(_QUOTED.sub(" ", section)):
        return NumberFormat("moment")
    pattern = _QUOTED.sub(lambda match: match[1] or match[2] or "", section)
    is_whole = re.fullmatch(r"[0#? +()/-]*", bare) and bare.count("0") > 1 and "#,##" not in bare
    literals_are_clear = not set(pattern) - set(bare) & set("0#?")
    return NumberFormat(zeros=pattern) if is_whole and literals_are_clear else PLAIN


def _is_moment(bare: str) -> bool:
    """Tell whether a format code without its literals shows a date or time, not just a word with such letters in it.

    Programs other than Excel write the word for a plain number in their own language, as they do the letters of a date:
    `Standaard` is a number, `dd-mm-jjjj` is a date. A code that has places for digits is a number too, whatever stands
    beside them.
    """
    code = _HALF_OF_DAY.sub(" ", _PARTS_OF_SECONDS.sub(r"\1", bare)).lower()
    if re.search(r"[0#?]", code):
        return False
    # 年, 月 and 日 stand beside the letters without quotes; no date is written by letters that have no case
    words = _WORDS.findall("".join(char if char.upper() != char else " " for char in code))
    if words and all(map(_MOMENT_WORD.fullmatch, words)):
        return words != ["g"]  # all that is left of `G/通用格式`, a plain number
    parts = [word for word in words if _LETTERS_AGAIN.fullmatch(word)]
    if len(parts) > 1 or (parts and all(map(_ONE_LETTER.fullmatch, set(words) - set(parts)))):
        return True  # `mmmm de aaaa`, `t.mm.jj`
    return len({word[0] for word in words if _ONE_LETTER.fullmatch(word)} & set("dmyhs")) > 1  # `d/m`


def number_text(value: str, shown: NumberFormat = PLAIN, *, since_1904: bool = False) -> Cell:
    """Format a number as people see it: whole ones without decimals or exponent, moments like 2026-11-22 09:30.

    A number too large for all its digits to be right has the fault `lost_digits`; a text that is not a number is an
    `error_cell`.

    Args:
        value: as the file has it: `7700900123`, `1.5E3`.
        shown: its format.
        since_1904: whether days are counted from 1904, as old Macs did.
    """
    if _NUMBER.fullmatch(value) is None:
        return Cell(value, "error_cell")
    number = float(value)
    if math.isinf(number):
        return Cell(value.strip()[:_MAX_DIGITS], "lost_digits")
    try:
        return _number_shown(number, shown, since_1904=since_1904)
    except OverflowError:  # more days than there are dates for
        return Cell(value)


def _number_shown(number: float, shown: NumberFormat, *, since_1904: bool) -> Cell:
    if shown.kind == "elapsed":
        return Cell(str(timedelta(seconds=round(number * 86_400))))
    if shown.kind == "moment" and 0 <= number < _LAST_DAY:
        return Cell(_moment_text(number, since_1904=since_1904))
    if not number.is_integer():
        return Cell(format(Decimal(f"{number:.{_MAX_DIGITS}g}"), "f"))
    if abs(number) >= 10**_MAX_DIGITS:
        return Cell(f"{number:.{_MAX_DIGITS - 1}E}", "lost_digits")
    whole = int(number)
    return Cell(_with_zeros(whole, shown.zeros) if shown.zeros and whole >= 0 else str(whole))


def date_text(value: str) -> str:
    """Format a moment that the file writes in ISO 8601; return anything else as it is."""
    try:
        return as_text(datetime.fromisoformat(value))
    except ValueError:
        return value


def as_text(moment: date) -> str:
    """Format a date, or a date and time where it is not midnight."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return moment.date().isoformat() if moment.time() == time() else moment.isoformat(" ", "minutes")


def yes_or_no(value: str) -> Cell:
    """Make the cell of a truth value."""
    return Cell("yes" if value.strip().lower() in {"1", "true"} else "no")


def _moment_text(days: float, *, since_1904: bool) -> str:
    if days < 1 and not since_1904:
        return (_EPOCH + timedelta(seconds=round(days * 86_400))).time().isoformat("seconds" if days else "minutes")
    if not since_1904 and days < 60:
        days += 1  # to spreadsheets, 1900 was a leap year
    return as_text((_EPOCH_1904 if since_1904 else _EPOCH) + timedelta(seconds=round(days * 86_400)))


def _with_zeros(number: int, pattern: str) -> str:
    """Put the digits in the places of a pattern from the right: 123 in `M00000` is M00123."""
    rest, first = str(number), next(index for index, char in enumerate(pattern) if char in "0#?")
    shown: list[str] = []
    for index in reversed(range(len(pattern))):
        char = pattern[index]
        if char not in "0#?":
            shown.append(char)
        elif index == first:  # takes all the digits that have no place of their own
            shown.append(rest or ("0" if char == "0" else ""))
        elif rest:
            shown.append(rest[-1])
            rest = rest[:-1]
        elif char == "0":
            shown.append("0")
    return "".join(reversed(shown))


def column_letters(column: int) -> str:
    """Return the name of a column: 0 is A, 16,383 XFD."""
    name = ""
    column += 1
    while column > 0:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
