"""Scenario of a demo: import people, send the steps, let people answer, count, and reconcile with the record."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from rich.console import RenderableType

from campaigns.campaigns import Campaign, create_campaign
from campaigns.spec import load_campaign_file
from campaigns.variables import RESERVED
from core.access import Actor, ActorKind
from core.db import Connection, connect
from people.imports.imports import ImportOptions, import_people
from people.imports.mapping import ColumnMapping
from people.imports.report import ImportReport
from sandbox.demo.environment import Environment, Organisation, open_environment
from sandbox.demo.home import new_demo_home
from sandbox.demo.host import Host
from sandbox.demo.progress import DemoProgress
from sandbox.demo.reconcile import Check, People, check_delivery
from sandbox.demo.summary import Summary, summarise
from sandbox.profile import Profile

WRITTEN_ON: Final = date(2026, 11, 22)
"""Day for which the dates in the campaign files were written."""
ACTOR: Final = Actor(ActorKind.OPERATOR, "demo")
HOURS_A_SECOND: Final = 8.0
"""Hours of the members' time in a second: they think for two hours on average, and twelve at the longest."""
MAX_ACTIVE_PEOPLE: Final = 12
"""Most people, and most scanners, who act at the same time. With many more, a slow machine keeps a scanner waiting for
its page for so long that it seems to have read it."""


@dataclass(frozen=True, slots=True)
class ScenarioFigures:
    """Progress of a demo towards its goal, as a bar shows it.

    Attributes:
        label: what is counted.
        done: how much of it there is.
        wanted: how much there may be, or should.
        words: the words behind the number.
    """

    label: str
    done: int
    wanted: int
    words: str


class Scenario(ABC):
    """Scenario that a demo plays: its campaign, its people, and its counts."""

    name: ClassVar[str]
    organisation: ClassVar[Organisation]
    people: ClassVar[int]
    """How many people are made up, unless somebody says otherwise."""
    population_words: ClassVar[str]
    """All of them, in words: a union of 12,000 members."""
    mapping: ClassVar[ColumnMapping] = ColumnMapping()
    """Meaning of columns of the made-up file whose names do not say."""

    @abstractmethod
    def profile(self, seed: int) -> Profile:
        """Return how people behave."""

    @abstractmethod
    def write_people(self, path: Path, people: int, seed: int, now: datetime) -> None:
        """Write the made-up member file; `now` is on the people's clock."""

    @abstractmethod
    async def play(self, environment: Environment, progress: DemoProgress) -> None:
        """Play the phases after the import, each until it has settled."""

    @abstractmethod
    async def figures(self, db: Connection) -> ScenarioFigures | None:
        """Return how far it is; None before there is anything to count."""

    @abstractmethod
    async def count(self, db: Connection, environment: Environment, people: People) -> tuple[Summary, list[Check]]:
        """Count what only this scenario has; return its part of the summary, and the comparisons with the record."""

    @abstractmethod
    def tables(self, summary: Summary) -> Iterable[RenderableType]:
        """Return the tables of what only this scenario has."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a demo.

    Attributes:
        home: MUSTER_HOME; the demo has a folder of its own in it.
        people: how many people to make up; None for as many as the scenario has.
        file: a member file to use instead.
        seed: of the people's behaviour; the same seed gives the same behaviour.
    """

    home: Path
    people: int | None = None
    file: Path | None = None
    seed: int = 1


async def play(scenario: Scenario, options: Options, progress: DemoProgress, host: Host) -> Summary:
    """Run the whole demo.

    Args:
        scenario: what it plays.
        options: its options.
        progress: its state, kept up to date for a display.
        host: the demo's host.

    Returns:
        The summary; `reconciled` says whether every count agrees with the sandbox's record.

    Raises:
        MusterError: the demo could not be finished.
    """
    async with AsyncExitStack() as stack:
        with progress.phase("servers", "Starting PostgreSQL, Valkey, a web server, a worker and the sandbox"):
            home = new_demo_home(options.home, host)
            environment = progress.environment = await stack.enter_async_context(
                open_environment(home, scenario.profile(options.seed), host, scenario.organisation)
            )
        report = await _bring_in_people(scenario, options, progress, environment)
        await scenario.play(environment, progress)
        with progress.phase("counting", "Counting, and comparing every count with the sandbox's own record"):
            summary = await _count(scenario, environment, progress.campaigns, report)
    return {**summary, "seconds": {**progress.seconds, "total": round(sum(progress.seconds.values()), 2)}}


async def _bring_in_people(
    scenario: Scenario, options: Options, progress: DemoProgress, environment: Environment
) -> ImportReport:
    path, mapping, settings = options.file, ColumnMapping(), environment.runtime.settings
    if path is None:
        path, mapping = environment.home / "members.csv", scenario.mapping
        people = scenario.people if options.people is None else options.people
        with progress.phase("members", f"Making up {scenario.population_words.format(people=f'{people:,}')}"):
            here = environment.runtime.clock().astimezone(ZoneInfo(settings.time_zone))
            await asyncio.to_thread(scenario.write_people, path, people, options.seed, here)

    def note_rows(rows: int, total: int | None) -> None:
        progress.rows = rows, total

    with progress.phase("import", f"Importing {path.name}"):
        return await import_people(
            environment.runtime.pool,
            path,
            ImportOptions(
                reserved=RESERVED,
                mapping=mapping,
                region=settings.sms_region,
                time_zone=settings.time_zone,
            ),
            actor=ACTOR,
            progress=note_rows,
        )


async def make_campaign(environment: Environment, file: Path) -> Campaign:
    """Make the campaign of a file and what it asks about, with the file's dates shifted to the present.

    Its messages go at any hour, because a demo may run at night.
    """
    spec, own = load_campaign_file(
        _copy_shifted(file, environment.home / file.name, environment.runtime.clock().date())
    )
    return await create_campaign(environment.runtime, spec.model_copy(update={"quiet_hours": "none"}), ACTOR, own=own)


def _copy_shifted(file: Path, copy: Path, today: date) -> Path:
    copy.write_text(shifted(file.read_text(encoding="utf-8"), today), encoding="utf-8")
    return copy


def shifted(spec: str, today: date) -> str:
    """Shift the spec's dates to be as far from today as they were from the day it was written."""
    shift = today - WRITTEN_ON
    return re.sub(r"\d{4}-\d\d-\d\d(?=T)", lambda day: str(date.fromisoformat(day[0]) + shift), spec)


async def _count(
    scenario: Scenario, environment: Environment, campaigns: list[Campaign], report: ImportReport
) -> Summary:
    assert environment.runtime.settings.database_url is not None
    db = await connect(environment.runtime.settings.database_url)  # its queries read whole tables
    try:
        people = await People.load(db, environment.runtime.keyring)
        checks = await check_delivery(db, environment.sandbox, people)
        own, more = await scenario.count(db, environment, people)
        return await summarise(db, environment, campaigns, report, [*checks, *more], own)
    finally:
        await db.close()
