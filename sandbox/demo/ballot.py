"""Scenario of a ballot: a union asks its members whether they have voted, by email and then by text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from rich.console import RenderableType
from rich.panel import Panel

from ballots.ballots import Ballot, get_ballot
from ballots.counts import UnitTurnout, find_differences, find_totals, refresh_reach, unit_counts
from ballots.figures import percent, threshold
from ballots.score import Score, assess_unit, find_score, votes_needed
from campaigns.launch import launch, launch_step_now
from core.db import Connection, load_queries
from core.plurals import plural, verb
from sandbox.demo.display import add_others, ends, new_table
from sandbox.demo.environment import Environment, Organisation
from sandbox.demo.progress import DemoProgress
from sandbox.demo.reconcile import Check, People, compare
from sandbox.demo.scenario import ACTOR, HOURS_A_SECOND, MAX_ACTIVE_PEOPLE, Scenario, ScenarioFigures, make_campaign
from sandbox.demo.settling import until_settled
from sandbox.demo.summary import Summary
from sandbox.demo.union import write_union
from sandbox.profile import Profile
from sandbox.record import RecordedStatus

SQL: Final = load_queries(__file__)

CAMPAIGN: Final = Path(__file__).with_name("pay-2026.toml")


class BallotScenario(Scenario):
    """Scenario of a ballot and its campaign of two steps."""

    name: ClassVar = "ballot"
    organisation: ClassVar = Organisation("The Union", "ballot@union.example.org")
    people: ClassVar = 12_000
    population_words: ClassVar = "a union of {people} members"

    def __init__(self) -> None:
        self._ballot: Ballot | None = None

    def profile(self, seed: int) -> Profile:
        """Return how members of a union behave."""
        return Profile(seed=seed, at_once=MAX_ACTIVE_PEOPLE, speed=HOURS_A_SECOND * 3600)

    def write_people(self, path: Path, people: int, seed: int, now: datetime) -> None:  # noqa: ARG002
        """Write the union's file, with branches of about forty members each, at most three hundred."""
        write_union(path, people, max(1, min(300, people // 40)), seed)

    async def play(self, environment: Environment, progress: DemoProgress) -> None:
        """Make the ballot and its campaign, and send both steps."""
        with progress.phase("campaign", f"Making the ballot and its campaign from {CAMPAIGN.name}"):
            campaign = await make_campaign(environment, CAMPAIGN)
            progress.campaigns.append(campaign)
            async with environment.runtime.pool.acquire() as db:
                self._ballot = await get_ballot(db, "pay-2026")
        with progress.phase("emails", "Step 1: an email to all who have one; members read it, press, or ignore it"):
            await launch(environment.runtime, campaign.campaign_id, ACTOR)
            await until_settled(environment)
        with progress.phase("texts", "Step 2, three days later: a text to those who have still not answered"):
            await launch_step_now(environment.runtime, campaign.campaign_id, 2, actor=ACTOR)
            await until_settled(environment)

    async def figures(self, db: Connection) -> ScenarioFigures | None:
        """Return how many votes are confirmed, and how many are needed."""
        if self._ballot is None:
            return None
        counted = await find_totals(db, self._ballot.ballot_id)
        goal = votes_needed(float(self._ballot.threshold), counted["electorate"])
        return ScenarioFigures("confirmed votes", counted["voted"], goal, f"of the {goal:,} needed")

    async def count(self, db: Connection, environment: Environment, people: People) -> tuple[Summary, list[Check]]:
        """Count the voters and the turnout; return `confirmed`, `answers` and `turnout`."""
        assert self._ballot is not None
        ballot_id = self._ballot.ballot_id
        async with db.transaction():
            await refresh_reach(db, ballot_id)
        statuses = await db.fetch(SQL["count_claim_statuses"], ballot_id)
        confirmed = {row["source"]: row["n"] for row in statuses if row["kind"] == "voted"}
        checks = await check_voters(db, ballot_id, environment.sandbox.record.confirmed(), people)
        recounted = len(await find_differences(db, ballot_id))
        summary = {
            "confirmed": {**confirmed, "total": sum(confirmed.values())},
            "answers": _by_kind(statuses),
            "turnout": await _turnout(db, ballot_id, environment.runtime.clock()),
            "scanners_counted": checks[-1].muster,
        }
        return summary, [*checks, Check("turnout: running sums that a full recount contradicts", recounted, 0)]

    def tables(self, summary: Summary) -> Iterable[RenderableType]:
        """Return what members said, and the turnout."""
        table = new_table("What members said", "", "members")
        for source, number in summary["confirmed"].items():
            table.add_row(
                "voted, all routes" if source == "total" else f"voted, by {source.replace('_', ' ')}", f"{number:,}"
            )
        for kind, number in summary["answers"].items():
            if kind != "voted":
                table.add_row(kind.replace("_", " "), f"{number:,}")
        add_others(table, summary)
        yield table
        yield _turnout_panel(summary["turnout"])


async def check_voters(
    db: Connection, ballot_id: int, confirmed: Iterable[RecordedStatus], people: People
) -> list[Check]:
    """Compare the members who count as having voted with the members who said so.

    A link belongs to one member. A text from a shared phone confirms for none of its holders by itself: it waits for a
    person, so it is not expected to count.

    Args:
        db: Muster's database.
        ballot_id: the ballot.
        confirmed: the messages whose final answer is that the member has voted.
        people: who got what.
    """
    voters = {row["person_id"] for row in await db.fetch(SQL["list_voters"], ballot_id)}
    really = {
        (people.by_token(answer.token) if answer.route == "link" else people.by_text[answer.message]).person_id
        for answer in confirmed
        if answer.route == "link" or not people.is_shared(answer.address)
    }
    return [
        compare("voted: members counted are those who said so", Counter(voters), Counter(really)),
        Check("confirmations that only a link scanner made", len(voters - really), 0),
    ]


async def _turnout(db: Connection, ballot_id: int, now: datetime) -> Summary:
    current = await find_score(db, ballot_id, now)
    branches = await unit_counts(db, ballot_id, "branch")
    figures = asdict(current)
    for one_constituency in ("constituencies", "unit_id", "name"):
        del figures[one_constituency]
    return {**figures, "branches": [_branch(unit, current) for unit in branches]}


def _by_kind(statuses: Sequence[Any]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for row in statuses:
        kinds[row["kind"]] += row["n"]
    return dict(kinds)


def _branch(unit: UnitTurnout, whole: Score) -> Summary:
    figures = assess_unit(unit, whole)
    return {
        "name": unit.path,
        "electorate": figures.electorate,
        "confirmed": figures.confirmed,
        "share": figures.confirmed / figures.electorate if figures.electorate else 0.0,
        "reached": figures.reached,
    }


def _turnout_panel(turnout: Summary) -> Panel:
    branches = sorted(turnout["branches"], key=lambda branch: -branch["share"])
    reached = sum(branch["reached"] for branch in branches)
    goal = threshold(turnout["threshold"])
    have_reached = verb(reached, "has", "have")
    confirmed = (
        f"{turnout['confirmed']:,} of {turnout['electorate']:,} {verb(turnout['confirmed'], 'has', 'have')} said"
    )
    shown_branches = plural(len(branches), "branch", "branches")
    more, days = plural(turnout["needed"], "more confirmation"), plural(round(turnout["days_left"]), "day")
    band = f"{turnout['low']:,} to {turnout['high']:,}"
    lines = [
        f"{confirmed} that they voted; {turnout['target']:,} must.",
        f"Estimate {turnout['estimate']:,} ({band}), because people over-report voting.",
        f"{more} needed, {days} left to post.",
        f"{reached:,} of {shown_branches} {have_reached} reached {goal} by estimate. Furthest ahead and behind:",
        *(
            f"  {percent(b['share']):>6}  {b['confirmed']:>4} of {b['electorate']:<4} {b['name']}"
            for b in ends(branches)
        ),
    ]
    return Panel("\n".join(lines), title="Turnout", title_align="left", expand=False)
