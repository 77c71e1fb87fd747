"""Rows and cells of a file that could not be used, with the reasons as programs and people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.errors import InputError

MAX_REJECTED: Final = 250_000
"""Most rows of a file that may be left out; a file with more of them is not a member file."""
MAX_KEPT: Final = 250_000
"""Problems of cells that are kept one by one; each costs a few hundred bytes, and nobody reads further."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row or cell that could not be used.

    Attributes:
        line: the line of a CSV file, or the row of a sheet, on which the row begins.
        column: the cell's header as it stands in the file; empty if it is the whole row.
        code: the reason as a program reads it.
        message: the reason as a person reads it.
        value: what the cell holds.
        member_id: the membership number of its row, as the file has it.
    """

    line: int
    column: str
    code: str
    message: str
    value: str = ""
    member_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the problem as plain values."""
        return {
            "line": self.line, "column": self.column or None, "code": self.code, "message": self.message,
            "value": self.value or None, "member_id": self.member_id or None,
        }  # fmt: skip


@dataclass(slots=True)
class ProblemLog:
    """Problems of a file, as it is read.

    Attributes:
        kept: each row that was left out and each cell that could not be used, at most `MAX_KEPT` cells, in the order
            they were met.
        further: cells beyond `MAX_KEPT`, which are only counted, by code.
        rejected: how many rows were left out.
    """

    kept: list[Problem] = field(default_factory=list)
    further: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    _first_rejected: Problem | None = None

    def reject(self, problem: Problem) -> None:
        """Note a row that is left out.

        Raises:
            InputError: so many rows are left out that it is not a member file.
        """
        first = self._first_rejected = self._first_rejected or problem
        if self.rejected >= MAX_REJECTED:
            raise InputError(
                f"More than {MAX_REJECTED:,} rows of this file cannot be used; the first is in line {first.line:,}:"
                f" {first.message}",
                remedy="Is it the right file, exported with its headings and a line for each row?",
            )
        self.rejected += 1
        self.kept.append(problem)

    def note_cell(self, problem: Problem) -> None:
        """Note a cell that cannot be used, while its row is used: a column of landlines must not cost the file."""
        if len(self.kept) - self.rejected < MAX_KEPT:
            self.kept.append(problem)
        else:
            self.further[problem.code] += 1


def count_by_code(problems: Sequence[Problem], further: Mapping[str, int]) -> Counter[str]:
    """Count the problems of each code, with those that are only counted."""
    return Counter(problem.code for problem in problems) + Counter(further)
