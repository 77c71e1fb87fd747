"""Leavers: members struck off from a date on. They stay in the counts of closed ballots and leave all others.

From their date on they are in no audience and in no electorate of a ballot that has not closed, and no message is sent
to them, queued or new. Their claims stay in the ledger. A member file that still names them updates their details but
does not bring them back: only `come_back` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from ballots import counts
from ballots.ballots import enrol
from core.access import Actor
from core.audit import AuditAction
from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from core.errors import NotFound
from core.files.row_problems import Problem
from messaging.bulk_suppression import suppress_many
from messaging.reasons import Reason
from messaging.suppression import lift
from people.leaving_dates import clear_leaving_dates, due_leavers, mark_struck_off, set_leaving_dates
from people.lists.lists import BadRow, open_list, read_past_date
from people.people_lock import lock_people

SQL: Final = load_queries(__file__)

FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "member_id": ("membership number", "member number", "external id", "member ref"),
    "left_on": ("left", "date", "leaving date", "date left", "on", "resigned", "resigned on", "end date"),
}
_MAX_SIMILAR_NUMBERS: Final = 4
"""Most similar numbers that are suggested; if there are more, none is."""
_EVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Leaver:
    """Member who leaves.

    Attributes:
        member_id: their membership number.
        at: the moment from which they are no longer a member; aware.
        line: of the file they come from; 0 if the number was typed.
    """

    member_id: str
    at: datetime
    line: int = 0


@dataclass(slots=True)
class LeaversReport:
    """Report of recording leavers.

    Attributes:
        struck_off: how many were struck off.
        to_come: how many will be struck off on a later date.
        known: how many had left already, or were to leave on that day.
        repeated: rows that name somebody named before.
        withdrawn: queued messages that were withdrawn.
        ballots: how many ballots lost electors.
        problems: who could not be found, and rows that could not be read.
    """

    struck_off: int = 0
    to_come: int = 0
    known: int = 0
    repeated: int = 0
    withdrawn: int = 0
    ballots: int = 0
    problems: list[Problem] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Convert to plain values."""
        return asdict(self) | {"problems": [problem.to_json() for problem in self.problems]}


def read_leavers(path: Path, *, otherwise: datetime, zone: ZoneInfo) -> tuple[list[Leaver], list[Problem]]:
    """Read a list of leavers: CSV, XLSX, ODS or XLS, with a column of membership numbers and perhaps one of dates.

    Args:
        path: the file.
        otherwise: the leaving date of rows without one; aware.
        zone: of dates that name none.

    Raises:
        InputError: it cannot be read, or has no column of membership numbers.
    """
    leavers: list[Leaver] = []
    with open_list(path, FIELDS, needs=["member_id"]) as table:
        for line, row in table:
            if not row["member_id"]:
                table.reject(line, BadRow("no_member", "There is no membership number.", "member_id"))
                continue
            try:
                on = read_past_date(row["left_on"], zone, now=_EVER, column="left_on") if row["left_on"] else otherwise
            except BadRow as bad:
                table.reject(line, bad)
                continue
            leavers.append(Leaver(row["member_id"], on, line))
        return leavers, table.problems.kept


async def record_leavers(db: Connection, leavers: Sequence[Leaver], *, actor: Actor, now: datetime) -> LeaversReport:
    """Record leavers and their dates, and strike off those whose date has come.

    Args:
        db: a connection; a transaction is opened if there is none.
        leavers: the leavers.
        actor: who records it, for the audit.
        now: the time.
    """
    report = LeaversReport()
    async with db.transaction():
        await lock_people(db)  # taken first, so that a transaction that waits for this lock holds no person's row
        rows = await db.fetch(SQL["find_members"], [leaver.member_id for leaver in leavers], timeout=STATEMENT_TIMEOUT)
        known = {row["external_id"]: row for row in rows}
        named: dict[str, Leaver] = {}
        new_leavers: dict[str, Leaver] = {}
        for leaver in leavers:
            first = named.setdefault(leaver.member_id, leaver)
            person = known.get(leaver.member_id)
            if person is None:
                message = f"Nobody has the number {leaver.member_id}.{await _instead(db, leaver)}"
                report.problems.append(Problem(leaver.line, "member_id", "unknown_member", message))
            elif first is not leaver:
                report.repeated += 1
                if first.at != leaver.at:
                    message = f"{leaver.member_id} is named before with another date, and that one counts."
                    report.problems.append(Problem(leaver.line, "left_on", "another_date", message))
            elif person["struck_off_at"] is not None or person["left_at"] == leaver.at:
                report.known += 1
            else:
                new_leavers[leaver.member_id] = leaver
        ids = [known[name]["person_id"] for name in new_leavers]
        await set_leaving_dates(db, ids, [leaver.at for leaver in new_leavers.values()], now=now)
        detail = [{"on": leaver.at.isoformat()} for leaver in new_leavers.values()]
        await db.execute(
            SQL["record_audit"],
            actor.to_json(),
            AuditAction.PEOPLE_LEFT,
            list(new_leavers),
            detail,
            timeout=STATEMENT_TIMEOUT,
        )
        report.to_come = sum(leaver.at > now for leaver in new_leavers.values())
        struck = await strike_off(db, now)
        report.struck_off, report.withdrawn, report.ballots = struck.struck_off, struck.withdrawn, struck.ballots
    return report


