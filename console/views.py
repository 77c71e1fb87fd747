"""Views of live pages: each is a set of sections, made the same way for a page and for its updates."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from markupsafe import Markup

from ballots.figures import format_number
from console import attention, ballot_status, progress
from console.rendering import render
from console.words import CAMPAIGN_STATES, code_in_words
from core.access import ReadScope
from core.alerts import open_alerts
from core.db import Connection
from core.plurals import plural
from core.runtime import Runtime
from people.scope import ScopedPools
from people.units import unit_paths

MAX_UNITS: Final = 3
"""Most units that a page names as the scope of its figures; if there are more, only their number is shown."""
T = TypeVar("T")
_Key = tuple[str, str, ReadScope]
"""Kind of a page, the name of its campaign or ballot, and what its readers see."""


@dataclass(frozen=True, slots=True)
class Section:
    """Section of a page, replaced as a whole when it changes.

    Attributes:
        name: its id in the page.
        html: its content.
        digest: changes when the html does.
    """

    name: str
    html: Markup
    digest: str


@dataclass(frozen=True, slots=True)
class PageState:
    """Sections of a page at one moment.

    Attributes:
        summary: one line that sums up the page, for a screen reader.
        sections: the sections by name, in the order of the page.
        facts: the data they were made from.
        replies: ids of the replies that they show.
    """

    summary: str
    sections: dict[str, Section]
    facts: dict[str, Any]
    replies: frozenset[int] = frozenset()


class View(Protocol):
    """View of a page; equal views share their updates."""

    @property
    def stream(self) -> str:
        """Path of the stream of its updates."""

    @property
    def template(self) -> str:
        """Name of the page's template."""

    @property
    def sections(self) -> tuple[str, ...]:
        """Names of its sections' templates."""

    async def gather(self, figures: Figures, scope: ReadScope) -> tuple[str, dict[str, Any]]:
        """Return its summary and the variables of its sections."""


class Figures:
    """Figures of the pages, read from the database at most once in `max_age`, however many viewers see the same.

    Figures that were read for one scope are never shown to a reader of another.

    Args:
        runtime: has the settings and the clock.
        pools: open the transactions that see what a reader may.
        max_age: seconds for which figures are reused.
    """

    def __init__(self, runtime: Runtime, pools: ScopedPools, *, max_age: float = 1.0) -> None:
        self.runtime = runtime
        self._pools = pools
        self._max_age = max_age
        self._kept: dict[_Key, tuple[float, Any]] = {}
        self._reading: dict[_Key, asyncio.Task[Any]] = {}

    async def overview(self, scope: ReadScope) -> dict[str, Any]:
        """Read everything on the first page."""
        return await self._once(("overview", "", scope), lambda db: self._read_overview(db, scope))

    async def campaign(self, name: str, scope: ReadScope) -> progress.CampaignProgress:
        """Read one campaign, by step and channel."""
        now = self.runtime.clock
        return await self._once(("campaign", name, scope), lambda db: progress.find_campaign(db, name, now()))

    async def ballot(self, name: str, scope: ReadScope) -> ballot_status.BallotStatus:
        """Read one ballot with all its branches."""
        now = self.runtime.clock
        return await self._once(("ballot", name, scope), lambda db: ballot_status.find_ballot(db, name, now()))

    async def part(self, scope: ReadScope) -> str:
        """Name the part of the organisation that figures are of, such as `North`; empty if they are of all of it."""
        if scope.people.is_everywhere:
            return ""
        paths = await self._once(("part", "", scope), lambda db: unit_paths(db, scope.people.unit_ids))
        if len(paths) > MAX_UNITS:
            paths = [*paths[: MAX_UNITS - 1], f"{len(paths) - MAX_UNITS + 1} more"]
        return " and ".join(filter(None, (", ".join(paths[:-1]), *paths[-1:])))

    async def _read_overview(self, db: Connection, scope: ReadScope) -> dict[str, Any]:
        shown, others = await progress.list_campaigns(db, self.runtime.clock())
        # the first steps of an installation are for staff who look after all of it
        whole = scope.people.is_everywhere and scope.commands
        setup = await progress.find_setup_state(db)
        return {
            "setup": setup if whole else None,
            "has_ballot": setup.has_ballot,
            "campaigns": shown,
            "others": others,
            "ballots": await ballot_status.list_ballots(db, self.runtime.clock()),
            "alerts": await open_alerts(db),
            "replies": await attention.find_waiting_replies(db),
        }

    async def _once(self, key: _Key, read: Callable[[Connection], Awaitable[T]]) -> T:
        """Return recent figures, or join a read in progress, or start a new one."""
        kept = self._kept.get(key)
        if kept is not None and asyncio.get_running_loop().time() - kept[0] < self._max_age:
            return cast("T", kept[1])
        if (reading := self._reading.get(key)) is None:
            reading = self._reading[key] = asyncio.create_task(self._read(key[2], read))
            reading.add_done_callback(lambda done: self._keep(key, done))
        # the viewer that started the read may leave; the others still wait for it
        return cast("T", await asyncio.shield(reading))

    async def _read(self, scope: ReadScope, read: Callable[[Connection], Awaitable[Any]]) -> Any:
        async with self._pools.within(scope) as db:
            return await read(db)

    def _keep(self, key: _Key, done: asyncio.Task[Any]) -> None:
        del self._reading[key]
        now = asyncio.get_running_loop().time()
        for old in [kept for kept, (read_at, _) in self._kept.items() if now - read_at >= self._max_age]:
            del self._kept[old]
        if not done.cancelled() and done.exception() is None:
            self._kept[key] = (now, done.result())


