"""Columns of dates in a member file, and their cells that cannot be read as a date, for which no message can be due."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Final

from core.files.row_problems import MAX_KEPT, Problem, ProblemLog
from core.written_dates import read_written_date
from people.imports.columns import Column

_APPOINTMENT: Final = re.compile(r"appointment(?:_\w+)?_at")
"""Name of an attribute that always counts as a date: `appointment_at`, `appointment_2_at`."""
_CODE: Final = "unreadable_date"
_MAX_SHOWN_LENGTH: Final = 200
"""Characters of a cell that a problem shows."""
_MAX_OTHER_VALUES: Final = 20
"""A column with this many more cells that are no date than cells that are is not a date column."""


@dataclass(slots=True)
class _Cells:
    """Cells of one column so far.

    Attributes:
        column: the column.
        certain: whether it holds dates, whatever is written there.
        dates: how many are dates.
        others: how many are not.
        problems: a problem for each of those, as far as they are kept.
    """

    column: Column
    certain: bool
    dates: int = 0
    others: int = 0
    problems: list[Problem] = field(default_factory=list)


class DateColumns:
    """Finder of date columns among the attributes while a file is read: known ones, and columns that mostly hold dates.

    Args:
        columns: the attributes.
        known: names of attributes that are dates.
    """

    def __init__(self, columns: Iterable[Column], known: Collection[str]) -> None:
        self._cells = {
            column.name: _Cells(column, column.name in known or _APPOINTMENT.fullmatch(column.name) is not None)
            for column in columns
        }

    def look(self, name: str, value: str, line: int, number: str) -> None:
        """Look at a cell that is not empty; for most columns the first cells show that it is not a date column.

        Args:
            name: of its attribute.
            value: what it holds.
            line: of its row.
            number: of its row's person.
        """
        cells = self._cells.get(name)
        if cells is None:
            return
        if read_written_date(value, UTC) is not None:
            cells.dates += 1
            return
        cells.others += 1
        if not cells.certain and cells.others > cells.dates + _MAX_OTHER_VALUES:
            del self._cells[name]
        elif len(cells.problems) < MAX_KEPT:
            value = value[:_MAX_SHOWN_LENGTH]
            message = f"“{value}” cannot be read as a date (write 31/12/2026 14:30): nothing is sent by it."
            cells.problems.append(Problem(line, cells.column.label, _CODE, message, value, number))

    def note(self, log: ProblemLog) -> None:
        """Note each cell that should be a date and cannot be read as one, once all have been read."""
        for cells in self._cells.values():
            if cells.certain or cells.dates > cells.others:
                for problem in cells.problems:
                    log.note_cell(problem)
                if further := cells.others - len(cells.problems):
                    log.further[_CODE] += further
