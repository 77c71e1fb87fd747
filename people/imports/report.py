"""Report of an import: counts, and every row and cell that could not be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.files.row_problems import Problem, count_by_code


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import, or of a dry run.

    Every row is one of created, updated, unchanged, repeated or rejected.

    Attributes:
        file: its name.
        kind: the kind of file: `CSV (UTF-8, commas)`.
        columns: the meaning that each header was read as.
        rows: rows under the header, blank ones left out.
        created: people who are new.
        updated: people of whom something changed.
        unchanged: people of whom nothing changed.
        repeated: rows that say the same as an earlier one about the same person.
        rejected: rows left out; each has a problem.
        unreachable: people of this file who have no address at all; they still count in an electorate.
        restored: addresses and people that are suppressed again, as they were before their erasure.
        returned: the membership numbers of the people concerned.
        left: membership numbers in the file of people who have left; they stay struck off.
        problems: every row, and cells as far as they are kept, that could not be used, in the order of the file.
        further: problems of cells beyond those, by code.
        notices: sentences about the file for people: where its headings were found, what is hidden in it.
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
    further: Mapping[str, int]
    notices: Sequence[str]
    written: bool
    import_id: int | None = None

    def by_code(self) -> dict[str, int]:
        """Count the problems of each code, the most frequent first."""
        return dict(count_by_code(self.problems, self.further).most_common())

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values, for `--json`."""
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
            "problems_not_listed": sum(self.further.values()),
        }
