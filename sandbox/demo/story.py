"""Story of the demo: import members, send the steps, let people answer, count, and reconcile with the record."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from ballots.ballots import Ballot, create_ballot
from ballots.counts import refresh
from ballots.spec import load_ballot_spec
from campaigns.campaigns import Campaign, create_campaign
from campaigns.launch import launch, launch_step_now
from campaigns.spec import load_campaign_spec
from campaigns.variables import RESERVED
from core.db import connect, load_queries
from core.errors import Unavailable
from core.plurals import plural
from people.imports.imports import import_people
from people.imports.report import ImportReport
from sandbox.demo.home import new_demo_home
from sandbox.demo.host import Host
from sandbox.demo.reconcile import reconcile
from sandbox.demo.stage import Stage, open_stage
from sandbox.demo.summary import Summary, summarise
from sandbox.demo.union import write_union
from sandbox.profile import Profile

SQL = load_queries(__file__)

SPEC: Final = Path(__file__).with_name("pay-2026.toml")
WRITTEN_ON: Final = date(2026, 11, 22)
"""Day for which the dates in the spec were written."""

ACTOR: Final = "demo"
HOURS_A_SECOND: Final = 8.0
"""Hours of the members' time in a second: they think for two hours on average, and twelve at the longest."""
QUIET_LOOKS: Final = 2
"""Checks in a row that must find nothing left to do before a scene is over."""
STUCK_AFTER: Final = 120.0
"""Seconds without any change after which the demo gives up."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a demo.

    Attributes:
        home: MUSTER_HOME; the demo has a folder of its own in it.
        members: how many members to make up.
        file: a member file to use instead.
        seed: of the members' behaviour; the same seed gives the same behaviour.
    """

    home: Path
    members: int = 12_000
    file: Path | None = None
    seed: int = 1


@dataclass(slots=True)
class Scene:
    """State of the running demo, for a display.

    Attributes:
        say: called with the title of each scene as it begins.
        title: the current scene's title.
        stage: the stage it runs on; None before the servers are up.
        campaign: None before it is made.
        ballot: None before it is made.
        rows: rows of the member file read so far, and in all where that is known.
        seconds: duration of each finished scene.
    """

    say: Callable[[str], None]
    title: str = ""
    stage: Stage | None = None
    campaign: Campaign | None = None
    ballot: Ballot | None = None
    rows: tuple[int, int | None] = (0, None)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def act(self, name: str, title: str) -> Iterator[None]:
        """Run one scene, and measure its time."""
        self.title = title
        self.say(title)
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)


async def play(options: Options, scene: Scene, host: Host) -> Summary:
    """Run the whole demo.

    Args:
        options: its options.
        scene: its state, kept up to date for a display.
        host: the demo's host.

    Returns:
        The summary; `reconciled` says whether every count agrees with the sandbox's record.

    Raises:
        MusterError: the demo could not be finished.
    """
    with scene.act("servers", "Starting PostgreSQL, Valkey, a web server, a worker and the sandbox"):
        curtain = open_stage(
            new_demo_home(options.home, host),
            Profile(seed=options.seed, at_once=24, speed=HOURS_A_SECOND * 3600),
            host,
        )
        stage = scene.stage = await curtain.__aenter__()
    try:
        report = await _bring_in_members(options, scene, stage)
        ballot, campaign = await _prepare(scene, stage)
        with scene.act("emails", "Step 1: an email to everybody who has one; members read it, press, or ignore it"):
            await launch(stage.runtime, campaign.campaign_id, ACTOR)
            await until_settled(stage, campaign)
        with scene.act("texts", "Step 2, three days later: a text to those who have still not answered"):
            await launch_step_now(stage.runtime, campaign.campaign_id, 2, actor=ACTOR)
            await until_settled(stage, campaign)
        with scene.act("counting", "Counting, and comparing every count with the sandbox's own record"):
            summary = await _count(stage, ballot, campaign, report)
    finally:
        await curtain.__aexit__(None, None, None)
    return {**summary, "seconds": {**scene.seconds, "total": round(sum(scene.seconds.values()), 2)}}


async def _bring_in_members(options: Options, scene: Scene, stage: Stage) -> ImportReport:
    path = options.file
    if path is None:
        path = stage.home / "members.csv"
        with scene.act("members", f"Making up a union of {plural(options.members, 'member')}"):
            await asyncio.to_thread(write_union, path, options.members, _branches(options.members), options.seed)

    def progress(rows: int, total: int | None) -> None:
        scene.rows = rows, total

    with scene.act("import", f"Importing {path.name}"):
        settings = stage.runtime.settings
        return await import_people(
            stage.runtime.pool,
            path,
            reserved=RESERVED,
            actor=ACTOR,
            region=settings.sms_region,
            time_zone=settings.time_zone,
            progress=progress,
        )


def _branches(members: int) -> int:
    """Return how many branches to make: of about forty members each, at most three hundred."""
    return max(1, min(300, members // 40))


async def _prepare(scene: Scene, stage: Stage) -> tuple[Ballot, Campaign]:
    with scene.act("campaign", "Making the ballot and its campaign from pay-2026.toml"):
        spec = stage.home / SPEC.name
        spec.write_text(shifted(SPEC.read_text(encoding="utf-8"), stage.runtime.clock().date()), encoding="utf-8")
        async with stage.runtime.pool.acquire() as db, db.transaction():
            ballot = scene.ballot = await create_ballot(db, load_ballot_spec(spec))
        at_any_hour = load_campaign_spec(spec).model_copy(update={"quiet_hours": "none"})  # a demo may run at night
        campaign = scene.campaign = await create_campaign(stage.runtime, at_any_hour, ACTOR)
        return ballot, campaign


def shifted(spec: str, today: date) -> str:
    """Shift the spec's dates to be as far from today as they were from the day it was written."""
    shift = today - WRITTEN_ON
    return re.sub(r"\d{4}-\d\d-\d\d(?=T)", lambda day: str(date.fromisoformat(day[0]) + shift), spec)


async def until_settled(stage: Stage, campaign: Campaign) -> None:
    """Wait until everything is sent, all members have acted, and Muster has processed everything.

    Raises:
        Unavailable: a process died, or nothing has changed for two minutes.
    """
    quiet, last, changed_at = 0, (-1, -1, -1), time.monotonic()
    while quiet < QUIET_LOOKS:
        stage.check()
        pending = await stage.runtime.pool.fetchrow(SQL["count_waiting"], campaign.campaign_id)
        assert pending is not None
        now = pending["outbox"], pending["inbox"], sum(stage.sandbox.pending.values())
        quiet = 0 if any(now) else quiet + 1
        if now != last:
            last, changed_at = now, time.monotonic()
        elif any(now) and time.monotonic() - changed_at > STUCK_AFTER:
            left = f"{now[0]} to send, {now[1]} to read, {now[2]} to happen"
            raise Unavailable(
                f"Nothing has moved for {STUCK_AFTER:.0f} seconds: {left}.",
                remedy=f"See worker.log and serve.log in {stage.home}.",
            )
        await asyncio.sleep(0.4)


async def _count(stage: Stage, ballot: Ballot, campaign: Campaign, report: ImportReport) -> Summary:
    assert stage.runtime.settings.database_url is not None
    db = await connect(stage.runtime.settings.database_url)  # its queries read whole tables
    try:
        async with db.transaction():
            await refresh(db, ballot.ballot_id)
        checks = await reconcile(db, campaign.campaign_id, ballot.ballot_id, stage.sandbox)
        return await summarise(db, stage, ballot, campaign, report, checks)
    finally:
        await db.close()
