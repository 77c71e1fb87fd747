"""Score of a ballot against its threshold: estimate, band, and confirmations still needed.

The only thing known is how many members *say* that they have voted: **confirmed**. It is never called turnout, for two
reasons. People over-report voting (by 13 points, on average over 130 studies that checked what people said against
the records), and most members say nothing at all. So, with `o` the ballot's `over_report` (0.13 by default):

- **estimate** = confirmed * (1 - o). Each confirmation is worth 0.87 of a vote; silent members count as 0.
- **low** = confirmed * (1 - 2o): the studies' average hides studies with twice the gap.
- **high** = confirmed + silent * said * (1 - o), where *silent* are the electors who have said nothing and *said* is
  the share of *voted* among those who have said anything. No correction for those who confirmed, and the silent voted
  as often as those who spoke.

The band is not a confidence interval: it lies between two assumptions, and early in a ballot it is very wide.
The threshold is a **target** in whole votes. It is **reached** when the estimate, unrounded, is not below it; or when
everybody has confirmed and the estimate is not below the threshold's share of them, because in a branch of one member
no more than one confirmation is possible. **needed** is the number of further confirmations until then, never more than
there are members who have not confirmed, so it compares directly with **rate_per_day**, the confirmations a day of the
last seven days. **passed** is said only when even the low end reaches the target. In a disaggregated ballot each
constituency must reach its own target: the whole has reached or passed when every constituency has, and needs the sum
of what they need. How figures are rounded is in `figures.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from ballots.claims import ClaimKind
from ballots.counts import MEASURES, UnitTurnout, find_totals, unit_counts
from core.db import Connection, load_queries
from core.errors import NotFound

SQL: Final = load_queries(__file__)

PACE_WINDOW: Final = timedelta(days=7)
"""Period over which the present rate is measured."""

_ONE_DAY: Final = timedelta(days=1)
_SPOKEN_MEASURES: Final = tuple(kind.value for kind in ClaimKind)


@dataclass(frozen=True, slots=True)
class Score:
    """Score of a ballot, or of one of its constituencies.

    Attributes:
        electorate: members who may vote.
        reachable: of these, members with an address that nothing suppresses.
        reachable_sms: … a mobile number.
        reachable_email: … an email address.
        contacted: members with at least one message that a provider accepted.
        confirmed: members whose status is *voted*; self-reported, not turnout.
        estimate: votes to expect from the confirmations, rounded, but never up to a target that is not reached.
        low: the low end of the band, in votes.
        high: the high end of the band, in votes.
        over_report: the correction that was applied, 0.13 for 13 points.
        threshold: the share of the electorate that must vote.
        target: the threshold in votes.
        reached: the estimate has reached the target, in every constituency that must pass by itself.
        needed: further confirmations until then, at most as many as are missing; 0 when it is reached.
        days_left: until the last safe posting day, or the close; before the opening, the whole time.
        needed_per_day: confirmations; None when there is no time left or nothing is needed.
        rate_per_day: confirmations a day in the last seven days, or since the opening if that is less.
        projection: the estimate at the end, if the rate stays as it is.
        passed: even the low end reaches the target, in every constituency that must pass by itself.
        unit_id: the constituency, None for the whole ballot.
        name: the constituency's name, empty for the whole ballot.
        constituencies: of a disaggregated ballot, each with its own score; members without one come last.
    """

    electorate: int
    reachable: int
    reachable_sms: int
    reachable_email: int
    contacted: int
    confirmed: int
    estimate: int
    low: int
    high: int
    over_report: float
    threshold: float
    target: int
    reached: bool
    needed: int
    days_left: float
    needed_per_day: float | None
    rate_per_day: float
    projection: int
    passed: bool
    unit_id: int | None = None
    name: str = ""
    constituencies: tuple[Score, ...] = ()

    @property
    def estimated(self) -> float:
        """Return the estimate, unrounded."""
        return self.confirmed * (1 - self.over_report)


@dataclass(frozen=True, slots=True)
class ScoreTerms:
    """Terms a ballot is scored by at a moment.

    Attributes:
        threshold: share of the electorate that must vote, above 0 and up to 1.
        over_report: share of confirmations that were no votes.
        days_left: days in which a vote can still be posted.
        window: days the rate is taken over.
    """

    threshold: float
    over_report: float
    days_left: float
    window: float


async def find_score(db: Connection, ballot_id: int, now: datetime) -> Score:
    """Score a ballot.

    Args:
        db: a connection.
        ballot_id: the ballot.
        now: the time it is scored at.

    Raises:
        NotFound: no such ballot.
    """
    ballot = await db.fetchrow(SQL["read_ballot"], ballot_id)
    if ballot is None:
        raise NotFound(f"There is no ballot {ballot_id}.")
    terms = _terms(ballot, now)
    rows = await db.fetch(SQL["count_recent_confirmations"], ballot_id, now - PACE_WINDOW)
    recent = {row["unit_id"]: row["n"] for row in rows}
    whole = assess(await find_totals(db, ballot_id), sum(recent.values()), terms)
    if not ballot["disaggregated"]:
        return whole
    kind = ballot["constituency"]
    by_constituency = await _recent_by_constituency(db, kind, recent)
    each = tuple(
        _of_unit(unit, assess(unit.measures, by_constituency.get(unit.unit_id, 0), terms))
        for unit in await unit_counts(db, ballot_id, kind)
    )
    judged = [
        constituency for constituency in each if constituency.unit_id is not None
    ]  # members without a constituency count in none
    needed = sum(constituency.needed for constituency in judged)
    return replace(
        whole,
        reached=bool(judged) and all(constituency.reached for constituency in judged),
        needed=needed,
        needed_per_day=_per_day(needed, terms.days_left),
        passed=bool(judged) and all(constituency.passed for constituency in judged),
        constituencies=each,
    )


def votes_needed(threshold: float, electorate: int) -> int:
    """Return how many whole votes reach a threshold: rounded up, since 6,000 of 12,001 are not half of them."""
    return math.ceil(round(threshold * electorate, 6))


def assess(measures: Mapping[str, int], recent: int, terms: ScoreTerms) -> Score:
    """Score one set of counts; the formulas are in this module's docstring.

    Args:
        measures: `electorate`, `reachable` …, and the number of members with each status.
        recent: confirmations within the window.
        terms: threshold, correction and time left.
    """
    counts = {measure: measures.get(measure, 0) for measure in MEASURES}
    electorate, confirmed = counts["electorate"], counts[ClaimKind.VOTED]
    worth = 1 - terms.over_report
    spoken = sum(counts[kind] for kind in _SPOKEN_MEASURES)
    voted_share = confirmed / spoken if spoken else 1.0
    estimate = confirmed * worth
    target = votes_needed(terms.threshold, electorate)
    missing = electorate - confirmed
    goal = target if missing > 0 else terms.threshold * electorate
    reached = electorate > 0 and round(estimate - goal, 6) >= 0
    needed = 0 if reached else max(0, min(missing, math.ceil(round((target - estimate) / worth, 6))))
    rate = recent / terms.window
    low = math.floor(confirmed * max(0.0, 1 - 2 * terms.over_report))
    return Score(
        electorate=electorate,
        reachable=counts["reachable"],
        reachable_sms=counts["reachable_sms"],
        reachable_email=counts["reachable_email"],
        contacted=counts["contacted"],
        confirmed=confirmed,
        estimate=_rounded(estimate, None if reached else target),
        low=low,
        high=min(electorate, math.ceil(confirmed + (electorate - spoken) * voted_share * worth)),
        over_report=terms.over_report,
        threshold=terms.threshold,
        target=target,
        reached=reached,
        needed=needed,
        days_left=terms.days_left,
        needed_per_day=_per_day(needed, terms.days_left),
        rate_per_day=rate,
        projection=min(electorate, _rounded(estimate + rate * worth * terms.days_left, None if reached else target)),
        passed=electorate > 0 and low >= target,
    )


def assess_unit(unit: UnitTurnout, whole: Score) -> Score:
    """Score a unit by the terms of the whole ballot. Its own rate is not known, so it counts as 0.

    Args:
        unit: its counts.
        whole: the ballot's score.
    """
    terms = ScoreTerms(whole.threshold, whole.over_report, whole.days_left, window=1.0)
    return _of_unit(unit, assess(unit.measures, 0, terms))


def _rounded(votes: float, target: int | None) -> int:
    """Round votes to the nearest whole one, but not up to a target that they have not reached."""
    return target - 1 if target is not None and round(votes, 6) < target <= round(votes) else round(votes)


def _terms(ballot: asyncpg.Record, now: datetime) -> ScoreTerms:
    opens, closes = ballot["opens_at"], ballot["closes_at"]
    end = min(ballot["last_posting_at"] or closes, closes)
    return ScoreTerms(
        threshold=float(ballot["threshold"]),
        over_report=float(ballot["over_report"]),
        days_left=max(0.0, (end - max(now, opens)) / _ONE_DAY),
        window=min(PACE_WINDOW, max(now - opens, _ONE_DAY)) / _ONE_DAY,
    )


def _per_day(needed: int, days_left: float) -> float | None:
    return needed / days_left if needed and days_left else None


async def _recent_by_constituency(
    db: Connection, kind: str, recent: Mapping[int | None, int]
) -> Mapping[int | None, int]:
    places = {row["unit_id"]: row["constituency_id"] for row in await db.fetch(SQL["find_constituencies"], kind)}
    sums: defaultdict[int | None, int] = defaultdict(int)
    for unit_id, n in recent.items():
        sums[places.get(unit_id)] += n
    return sums


def _of_unit(unit: UnitTurnout, result: Score) -> Score:
    return replace(result, unit_id=unit.unit_id, name=unit.name or "no constituency")
