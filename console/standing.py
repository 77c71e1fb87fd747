"""How a ballot stands, as staff read it: the headline, the days, and every branch against the threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from ballots.counts import UnitTurnout, unit_counts
from ballots.score import Score, judge_unit, score
from core.db import Connection, load_queries
from core.errors import NotFound

SQL = load_queries(__file__)

DAYS_SHOWN: Final = 14
"""How many days of confirmations the chart goes back."""


@dataclass(frozen=True, slots=True)
class BranchStatus:
    """One unit of the ballot against its threshold.

    Attributes:
        name: the unit's own name.
        within: the units above it, `North / Leeds`; empty where there are none.
        score: its counts, judged as the whole ballot is.
        share: confirmed as a share of its electorate, 0 to 1.
    """

    name: str
    within: str
    score: Score
    share: float


@dataclass(frozen=True, slots=True)
class Day:
    """Confirmations on one local day."""

    day: date
    confirmed: int


@dataclass(frozen=True, slots=True)
class BallotStatus:
    """A ballot, its score, and its branches.

    Attributes:
        name: what commands call it.
        title: what people call it.
        organisation: whose ballot it is.
        opens_at, closes_at, last_posting_at, replacement_by: its dates.
        zone: the time zone its dates are written in.
        disaggregated: each constituency must pass by itself.
        kind: the kind of unit it is counted by: branch, workplace …
        score: of the whole.
        branches: those with members, furthest from the threshold first.
        days: the last days, oldest first, none left out; empty before the ballot opens.
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
    phase: str

    @property
    def there(self) -> int:
        """Branches that have reached the threshold, as `ballots.score` judges it."""
        return sum(branch.score.reached for branch in self.branches)

    @property
    def share(self) -> float:
        """Confirmed as a share of the electorate, 0 to 1."""
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
"""The ways to sort branches, each with those first that its reader looks for. A minus in front turns it round."""

DEFAULT_ORDER: Final = "needed"


async def ballots(db: Connection, now: datetime) -> tuple[BallotStatus, ...]:
    """The ballots that are near, without their days."""
    return tuple([await _ballot(db, row, now, with_days=False) for row in await db.fetch(SQL["ballots"], now)])


async def ballot(db: Connection, name: str, now: datetime) -> BallotStatus:
    """One ballot.

    Raises:
        NotFound: no ballot has that name.
    """
    row = await db.fetchrow(SQL["ballot"], name)
    if row is None:
        raise NotFound(f"There is no ballot “{name}”.", remedy="The overview lists those that are near.")
    return await _ballot(db, row, now, with_days=True)


def arrange(branches: tuple[BranchStatus, ...], *, order: str, find: str) -> tuple[BranchStatus, ...]:
    """The branches somebody asked for.

    Args:
        branches: all of them.
        order: a key of `ORDERS`, with a minus in front to turn it round; anything else is the default.
        find: part of a branch's name or of a unit above it, in any case.
    """
    wanted = find.casefold().strip()
    found = [one for one in branches if wanted in f"{one.name} {one.within}".casefold()]
    return tuple(
        sorted(found, key=ORDERS.get(order.removeprefix("-"), ORDERS[DEFAULT_ORDER]), reverse=order.startswith("-"))
    )


async def _ballot(db: Connection, row: asyncpg.Record, now: datetime, *, with_days: bool) -> BallotStatus:
    whole = await score(db, row["ballot_id"], now)
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
        phase="before" if now < row["opens_at"] else "open" if now < row["closes_at"] else "closed",
    )


def _branch(unit: UnitTurnout, whole: Score) -> BranchStatus:
    judged = judge_unit(unit, whole)
    name = unit.name or "No branch known"
    return BranchStatus(name, unit.path.removesuffix(unit.name).removesuffix(" / "), judged, _share(judged))


async def _days(db: Connection, row: asyncpg.Record, now: datetime, zone: ZoneInfo) -> tuple[Day, ...]:
    """The days from the opening, or the last fourteen, to today or the close."""
    last = min(now, row["closes_at"]).astimezone(zone).date()
    first = max(row["opens_at"].astimezone(zone).date(), last - timedelta(days=DAYS_SHOWN - 1))
    since = now - timedelta(days=DAYS_SHOWN + 21)
    said = {one["day"]: one["n"] for one in await db.fetch(SQL["by_day"], row["ballot_id"], zone.key, since)}
    return tuple(
        Day(day, said.get(day, 0)) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
    )


def _share(judged: Score) -> float:
    return _share_of(judged.confirmed, judged)


def _share_of(part: int, judged: Score) -> float:
    return part / judged.electorate if judged.electorate else 0.0