async def _instead(db: Connection, leaver: Leaver) -> str:
    """Suggest membership numbers similar to an unknown one that was typed; "" if there are none, or too many."""
    close = await db.fetch(SQL["list_similar_numbers"], leaver.member_id) if not leaver.line else []
    near = [row["external_id"] for row in close]
    return f" Did you mean {' or '.join(near)}?" if 0 < len(near) < _MAX_SIMILAR_NUMBERS else ""


async def strike_off(db: Connection, now: datetime) -> LeaversReport:
    """Strike off everybody whose date has come; workers look every few seconds, and so does a launch.

    Args:
        db: a connection; a transaction is opened if there is anything to do.
        now: the time.
    """
    if not await due_leavers(db, now):
        return LeaversReport()
    async with db.transaction():
        await lock_people(db)  # so that no launch page that was decided before this is written after it
        ids = await due_leavers(db, now)
        ballots = [row["ballot_id"] for row in await db.fetch(SQL["list_ballots"], ids, now)]
        for ballot_id in ballots:  # before any message is locked: an import locks its ballot, then messages
            await counts.lock_counts(db, ballot_id)
        for ballot_id in ballots:
            await db.execute(SQL["leave_ballot"], ballot_id, ids)
            await counts.correct_sums(db, ballot_id)
        await mark_struck_off(db, ids, now)
        entries = [
            {
                "channel": "person",
                "address": str(person_id),
                "purpose": "all",
                "reason": Reason.LEFT.value,
                "source": "staff",
                "since": now,
            }
            for person_id in ids
        ]
        stopped = await suppress_many(db, entries)
        return LeaversReport(struck_off=len(ids), withdrawn=stopped.withdrawn, ballots=len(ballots))


async def come_back(db: Connection, member_ids: Sequence[str], *, actor: Actor, now: datetime) -> list[str]:
    """Make leavers members again, in every ballot that is not over; withdrawn messages stay withdrawn.

    Args:
        db: a connection; a transaction is opened if there is none.
        member_ids: their membership numbers.
        actor: who records it, for the audit.
        now: the time.

    Returns:
        The numbers of those who had left, or were going to.

    Raises:
        NotFound: nobody has one of these numbers.
    """
    async with db.transaction():
        known = {row["external_id"]: row["person_id"] for row in await db.fetch(SQL["find_members"], list(member_ids))}
        if missing := [member_id for member_id in member_ids if member_id not in known]:
            raise NotFound(
                f"Nobody has the number {', '.join(missing[:5])}.",
                remedy="Nothing was changed. Find the right number by name (muster people find), or leave it out.",
            )
        back = await clear_leaving_dates(db, list(known.values()), now)
        for row in back:
            await lift(
                db, channel="person", address=str(row["person_id"]), reason="returned", source="staff", of=Reason.LEFT
            )
        for row in await db.fetch(SQL["list_open_ballots"], now) if back else ():
            await enrol(db, row["ballot_id"])
        numbers = [row["external_id"] for row in back]
        await db.execute(
            SQL["record_audit"], actor.to_json(), AuditAction.PEOPLE_LEAVE_UNDONE, numbers, [{} for _ in numbers]
        )
    return numbers


async def lock_ballots_left(db: Connection, person_id: int) -> None:
    """Lock the counts of the ballots that a person with a coming leaving date will be struck off; claims wait.

    Args:
        db: in the caller's transaction, which has locked no message yet: the order is the same everywhere.
        person_id: the person.
    """
    for row in await db.fetch(SQL["list_ballots_after"], person_id, None):
        await counts.lock_counts(db, row["ballot_id"])


async def leave_ballots(db: Connection, person_id: int, now: datetime) -> None:
    """Strike a person with a coming leaving date off the open ballots that close after it, ahead of that date.

    Args:
        db: in the caller's transaction, after `lock_ballots_left`.
        person_id: the person.
        now: the time.
    """
    for row in await db.fetch(SQL["list_ballots_after"], person_id, now):
        await db.execute(SQL["leave_ballot"], row["ballot_id"], [person_id])
        await counts.correct_sums(db, row["ballot_id"])