async def read_page_state(view: View, figures: Figures, scope: ReadScope) -> PageState:
    """Make a page's sections from current figures.

    Args:
        view: the page.
        figures: the figures of all pages.
        scope: what its reader sees.

    Raises:
        NotFound: there is no campaign or ballot of that name.
    """
    summary, facts = await view.gather(figures, scope)
    runtime = figures.runtime
    facts |= {
        "now": runtime.clock(), "settings": runtime.settings, "part_of": await figures.part(scope),
        "commands": scope.commands,
    }  # fmt: skip
    zone = ZoneInfo(runtime.settings.time_zone)
    sections = {section.name: section for section in (_section(name, facts, zone) for name in view.sections)}
    replies = frozenset(reply.reply_id for reply in facts["replies"].shown) if "replies" in facts else frozenset()
    return PageState(summary, sections, facts, replies)


def _section(template: str, facts: dict[str, Any], zone: ZoneInfo) -> Section:
    html = render(template, zone=zone, **facts)
    return Section(template.rpartition("/")[2], html, hashlib.sha256(html.encode()).hexdigest()[:12])


@dataclass(frozen=True, slots=True)
class OverviewView:
    """View of the first page."""

    template = "overview"
    sections = ("overview/alerts", "overview/ballots", "overview/campaigns", "overview/replies")

    @property
    def stream(self) -> str:
        """Path of the stream of its updates."""
        return "/console/live/overview"

    async def gather(self, figures: Figures, scope: ReadScope) -> tuple[str, dict[str, Any]]:
        """Return the status of the ballots and campaigns, and what needs a person."""
        facts = dict(await figures.overview(scope))
        sentences = [
            f"{ballot.title}: {format_number(ballot.score.confirmed)} of"
            f" {format_number(ballot.score.electorate)} confirmed."
            for ballot in facts["ballots"]
            if ballot.phase == "open"
        ]
        running = sum(1 for campaign in facts["campaigns"] if campaign.state == "running")
        answering = sum(1 for campaign in facts["campaigns"] if campaign.answers_until)
        if running or not answering:
            sentences.append(f"{plural(running, 'campaign')} running." if running else "No campaign is running.")
        if answering:
            sentences.append(f"{plural(answering, 'campaign is', 'campaigns are')} sent, and answers come in.")
        waiting = facts["replies"].waiting
        if waiting:
            sentences.append(f"{plural(waiting, 'reply needs', 'replies need')} a person.")
        if facts["alerts"]:
            sentences.append(f"{plural(len(facts['alerts']), 'problem')} to look at.")
        return " ".join(sentences), facts


@dataclass(frozen=True, slots=True)
class CampaignView:
    """View of one campaign.

    Attributes:
        name: which.
    """

    name: str
    template = "campaign"
    sections = ("campaign/head", "campaign/answers", "campaign/steps")

    @property
    def stream(self) -> str:
        """Path of the stream of its updates."""
        return f"/console/live/campaigns/{quote(self.name, safe='')}"

    async def gather(self, figures: Figures, scope: ReadScope) -> tuple[str, dict[str, Any]]:
        """Return the progress of its steps."""
        campaign = await figures.campaign(self.name, scope)
        state = (
            "all sent, and answers come in"
            if campaign.answers_until
            else code_in_words(CAMPAIGN_STATES, campaign.state)
        )
        sentences = [f"{campaign.title}: {state.lower()}."]
        sentences += [
            f"Step {step.position}: {format_number(step.handled)} of {format_number(step.total)} done."
            for step in campaign.steps
            if step.total
        ]
        if campaign.answers is not None:
            sentences.append(f"{plural(sum(campaign.answers.everybody), 'person has', 'people have')} answered.")
        return " ".join(sentences), {"campaign": campaign}


@dataclass(frozen=True, slots=True)
class BallotView:
    """View of one ballot, with its branches sorted and filtered.

    Attributes:
        name: which.
        sort: see `console.ballot_status.arrange`.
        find: part of a branch's name.
    """

    name: str
    sort: str = ballot_status.DEFAULT_ORDER
    find: str = ""
    template = "ballot"
    sections = ("ballot/head", "ballot/branches")

    @property
    def stream(self) -> str:
        """Path of the stream of its updates."""
        return f"/console/live/ballots/{quote(self.name, safe='')}?{urlencode({'sort': self.sort, 'find': self.find})}"

    async def gather(self, figures: Figures, scope: ReadScope) -> tuple[str, dict[str, Any]]:
        """Return its status, as a whole and by branch."""
        ballot = await figures.ballot(self.name, scope)
        summary = (
            f"{ballot.title}: {format_number(ballot.score.confirmed)} of"
            f" {format_number(ballot.score.electorate)} confirmed, "
            f"{format_number(ballot.score.needed)} more needed."
        )
        branches = ballot_status.arrange(ballot.branches, order=self.sort, find=self.find)
        guessed = bool(self.find) and not any(ballot_status.is_named(branch, self.find) for branch in branches)
        return summary, {
            "ballot": ballot, "branches": branches, "sort": self.sort, "find": self.find, "guessed": guessed,
        }  # fmt: skip
