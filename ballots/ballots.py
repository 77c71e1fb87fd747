"""Ballots: dates, threshold, phases and electorate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ballots import counts
from ballots.phase import Phase
from ballots.spec import BallotSpec
from core.access import Actor
from core.answer_phase import phase_of
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from core.errors import Conflict, NotFound, SpecError
from core.setting_types import DEFAULT_ZONE
from core.spec_errors import names_instead
from core.spec_file import at_zone
from messaging.content.languages import DEFAULT
from messaging.content.translations import day_and_time
from messaging.goals import create_goal
from people.attributes import missing_attributes
from people.unit_names import find_units

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class BallotTerms:
    """Terms of a ballot: dates (UTC), threshold, and the kind of unit that must pass by itself, or None."""

    opens_at: datetime
    closes_at: datetime
    last_posting_at: datetime | None
    replacement_by: datetime | None
    threshold: float
    constituency_kind: str | None

    @classmethod
    def of(cls, spec: BallotSpec, time_zone: str) -> BallotTerms:
        """Read the terms from a file; local times are in its own time zone, or else in this one."""
        here = ZoneInfo(spec.time_zone or time_zone)
        return cls(
            at_zone(spec.opens, here),
            at_zone(spec.closes, here, end=True),
            at_zone(spec.last_posting, here, end=True) if spec.last_posting else None,
            at_zone(spec.replacement_by, here, end=True) if spec.replacement_by else None,
            spec.threshold,
            spec.constituency if spec.disaggregated else None,
        )


@dataclass(frozen=True, slots=True)
class Ballot:
    """Ballot as stored in the database.

    Attributes:
        ballot_id: its id.
        name: what commands and files call it.
        title: what members read.
        organisation: whose ballot it is; empty means the one in the settings.
        opens_at: aware, UTC, like every time here.
        closes_at: nothing counts after it.
        time_zone: the zone its dates are shown in.
        last_posting_at: the last safe moment to post a paper.
        replacement_by: the last moment to ask for another paper.
        threshold: the share of the electorate that must vote.
        disaggregated: each constituency must pass by itself.
        constituency: the kind of unit that counts as a constituency.
        over_report: share of the confirmations that were no votes, 0.13 for 13%.
        goal_id: the goal its messages work towards.
        units: the units whose members vote; empty means all members.
        attributes: what electors must have, as a campaign's audience says it; empty means nothing.
    """

    ballot_id: int
    name: str
    title: str
    organisation: str
    opens_at: datetime
    closes_at: datetime
    time_zone: str
    last_posting_at: datetime | None
    replacement_by: datetime | None
    threshold: float
    disaggregated: bool
    constituency: str
    over_report: float
    goal_id: int
    attributes: Mapping[str, bool | Sequence[str]]
    units: tuple[int, ...]

    def phase(self, now: datetime) -> Phase:
        """Return the phase the ballot is in at a moment."""
        voting = phase_of(self.opens_at, self.closes_at, now)
        if voting != "open":
            return Phase(voting)
        if self.last_posting_at is not None and now > self.last_posting_at:
            return Phase.LAST_POSTED
        if self.replacement_by is not None and now > self.replacement_by:
            return Phase.NO_REPLACEMENT
        return Phase.OPEN

    def is_made_from(self, spec: BallotSpec, *, time_zone: str = DEFAULT_ZONE) -> bool:
        """Tell whether a file describes this ballot: the same dates, threshold and way of counting."""
        return BallotTerms.of(spec, time_zone) == BallotTerms(
            self.opens_at,
            self.closes_at,
            self.last_posting_at,
            self.replacement_by,
            self.threshold,
            self.constituency if self.disaggregated else None,
        )

    def local(self, at: datetime | None, language: str = DEFAULT) -> str:
        """Format a moment as members read it: `Monday 7 December` or `Monday 7 December, 12:00`; empty for None."""
        return day_and_time(at, self.time_zone, language)


async def create_ballot(db: Connection, spec: BallotSpec, *, actor: Actor, time_zone: str = DEFAULT_ZONE) -> Ballot:
    """Create a ballot and enrol its electorate.

    Args:
        db: a connection; a transaction is opened if there is none.
        spec: its file.
        actor: who creates it, for the audit.
        time_zone: the zone of local times if the file names none.

    Raises:
        Conflict: there is a ballot of that name.
        SpecError: the file names units or attributes that do not exist.
    """
    terms = BallotTerms.of(spec, time_zone)
    async with db.transaction():
        units = await find_units(db, spec.units, key="ballot.units")
        if unknown := await missing_attributes(db, spec.attribute or {}, key="ballot"):
            raise SpecError("The file asks for attributes that nobody has.", problems=unknown)
        ballot_id = await db.fetchval(
            SQL["create_ballot"],
            spec.name,
            spec.title,
            spec.organisation or "",
            terms.opens_at,
            terms.closes_at,
            spec.time_zone or time_zone,
            terms.last_posting_at,
            terms.replacement_by,
            spec.threshold,
            spec.disaggregated,
            spec.constituency,
            spec.over_report,
            await create_goal(db, f"ballot {spec.name}"),
            spec.attribute or {},
        )
        if ballot_id is None:
            raise Conflict(
                f"There is already a ballot {spec.name}.",
                remedy=f"Choose another name, or see it with: muster ballot show {spec.name}",
            )
        await db.execute(SQL["add_units"], ballot_id, list(dict.fromkeys(units.values())))
        await enrol(db, ballot_id)
        await record(db, actor, AuditAction.BALLOT_CREATED, f"ballot {spec.name}")
        return await get_ballot(db, spec.name)


async def enrol(db: Connection, ballot_id: int) -> int:
    """Enrol everybody entitled to vote who is not enrolled yet, and update the unit of electors who have moved.

    An import never strikes anybody off, because the notice of the ballot fixes the electorate. Leavers are struck off
    by `ballots.leavers`.

    Returns:
        How many were enrolled or moved.
    """
    async with db.transaction():
        await counts.lock_counts(db, ballot_id)
        changed = int((await db.execute(SQL["add_electors"], ballot_id, timeout=STATEMENT_TIMEOUT)).split()[-1])
        if changed:
            await counts.correct_sums(db, ballot_id)
        return changed


async def get_ballot(db: Connection, name: str) -> Ballot:
    """Look up a ballot by its name.

    Raises:
        NotFound: there is none.
    """
    row = await db.fetchrow(SQL["get_ballot"], name)
    if row is None:
        names = await ballot_names(db)
        known = names_instead(name, names) if names else "Make one with: muster ballot create FILE"
        raise NotFound(f"There is no ballot {name}.", remedy=known)
    return Ballot(**{**row, "units": tuple(row["units"])})


async def ballot_names(db: Connection) -> list[str]:
    """List the names of all ballots, the soonest to close first."""
    return [row["name"] for row in await db.fetch(SQL["list_names"])]
