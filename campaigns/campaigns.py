"""A campaign: whom it asks, in which steps, and where it is in its life.

```
draft ──launch──► running ◄──pause / resume──► paused
  │                 │  └──every step finished──► finished
  └──────cancel─────┴──cancel──► cancelled
```

Everything that can be known to be wrong is found when a campaign is made: templates, senders, units, attributes, dates,
and whether there is anybody it could reach at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.ballot_spec import BallotSpec
from campaigns.ballots import Ballot, ballot_names, create_ballot, enrol, get_ballot
from campaigns.checks import check_campaign, step_ends
from campaigns.problems import names_instead
from campaigns.spec import CampaignSpec, StepSpec
from campaigns.spec_file import at_zone
from campaigns.turnout.score import Score, score
from messaging.db import Connection, load_queries
from messaging.errors import Conflict, NotFound
from messaging.outbox.counts import StepCounts, step_counts
from messaging.outbox.steps import cancel_steps, pause_steps, resume_steps
from messaging.runtime import Runtime
from messaging.settings import Settings

SQL = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as it stands in the database.

    Attributes:
        campaign_id: its id.
        name: what commands and files call it.
        title: what people read.
        ballot_id: the ballot it asks about.
        ballot: that ballot's name.
        state: draft, running, paused, cancelled or finished.
        audience: the filter, as it was written.
        spec: the whole file it was made from.
        paused_reason: why it is paused.
        created_by: who made it.
        created_at: when; aware, UTC, like every time here.
        launched_at: when it was launched first.
        finished_at: when it was over.
    """

    campaign_id: int
    name: str
    title: str
    ballot_id: int
    ballot: str
    state: str
    audience: dict[str, Any]
    spec: dict[str, Any]
    paused_reason: str | None
    created_by: str
    created_at: datetime
    launched_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """How a campaign is doing: each step's messages by state, and what the ballot has come to."""

    campaign: Campaign
    steps: tuple[StepCounts, ...]
    turnout: Score


async def create_campaign(
    runtime: Runtime, spec: CampaignSpec, actor: str, *, own: BallotSpec | None = None
) -> Campaign:
    """Make a campaign, ready to be launched.

    Args:
        runtime: the runtime.
        spec: its file.
        actor: who makes it, for the audit.
        own: the ballot in the same file; made with the campaign, or not at all, where there is none of that name.

    Raises:
        NotFound: there is no such ballot.
        Conflict: there is a campaign of that name, or another ballot of the file's name, or the ballot is over.
        SpecError: something the file names does not exist, or nobody could be reached; each problem names its key.
    """
    now = runtime.clock()
    async with runtime.pool.acquire() as db, db.transaction():
        if own is not None and own.name == spec.ballot:
            await _ensure_ballot(db, own, runtime.settings.time_zone)
        ballot = await get_ballot(db, spec.ballot)
        if ballot.closes_at <= now:
            raise Conflict(
                f"The ballot {ballot.name} closed on {ballot.local(ballot.closes_at)}: there is nothing left to ask."
            )
        await enrol(db, ballot.ballot_id)
        templates = await check_campaign(db, runtime.settings, spec, ballot, now)
        audience = spec.audience.to_json()
        kept = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        campaign_id = await db.fetchval(
            SQL["create_campaign"], spec.name, spec.title, ballot.ballot_id, audience, kept, actor, now
        )
        if campaign_id is None:
            raise Conflict(
                f"There is already a campaign {spec.name}.",
                remedy=f"Choose another name, or see it with: muster campaign status {spec.name}",
            )
        senders = await _senders(db, runtime.settings, spec)
        for position, (step, template) in enumerate(zip(spec.steps, templates, strict=True), start=1):
            await db.execute(
                SQL["add_step"],
                campaign_id,
                position,
                template.name,
                template.to_json(),
                ballot.constants(runtime.settings, template.languages),
                template.purpose,
                list(step.channels),
                senders["sms"] if "sms" in step.channels else None,
                senders["email"] if "email" in step.channels else None,
                ballot.goal_id,
                step.priority,
                *_times(spec, step, ballot),
                runtime.keyring.current,
                now,
                *_limits(spec, step, ballot),
            )
        await db.execute(SQL["audit"], actor, "create", f"campaign {spec.name}", {"ballot": spec.ballot})
        return await get_campaign(db, spec.name)


async def _ensure_ballot(db: Connection, spec: BallotSpec, time_zone: str) -> None:
    """Make the file's ballot, or see that the one of that name is the same."""
    if spec.name not in await ballot_names(db):
        await create_ballot(db, spec, time_zone=time_zone)
    elif not (await get_ballot(db, spec.name)).is_made_from(spec, time_zone=time_zone):
        raise Conflict(
            f"There is already a ballot {spec.name}, with other dates or another threshold than in the file.",
            remedy=f"Compare with: muster ballot show {spec.name}; correct the file or rename its ballot.",
        )


async def get_campaign(db: Connection, name: str) -> Campaign:
    """A campaign by its name.

    Raises:
        NotFound: there is none.
    """
    row = await db.fetchrow(SQL["get_campaign"], name)
    if row is None:
        names = await campaign_names(db)
        known = names_instead(name, names) if names else "Make one with: muster campaign create FILE"
        raise NotFound(f"There is no campaign {name}.", remedy=known)
    return Campaign(**row)


