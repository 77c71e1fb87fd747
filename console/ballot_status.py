"""Status of a ballot, as staff read it: the headline, the days, and every branch against the threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from ballots.counts import UnitTurnout, unit_counts
from ballots.score import Score, assess_unit, find_score
from core.answer_phase import AnswerPhase, phase_of
from core.db import Connection, load_queries
from core.errors import NotFound
from core.folding import fold

SQL: Final = load_queries(__file__)

_MIN_LIKENESS: Final = 0.75
DAYS_SHOWN: Final = 14
"""Days of confirmations in the chart."""


@dataclass(frozen=True, slots=True)
class BranchStatus:
    """Status of one unit against the ballot's threshold.

    Attributes:
        name: the unit's own name.
        within: the units above it, `North / Leeds`; empty if there are none.
        score: its counts, judged as the whole ballot is.
        share: confirmed votes as a share of its electorate, 0 to 1.
    """

    name: str
    within: str
    score: Score
    share: float


@dataclass(frozen=True, slots=True)
class Day:
    """Confirmations of one local day."""

    day: date
    confirmed: int


@dataclass(frozen=True, slots=True)
class BallotStatus:
    """Status of a ballot, with its score and its branches.

    Attributes:
        name: its name in commands.
        title: its title for people.
        organisation: the organisation that holds it.
        opens_at, closes_at, last_posting_at, replacement_by: its dates.
        zone: the time zone its dates are written in.
        disaggregated: whether each constituency must reach the threshold by itself.
        kind: the kind of unit it is counted by: branch, workplace …
        score: of the whole ballot.
        branches: branches with members, furthest from the threshold first.
        days: the last days, oldest first, without gaps; empty before the ballot opens.
        phase: `before`, `open` or `closed`.
    """

    name: str
    title: str
    organisation: str
    opens_at: datetime
    closes_at: datetime
    last_posting_at: datetime | None
    replacement_by: datetime | None
    zone: ZoneInfo
    disaggregated: bool
    kind: str
    score: Score
    branches: tuple[BranchStatus, ...]
    days: tuple[Day, ...]
    phase: AnswerPhase

    @property
    def branches_reached(self) -> int:
        """Count branches that have reached the threshold, by `ballots.score`."""
        return sum(branch.score.reached for branch in self.branches)

    @property
    def share(self) -> float:
        """Return confirmed votes as a share of the electorate, 0 to 1."""
        return _share(self.score)


ORDERS: Final[Mapping[str, Callable[[BranchStatus], Any]]] = MappingProxyType(
    {
        "needed": lambda branch: (-branch.score.needed, branch.name.casefold()),
        "name": lambda branch: branch.name.casefold(),
        "electorate": lambda branch: (-branch.score.electorate, branch.name.casefold()),
        "contacted": lambda branch: (_share_of(branch.score.contacted, branch.score), branch.name.casefold()),
        "confirmed": lambda branch: (-branch.score.confirmed, branch.name.casefold()),
        "share": lambda branch: (branch.share, branch.name.casefold()),
    }
)
"""Sort orders of branches; each puts first the branches that its reader looks for. A minus in front reverses it."""

DEFAULT_ORDER: Final = "needed"


async def list_ballots(db: Connection, now: datetime) -> tuple[BallotStatus, ...]:
    """Read the current ballots, without their days."""
    return tuple([await _ballot(db, row, now, with_days=False) for row in await db.fetch(SQL["list_ballots"], now)])


async def find_ballot(db: Connection, name: str, now: datetime) -> BallotStatus:
    """Read one ballot with its days.

    Raises:
        NotFound: no ballot has that name.
    """
    row = await db.fetchrow(SQL["find_ballot"], name)
    if row is None:
        raise NotFound(f"There is no ballot “{name}”.", remedy="The overview lists those that are near.")
    return await _ballot(db, row, now, with_days=True)


def arrange(branches: tuple[BranchStatus, ...], *, order: str, find: str) -> tuple[BranchStatus, ...]:
    """Filter and sort branches; where no name holds what is sought, those whose names are most like it.

    Args:
        branches: all of them.
        order: a key of `ORDERS`, with a minus in front to reverse it; anything else is the default.
        find: part of a branch's name or of a unit above it, in any case, with accents or without.
    """
    matching = [branch for branch in branches if is_named(branch, find)]
    matching = matching or [branch for branch in branches if _is_like(branch, find)]
    return tuple(
        sorted(matching, key=ORDERS.get(order.removeprefix("-"), ORDERS[DEFAULT_ORDER]), reverse=order.startswith("-"))
    )


def is_named(branch: BranchStatus, find: str) -> bool:
    """Tell whether a branch, or a unit above it, has a text in its name; case and accents do not matter."""
    return fold(find).strip() in fold(f"{branch.name} {branch.within}")


def _is_like(branch: BranchStatus, find: str) -> bool:
    """Tell whether the name of a branch, or a word of it, is spelt nearly like a text."""
    name = fold(branch.name)
    return bool(get_close_matches(fold(find).strip(), [name, *name.split()], n=1, cutoff=_MIN_LIKENESS))


async def _ballot(db: Connection, row: asyncpg.Record, now: datetime, *, with_days: bool) -> BallotStatus:
    whole = await find_score(db, row["ballot_id"], now)
    units = await unit_counts(db, row["ballot_id"], row["constituency"])
    branches = tuple(_branch(unit, whole) for unit in units if unit.measures["electorate"])
    zone = ZoneInfo(row["time_zone"])
    return BallotStatus(
        name=row["name"],
        title=row["title"],
        organisation=row["organisation"],
        opens_at=row["opens_at"],
        closes_at=row["closes_at"],
        last_posting_at=row["last_posting_at"],
        replacement_by=row["replacement_by"],
        zone=zone,
        disaggregated=row["disaggregated"],
        kind=row["constituency"],
        score=whole,
        branches=arrange(branches, order=DEFAULT_ORDER, find=""),
        days=await _days(db, row, now, zone) if with_days else (),
        phase=phase_of(row["opens_at"], row["closes_at"], now),
    )


def _branch(unit: UnitTurnout, whole: Score) -> BranchStatus:
    score = assess_unit(unit, whole)
    name = unit.name or "No branch known"
    return BranchStatus(name, unit.path.removesuffix(unit.name).removesuffix(" / "), score, _share(score))


async def _days(db: Connection, row: asyncpg.Record, now: datetime, zone: ZoneInfo) -> tuple[Day, ...]:
    """Read the days from the opening to today or the close, at most the last fourteen."""
    last = min(now, row["closes_at"]).astimezone(zone).date()
    first = max(row["opens_at"].astimezone(zone).date(), last - timedelta(days=DAYS_SHOWN - 1))
    since = now - timedelta(days=DAYS_SHOWN + 21)
    votes_by_day = {
        day_row["day"]: day_row["n"]
        for day_row in await db.fetch(SQL["count_votes_by_day"], row["ballot_id"], zone.key, since)
    }
    return tuple(
        Day(day, votes_by_day.get(day, 0))
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
    )


def _share(score: Score) -> float:
    return _share_of(score.confirmed, score)


def _share_of(part: int, score: Score) -> float:
    return part / score.electorate if score.electorate else 0.0
