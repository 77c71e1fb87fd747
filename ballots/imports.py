"""Imports of turnout lists: phone banks, reps' sheets, the scrutineer's list.

The whole file is read and matched first, and then recorded in one transaction or not at all. Each row becomes a claim
of its source, so `claims` decides how much it counts: a file never overrules a member, the scrutineer overrules
everybody. A row with nothing new is left out, so importing a file again changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from ballots import bulk, counts
from ballots.ballots import Ballot, get_ballot
from ballots.claims import ClaimKind, ClaimSource, strength
from ballots.lists import TurnoutEntry, TurnoutList, read_list
from ballots.matching import AMBIGUOUS, UNMATCHED, match
from ballots.phase import Phase
from core.access import Actor
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Connection, connect, load_queries
from core.errors import Conflict, InputError
from core.files.row_problems import Problem
from core.runtime import Runtime

SQL: Final = load_queries(__file__)

SOURCES: Final[Mapping[ClaimSource, float]] = {
    ClaimSource.PHONE_BANK: 0.9,
    ClaimSource.IMPORT: 0.8,
    ClaimSource.SCRUTINEER: 1.0,
}
"""Sources a list can have, each with the confidence of its claims if the file gives none."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Row that contradicts the member's status.

    Attributes:
        line: where it begins in the file.
        member_id: the membership number as the file has it; empty if the row was matched by an address.
        says: the answer in the file.
        status: the member's status before.
        source: the source of that status.
        prevails: whether the file's answer becomes the member's status.
    """

    line: int
    member_id: str
    says: ClaimKind
    status: str
    source: str
    prevails: bool


@dataclass(frozen=True, slots=True)
class TurnoutImportReport:
    """Report of an import that was made, or would be. Every row is one of recorded, known, silent, or a problem.

    Attributes:
        sheet: the file, read.
        source: the source of its claims.
        recorded: members with a new claim.
        by_kind: members with a new claim, by kind of claim.
        known: rows with nothing new.
        silent: rows that say nothing about the ballot (no answer, busy …).
        contradictions: of those recorded, the ones that contradict the member's status.
        problems: rows that nothing can be recorded for, with the reason.
        moved: members whose status changed; 0 if nothing was written.
        written: whether the import was recorded.
    """

    sheet: TurnoutList
    source: ClaimSource
    recorded: int = 0
    by_kind: Mapping[str, int] = field(default_factory=dict)
    known: int = 0
    silent: int = 0
    contradictions: Sequence[Contradiction] = ()
    problems: Sequence[Problem] = ()
    moved: int = 0
    written: bool = False

    def count(self, kind: str) -> int:
        """Count the rows that are `ambiguous`, `unmatched` or `unreadable`."""
        groups = {"ambiguous": AMBIGUOUS, "unmatched": UNMATCHED}
        if kind in groups:
            return sum(problem.code in groups[kind] for problem in self.problems)
        return sum(problem.code not in AMBIGUOUS | UNMATCHED for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Convert to plain values, for `--json`."""
        return {
            "rows": len(self.sheet.cells), "columns": dict(self.sheet.columns), "source": self.source,
            "matched": self.recorded + self.known, "recorded": self.recorded, "by_kind": dict(self.by_kind),
            "already_known": self.known, "silent": self.silent,
            **{kind: self.count(kind) for kind in ("ambiguous", "unmatched", "unreadable")},
            "contradictions": list(self.contradictions),
            "problems": [problem.to_json() for problem in self.problems], "moved": self.moved,
            "notices": list(self.sheet.notices), "written": self.written,
        }  # fmt: skip


async def import_claims(
    runtime: Runtime, ballot_name: str, path: Path, *, source: str, actor: Actor, says: str | None = None, write: bool,
    header_row: int | None = None, encoding: str | None = None,
) -> TurnoutImportReport:  # fmt: skip
    """Import a list, or report what importing it would do.

    Args:
        runtime: the runtime.
        ballot_name: the ballot it is about.
        path: a CSV, XLSX, ODS or XLS file.
        source: one of `SOURCES`.
        actor: the person who imports the list: recorder of its claims, and for the audit.
        says: the answer of every row, if the file has no column of answers.
        write: record it; else nothing is changed.
        header_row: the line or row that names the columns; None to detect it.
        encoding: of a CSV file; None to detect it.

    Raises:
        NotFound: there is no such ballot.
        InputError: the file cannot be read at all.
        Conflict: another transaction changed the same members at that moment.
    """
    kind_of_list, now = ClaimSource(source), runtime.clock()
    if kind_of_list not in SOURCES:
        raise InputError(f"The source of a list cannot be {source}; it is one of {', '.join(SOURCES)}.")
    settings = runtime.settings
    assert settings.database_url is not None
    db = await connect(settings.database_url)
    try:
        ballot = await get_ballot(db, ballot_name)
        sheet = read_list(
            path, says=ClaimKind(says) if says else None, region=settings.sms_region, zone=ZoneInfo(ballot.time_zone),
            now=now, header_row=header_row, encoding=encoding,
        )  # fmt: skip
        spoken = [entry for entry in sheet.entries if entry.kind is not None]
        person_by_line, problems = await match(db, ballot.ballot_id, spoken)
        job = _Job(ballot, sheet, kind_of_list, actor, now, person_by_line, [*sheet.problems, *problems])
        async with db.transaction():
            if not write:
                return (await job.check(db))[0]
            await counts.lock_counts(db, ballot.ballot_id)
            return await job.record(db)
    except asyncpg.DeadlockDetectedError:
        raise Conflict("The same members were changed just now; nothing was recorded.", remedy="Try again.") from None
    finally:
        await db.close()


