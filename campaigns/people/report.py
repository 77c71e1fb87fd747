"""What became of a member file: counts, and every row and cell that could not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from messaging.errors import InputError

MOST_PROBLEMS: Final = 250_000
"""Of a file: more than any of the largest unions would have if each of its rows had one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row or cell that could not be used.

    Attributes:
        line: the line of a CSV file, or the row of a sheet, on which the row begins.
        column: the cell's header as it stands in the file; empty where it is the whole row.
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
        """The same as plain values."""
        return {
            "line": self.line, "column": self.column or None, "code": self.code, "message": self.message,
            "value": self.value or None, "member_id": self.member_id or None,
        }  # fmt: skip


def keep_problem(problems: list[Problem], problem: Problem) -> None:
    """Remember a problem.

    Raises:
        InputError: there are so many that it is another kind of file.
    """
    if len(problems) >= MOST_PROBLEMS:
        raise InputError(
            f"More than {MOST_PROBLEMS:,} rows and cells of this file cannot be used; the first is in line"
            f" {problems[0].line:,}: {problems[0].message}",
            remedy="Is it the right file, exported with its headings and a line for each row?",
        )
    problems.append(problem)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do.

    Every row is one of created, updated, unchanged, repeated or rejected.

    Attributes:
        file: its name.
        kind: what it is: `CSV (UTF-8, commas)`.
        columns: what each header was taken for.
        rows: rows under the header, blank ones left out.
        created: people who are new.
        updated: people of whom something changed.
        unchanged: people known just so.
        repeated: rows that say the same as an earlier one about the same person.
        rejected: rows left out; each has a problem.
        unreachable: people of this file who have no address at all; they count in an electorate all the same.
        restored: addresses and people that are not written to, for that stood against somebody who was erased.
        returned: the membership numbers of those whose these are.
        left: membership numbers in the file of people who have left; they stay struck off.
        problems: every row and cell that could not be used, in the order of the file.
        notices: what people should know of the file besides: where its headings were found, what is hidden in it.
        written: whether anything was kept: not with `dry_run`, nor with `strict` and a problem.
        import_id: the row in `member_import`.
    """

    file: str
    kind: str
    columns: Mapping[str, str]
    rows: int
    created: int
    updated: int
    unchanged: int
    repeated: int
    rejected: int
    unreachable: int
    restored: int
    returned: Sequence[str]
    left: Sequence[str]
    problems: Sequence[Problem]
    notices: Sequence[str]
    written: bool
    import_id: int | None = None

    def by_code(self) -> dict[str, int]:
        """How many problems there are of each code, the most frequent first."""
        return dict(Counter(problem.code for problem in self.problems).most_common())

    def to_json(self) -> dict[str, Any]:
        """The same as plain values, for `--json`."""
        return {
            "file": self.file,
            "kind": self.kind,
            "columns": dict(self.columns),
            "rows": self.rows,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "repeated": self.repeated,
            "rejected": self.rejected,
            "unreachable": self.unreachable,
            "restored": self.restored,
            "returned": list(self.returned),
            "left": list(self.left),
            "written": self.written,
            "import_id": self.import_id,
            "notices": list(self.notices),
            "problem_counts": self.by_code(),
            "problems": [problem.to_json() for problem in self.problems],
        }
