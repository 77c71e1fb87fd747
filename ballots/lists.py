"""Turnout lists from elsewhere: which member each row names, and what it says about the ballot.

Phone banks, reps and scrutineers each use their own headings and words, so columns and answers are recognised by many
names. A row that cannot be read for certain is reported as a problem, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from ballots.claims import ClaimKind
from core.errors import InputError
from core.files.readers import open_table
from core.files.row_problems import Problem
from core.files.tables import FAULTS, RawRow
from core.written_dates import read_written_date
from people.imports.columns import Columns, heading_judge, map_columns
from people.imports.mapping import ColumnMapping
from people.imports.rows import RowReader, StagedPerson

ANSWERS: Final = (
    "kind", "answer", "voted", "vote", "has_voted", "response", "result", "outcome", "said", "disposition",
    "status",
)  # fmt: skip
"""Names of the column that holds the answer; the first that a file has is used."""
TIMES: Final = ("at", "said_at", "answered_at", "called_at", "voted_at", "when", "time", "timestamp", "date")
CONFIDENCES: Final = ("confidence",)

WORDS: Final[Mapping[str, ClaimKind | None]] = {
    word: kind
    for kind, words in {
        ClaimKind.VOTED: "voted|has voted|have voted|already voted|yes|y|true|1|x|✓|✔|done|posted|returned"
        "|wedi pleidleisio",
        ClaimKind.NOT_VOTED: "not voted|not voted yet|not yet voted|not yet|has not voted|hasn't voted|no|n|false|0",
        ClaimKind.WILL_VOTE: "will vote|going to vote|intends to vote|promised|pledged|will",
        ClaimKind.NO_BALLOT_PAPER: "no ballot paper|no ballot|no paper|not received|ballot not received|lost paper",
        ClaimKind.REPLACEMENT_REQUESTED: "replacement requested|replacement|wants replacement|requested replacement",
        ClaimKind.REFUSED: "refused|declined|won't say|will not say|won't vote|will not vote|against voting",
        None: "no answer|no reply|na|n/a|busy|engaged|voicemail|left message|left voicemail|message left|call back"
        "|callback|call later|not available|unavailable|not home|wrong number|disconnected|moved|deceased|language"
        "|spoken|do not contact|unknown|dk|don't know|not contacted|",
    }.items()
    for word in words.split("|")
}
"""Meaning of each answer; None if it says nothing about the ballot."""

_MIN_CONFIDENCE: Final = 0.001
"""Lowest confidence accepted."""
_EARLIEST_YEAR: Final = 2000
"""First year accepted; an earlier date is taken for a typing error."""
_SPACES: Final = re.compile(r"[\s_]+")


@dataclass(frozen=True, slots=True)
class TurnoutEntry:
    """Row of a list that could be read.

    Attributes:
        line: where it begins in the file.
        member_id: the membership number; empty if there is none.
        phones: normalised.
        emails: normalised.
        names: first and last name, if the file has them; lower case.
        kind: the answer; None if the row says nothing about the ballot.
        confidence: how sure it is, if the file says.
        at: when it was said; aware; None if the file does not say.
    """

    line: int
    member_id: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    names: tuple[str, str]
    kind: ClaimKind | None
    confidence: float | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TurnoutList:
    """Turnout list as read from a file.

    Attributes:
        header: the column names as in the file.
        cells: every row as in the file, by line.
        columns: the meaning recognised for each header.
        entries: the rows that can be read.
        problems: rows that cannot be read.
        sha256: fingerprint of the file, in hex.
        notices: further remarks about the file, as sentences.
    """

    header: list[str]
    cells: Mapping[int, list[str]]
    columns: Mapping[str, str]
    entries: list[TurnoutEntry]
    problems: list[Problem]
    sha256: str
    notices: Sequence[str] = ()


class _Unreadable(Exception):  # noqa: N818
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def read_list(
    path: Path,
    *,
    says: ClaimKind | None,
    region: str,
    zone: ZoneInfo,
    now: datetime,
    header_row: int | None = None,
    encoding: str | None = None,
) -> TurnoutList:
    """Read a CSV, XLSX, ODS or XLS file.

    Args:
        path: the file.
        says: the answer of every row, if the file has no column of answers.
        region: country assumed for phone numbers without a `+`.
        zone: time zone of its times.
        now: the current time; a row with a later one is a problem.
        header_row: the line or row that names the columns; None to detect it.
        encoding: of a CSV file; None to detect it.

    Raises:
        InputError: the file cannot be read, names nobody, or says nothing.
    """
    mapping = ColumnMapping()
    judge = heading_judge(mapping, "external_id", "phone", "email")
    with open_table(path, judge, header_row=header_row, encoding=encoding) as table:
        columns = map_columns(table.header, mapping, needs_number=False, line=table.header_line)
        if not columns.has("external_id", "phone", "email"):
            raise InputError(
                f"No column of {path.name} says which member a row is about.",
                remedy="Call it member_id, phone or email. If the headings stand in another row than"
                f" {table.header_line}, say in which: --header-row 3.",
            )
        reads = _reads_of(path, columns, says, zone, now)
        cells: dict[int, list[str]] = {}
        remembered = replace(table, records=_remember(table.records, cells))
        rows = RowReader(remembered, columns, phone_region=region, time_zone="UTC", needs_number=False)
        entries, problems = _read_rows(rows, reads)
        if not rows.rows:
            raise InputError(f"{path.name} has a header and no rows under it.")
        notices = [*table.notices, *rows.placeholders.notices()]
        return TurnoutList(table.header, cells, columns.meanings(), entries, problems, table.sha256, notices)


def _reads_of(path: Path, columns: Columns, says: ClaimKind | None, zone: ZoneInfo, now: datetime) -> _Reads:
    """Find the columns that hold answers and times.

    Raises:
        InputError: no column holds answers, and `says` gives none for all rows.
    """
    names = {column.name for column in columns.attributes}
    answer = next((name for name in ANSWERS if name in names), None)
    if answer is None and says is None:
        raise InputError(
            f"No column of {path.name} holds the members' answers.",
            remedy="Call it answer; or, where all of them say the same, as in a list of voters: --says voted",
        )
    at = next((name for name in TIMES if name in names), None)
    telling = frozenset(column.label for column in columns.attributes if column.name in {answer, at, *CONFIDENCES})
    return _Reads(answer, at, telling, says, zone, now)


def _read_rows(rows: RowReader, reads: _Reads) -> tuple[list[TurnoutEntry], list[Problem]]:
    """Read all rows; return those that can be read, and the problems of the others."""
    entries: list[TurnoutEntry] = []
    problems: list[Problem] = []
    for row in rows:
        try:
            reads.refuse_unsaid(rows.of_row)
            entries.append(reads.entry(row))
        except _Unreadable as problem:
            problems.append(Problem(row[0], "", problem.code, problem.message, member_id=row[1]))
    read = {*(item.line for item in entries), *(item.line for item in problems)}
    return entries, [*problems, *(problem for problem in rows.problems.kept if problem.line not in read)]


@dataclass(frozen=True, slots=True)
class _Reads:
    """Reader of one file's rows; `telling` are the headers of the answer, time and confidence columns."""

    answer: str | None
    time: str | None
    telling: frozenset[str]
    says: ClaimKind | None
    zone: ZoneInfo
    now: datetime

    def refuse_unsaid(self, problems: Sequence[Problem]) -> None:
        """Refuse a row whose answer, time or confidence a spreadsheet could not show.

        Raises:
            _Unreadable: for the first such problem.
        """
        for problem in problems:
            if problem.code in FAULTS and problem.column in self.telling:
                raise _Unreadable(problem.code, problem.message)

    def entry(self, row: StagedPerson) -> TurnoutEntry:
        line, member_id, first, last, *_, attributes, phones, emails = row
        if not (member_id or phones or emails):
            raise _Unreadable("nobody", "It names nobody: no membership number, phone number or mailbox that is one.")
        kind = self._kind(attributes)
        return TurnoutEntry(
            line, member_id, tuple(phones or ()), tuple(emails or ()),
            ((first or "").casefold(), (last or "").casefold()), kind, _confidence(attributes),
            self._at(attributes.get(self.time, "")) if self.time else None,
        )  # fmt: skip

    def _kind(self, attributes: Mapping[str, str]) -> ClaimKind | None:
        if self.answer is None:
            return self.says
        answer = _SPACES.sub(" ", attributes.get(self.answer, "")).casefold().strip(" .!").replace("\u2019", "'")
        if answer not in WORDS:
            raise _Unreadable("unknown_answer", f"“{answer[:80]}” is no known answer, such as voted or not voted.")
        return WORDS[answer]

    def _at(self, text: str) -> datetime | None:
        if not text:
            return None
        written = read_written_date(text, self.zone)
        if written is None or written.at.year < _EARLIEST_YEAR:
            raise _Unreadable("no_time", f"“{text[:40]}” is no time such as 2026-11-25 14:30 or 25/11/2026.")
        at = written.at
        if not written.timed:  # at noon of that day, or now, if the day has only begun
            at = min(at.replace(hour=12), max(written.start, self.now))
        if at > self.now:
            raise _Unreadable("in_the_future", f"{text[:40]} has not come yet.")
        return at


def _confidence(attributes: Mapping[str, str]) -> float | None:
    text = next((attributes[name] for name in CONFIDENCES if name in attributes), "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _MIN_CONFIDENCE <= value <= 1:
        raise _Unreadable("no_confidence", f"“{text[:40]}” is no confidence above 0 and up to 1.")
    return value


def _remember(records: Iterator[RawRow], cells: dict[int, list[str]]) -> Iterator[RawRow]:
    for line, row in records:
        cells[line] = row or []
        yield line, row


def rows_to_mend(sheet: TurnoutList, problems: Sequence[Problem]) -> Iterator[list[str]]:
    """Yield the rows that have a problem as in the file, each with its line and problem, to be mended by hand."""
    width = len(sheet.header)
    yield [*sheet.header, "problem_line", "problem"]
    for problem in sorted(problems, key=lambda problem: problem.line):
        cells = sheet.cells.get(problem.line, [])[:width]
        yield [*cells, *[""] * (width - len(cells)), str(problem.line), problem.message]