@dataclass(frozen=True, slots=True)
class _Job:
    """Import of one list: everything known about it before the ballot is locked."""

    ballot: Ballot
    sheet: TurnoutList
    source: ClaimSource
    actor: Actor
    now: datetime
    person_by_line: Mapping[int, int]
    problems: Sequence[Problem]

    async def record(self, db: Connection) -> TurnoutImportReport:
        report, claims = await self.check(db)
        moved = 0
        if claims:
            moved = await bulk.record_claims(
                db, ballot_id=self.ballot.ballot_id, goal_id=self.ballot.goal_id, source=self.source,
                recorder=self.actor.name, claims=claims,
            )  # fmt: skip
        detail = {
            "sha256": self.sheet.sha256, "source": self.source, "recorded": report.recorded, "known": report.known,
            "problems": len(report.problems), "contradictions": len(report.contradictions), "moved": moved,
        }  # fmt: skip
        await record(db, self.actor, AuditAction.TURNOUT_IMPORTED, f"ballot {self.ballot.name}", detail)
        return replace(report, moved=moved, written=True)

    async def check(self, db: Connection) -> tuple[TurnoutImportReport, list[bulk.NewClaim]]:
        """Decide what to do with each row, given the members' present status."""
        spoken, repeats, problems = self._one_for_each()
        people = [self.person_by_line[entry.line] for entry in spoken]
        rows = await db.fetch(
            SQL["find_statuses"], self.ballot.ballot_id, people, self.source, timeout=STATEMENT_TIMEOUT
        )
        status = {row["person_id"]: row for row in rows}
        fresh = [entry for entry in spoken if not self._is_known(entry, status[self.person_by_line[entry.line]])]
        claims = [self._claim(entry) for entry in fresh]
        contradictions = [self._contradiction(entry, status[self.person_by_line[entry.line]]) for entry in fresh]
        report = TurnoutImportReport(
            self.sheet, self.source, len(claims), dict(Counter(claim.kind.value for claim in claims)),
            len(spoken) - len(fresh) + repeats, sum(entry.kind is None for entry in self.sheet.entries),
            list(filter(None, contradictions)),
            sorted([*self.problems, *problems], key=lambda problem: problem.line),
        )  # fmt: skip
        return report, claims

    def _one_for_each(self) -> tuple[list[TurnoutEntry], int, list[Problem]]:
        """Choose one entry for each member; if two say different things, choose neither.

        Returns:
            The entries, how many others repeat them, and the problems.
        """
        by_person: dict[int, list[TurnoutEntry]] = defaultdict(list)
        chosen, problems = [], []
        for entry in self.sheet.entries:
            if entry.line not in self.person_by_line:
                continue
            if entry.kind is ClaimKind.VOTED and self.ballot.phase(self._at(entry)) is Phase.BEFORE:
                problems.append(_problem(entry, "too_early", "Nobody can have voted then: it was not open yet."))
            else:
                by_person[self.person_by_line[entry.line]].append(entry)
        repeats = 0
        for entries in by_person.values():
            if len({entry.kind for entry in entries}) > 1:
                lines = " and ".join(str(entry.line) for entry in entries)
                words = f"Lines {lines} say different things about the same member: keep the one that is right."
                problems += [_problem(entry, "two_answers", words) for entry in entries]
            else:
                chosen.append(max(entries, key=lambda entry: (self._at(entry), -entry.line)))
                repeats += len(entries) - 1
        return chosen, repeats, problems

    def _is_known(self, entry: TurnoutEntry, before: asyncpg.Record) -> bool:
        """Tell whether an entry is known: its source said so last, or an equally strong claim did."""
        kind = _claim_kind(entry)
        if before["previous_kind"] == kind:
            return True
        return bool(before["kind"] == kind and _weight(before) >= strength(kind, self.source))

    def _claim(self, entry: TurnoutEntry) -> bulk.NewClaim:
        sure = entry.confidence or SOURCES[self.source]
        return bulk.NewClaim(self.person_by_line[entry.line], _claim_kind(entry), sure, self._at(entry))

    def _contradiction(self, entry: TurnoutEntry, before: asyncpg.Record) -> Contradiction | None:
        kind = _claim_kind(entry)
        if before["kind"] is None or before["kind"] == kind:
            return None
        prevails = (strength(kind, self.source), self._at(entry)) >= (_weight(before), before["at"])
        return Contradiction(entry.line, entry.member_id, kind, before["kind"], before["source"], prevails)

    def _at(self, entry: TurnoutEntry) -> datetime:
        return entry.at or self.now


def _problem(entry: TurnoutEntry, code: str, message: str) -> Problem:
    return Problem(entry.line, "", code, message, member_id=entry.member_id)


def _claim_kind(entry: TurnoutEntry) -> ClaimKind:
    assert entry.kind is not None, "rows that say nothing are not matched"
    return entry.kind


def _weight(before: asyncpg.Record) -> int:
    return strength(ClaimKind(before["kind"]), ClaimSource(before["source"]))