async def name_of(db: Connection, campaign_id: int) -> str | None:
    """What commands call a campaign; None where there is none with that id."""
    name: str | None = await db.fetchval(SQL["name_of"], campaign_id)
    return name


async def campaign_names(db: Connection) -> list[str]:
    """The names of all campaigns, the newest first."""
    return [row["name"] for row in await db.fetch(SQL["campaign_names"])]


async def pause(db: Connection, name: str, actor: str, reason: str = "") -> Campaign:
    """Stop sending; what is on its way arrives, what is queued waits.

    Raises:
        NotFound: there is no such campaign.
        Conflict: it is not running.
    """
    words = reason or f"paused by {actor}"
    async with db.transaction():
        await reopen(db, name)
        campaign = await _change(db, name, ("running",), "paused", paused_reason=words)
        await pause_steps(db, campaign.campaign_id, words)
        await db.execute(SQL["audit"], actor, "pause", f"campaign {name}", {"reason": reason})
        return campaign


async def resume(db: Connection, name: str, actor: str, reason: str = "") -> Campaign:
    """Go on where it was paused.

    Raises:
        NotFound: there is no such campaign.
        Conflict: it is not paused.
    """
    async with db.transaction():
        campaign = await _change(db, name, ("paused",), "running")
        await resume_steps(db, campaign.campaign_id)
        await db.execute(SQL["audit"], actor, "resume", f"campaign {name}", {"reason": reason})
        return campaign


async def cancel(db: Connection, name: str, actor: str, reason: str = "") -> Campaign:
    """End a campaign for good: what is queued is withdrawn, steps to come never start.

    Raises:
        NotFound: there is no such campaign.
        Conflict: it is over already.
    """
    async with db.transaction():
        await reopen(db, name)
        campaign = await _change(db, name, ("draft", "running", "paused"), "cancelled")
        await cancel_steps(db, campaign.campaign_id)
        await db.execute(SQL["audit"], actor, "cancel", f"campaign {name}", {"reason": reason})
        return campaign


async def reopen(db: Connection, name: str | None = None) -> None:
    """Let campaigns run again that were over and have something to send again; all of them where none is named."""
    await db.execute(SQL["reopen"], name)


async def status(db: Connection, name: str, now: datetime) -> CampaignStatus:
    """How a campaign is doing.

    Args:
        db: a connection.
        name: the campaign.
        now: the time the turnout is judged at.

    Raises:
        NotFound: there is no such campaign.
    """
    campaign = await get_campaign(db, name)
    return CampaignStatus(
        campaign,
        tuple(await step_counts(db, campaign.campaign_id)),
        await score(db, campaign.ballot_id, now),
    )


async def _senders(db: Connection, settings: Settings, spec: CampaignSpec) -> dict[str, int | None]:
    """The senders a campaign uses, by channel: the file's, or the ones in the settings."""
    name, mailbox = parseaddr(spec.senders.email or settings.email_from)
    number = spec.senders.sms or settings.sms_from
    return {
        "sms": await db.fetchval(SQL["use_sender"], "sms", number, "", spec.pace.sms) if number else None,
        "email": await db.fetchval(SQL["use_sender"], "email", mailbox, name, spec.pace.email) if mailbox else None,
    }


async def _change(
    db: Connection, name: str, leaving: Sequence[str], state: str, *, paused_reason: str | None = None
) -> Campaign:
    campaign = await get_campaign(db, name)
    changed = await db.fetchval(SQL["change_state"], campaign.campaign_id, list(leaving), state, paused_reason)
    if changed is None:
        now = await get_campaign(db, name)
        raise Conflict(f"The campaign {name} is {now.state}; only one that is {' or '.join(leaving)} can be {state}.")
    return await get_campaign(db, name)


def _times(spec: CampaignSpec, step: StepSpec, ballot: Ballot) -> tuple[Any, ...]:
    """When a step starts, what it waits for, until when it may be sent, and its quiet hours."""
    zone = ZoneInfo(ballot.time_zone)
    quiet = spec.quiet(step)
    return (
        at_zone(step.when.at, zone) if step.when.at else None,
        step.when.after.to_iso() if step.when.after else None,
        step_ends(spec, step, ballot),
        quiet.start if quiet else None,
        quiet.end if quiet else None,
        list(quiet.channels) if quiet and quiet.channels else None,
    )


def _limits(spec: CampaignSpec, step: StepSpec, ballot: Ballot) -> tuple[Any, ...]:
    """A step's start, window and caps, as the gate reads them."""
    window = step.window.within(spec.window)
    zones = {None: None, "recipient": None, "ballot": ballot.time_zone}
    opens, closes = window.hours or (None, None)
    caps = step.frequency_cap if step.frequency_cap is not None else spec.frequency_cap
    return (
        at_zone(window.from_, ZoneInfo(ballot.time_zone)) if window.from_ else None,
        zones.get(window.zone, window.zone),
        window.days,
        opens,
        closes,
        None if caps is None else [cap.to_json() for cap in caps],
    )
