"""Campaigns: creation and lifecycle.

```
draft ──launch──► running ◄──pause / resume──► paused
  │                 │  └──every step finished──► finished
  └──────cancel─────┴──cancel──► cancelled
```

A campaign is validated when it is created: templates, senders, units, attributes, dates, and whether it can reach
anybody at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.spec import CampaignSpec, StepSpec
from campaigns.subjects.answer import SubjectStatus
from campaigns.subjects.kinds import KINDS, find_subject, subject_of
from campaigns.subjects.subject import Subject
from campaigns.validation import check_campaign, check_phrases, step_ends
from core.access import SYSTEM, Actor
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import Conflict, NotFound
from core.runtime import Runtime
from core.settings import Settings
from core.spec_errors import names_instead
from core.spec_file import SpecTable, at_zone
from messaging.content.templates import Template
from messaging.outbox.counts import StepCounts, step_counts
from messaging.outbox.senders import use_sender
from messaging.outbox.steps import (
    NewStep,
    StepContent,
    StepQuietHours,
    StepWindow,
    add_step,
    cancel_steps,
    delete_steps,
    pause_steps,
    resume_steps,
)

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Campaign:
    """Campaign as stored in the database.

    Attributes:
        campaign_id: its id.
        name: what commands and files call it.
        title: its title for people.
        subject: what it asks about.
        state: draft, running, paused, cancelled or finished.
        audience: the filter, as in the file.
        spec: the whole file it was created from.
        paused_reason: why it is paused.
        created_by: who created it.
        created_at: when; aware, UTC, like every time here.
        launched_at: when it was first launched.
        finished_at: when it finished or was cancelled.
    """

    campaign_id: int
    name: str
    title: str
    subject: Subject
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
    """Status of a campaign.

    Attributes:
        campaign: the campaign.
        steps: each step's messages by state.
        outcome: the status of its subject.
        opted_out: how many people opted out in answer to its messages.
        answers_until: until when answers count although everything is sent; None otherwise.
    """

    campaign: Campaign
    steps: tuple[StepCounts, ...]
    outcome: SubjectStatus
    opted_out: int = 0
    answers_until: datetime | None = None


async def create_campaign(
    runtime: Runtime, spec: CampaignSpec, actor: Actor, *, own: SpecTable | None = None, in_place: bool = False
) -> Campaign:
    """Create a campaign, ready to be launched.

    A draft that is replaced is deleted with its steps. Its subject goes too if no other campaign asks about it and
    nobody has answered. Then the campaign is created again; if that fails, nothing is changed.

    Args:
        runtime: the runtime.
        spec: its file.
        actor: who creates it, for the audit.
        own: the table of its subject in the same file; the subject is made in the same transaction if there is none of
            that name.
        in_place: whether to put it in the place of a draft of that name.

    Raises:
        NotFound: there is no such subject.
        Conflict: a campaign of that name exists and is no draft, or is not to be replaced; or another subject has the
            file's name; or the subject is over.
        SpecError: something the file names does not exist, or nobody could be reached; each problem names its key.
    """
    now = runtime.clock()
    async with runtime.pool.acquire() as db, db.transaction():
        kind, name = spec.subject
        if in_place:
            await _delete_draft(db, spec.name)
        await KINDS[kind].ensure(db, own, runtime.settings, name=name, title=spec.title, actor=actor, now=now)
        subject = await find_subject(db, kind, name)
        check_phrases(subject)
        if subject.why_not_counted(now) == "late":
            raise Conflict(
                f"The {kind} {name} closed on {subject.local(subject.closes_at)}: there is nothing left to ask."
            )
        await subject.prepare(db)
        templates = await check_campaign(db, runtime.settings, spec, subject, now)
        audience = spec.audience.to_json()
        kept = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        campaign_id = await db.fetchval(
            SQL["create_campaign"], spec.name, spec.title, kind, subject.subject_id, audience, kept, actor.name, now
        )
        if campaign_id is None:
            raise Conflict(
                f"There is already a campaign {spec.name}.",
                remedy="If it is a draft, put this file in its place with --replace; else choose another name. See it"
                f" with: muster campaign status {spec.name}",
            )
        senders = await _senders(db, runtime.settings, spec)
        parts = _CampaignParts(runtime, spec, subject, campaign_id, senders, now)
        for position, (step, template) in enumerate(zip(spec.steps, templates, strict=True), start=1):
            step_id = await add_step(db, parts.step(position, step, template))
            if step.when.of is not None:
                await db.execute(SQL["follow_dates"], step_id, step.when.of)
        await record(db, actor, AuditAction.CAMPAIGN_CREATED, f"campaign {spec.name}", {kind: name})
        return await get_campaign(db, spec.name)


async def _delete_draft(db: Connection, name: str) -> None:
    """Remove the campaign of a name, if there is one, with what only it asked about.

    Raises:
        Conflict: it is no draft.
    """
    draft = await db.fetchrow(SQL["lock_campaign"], name)
    if draft is None:
        return
    if draft["state"] != "draft":
        raise Conflict(
            f"The campaign {name} is {draft['state']}; only a draft, of which nothing was sent, can be replaced.",
            remedy="Give the file another name.",
        )
    await db.execute(SQL["delete_dates"], draft["campaign_id"])
    await delete_steps(db, draft["campaign_id"])
    await db.execute(SQL["delete_campaign"], draft["campaign_id"])
    await KINDS[draft["subject_kind"]].delete_unused(db, draft["subject_id"])


async def get_campaign(db: Connection, name: str) -> Campaign:
    """Look up a campaign by its name.

    Raises:
        NotFound: there is none.
    """
    row = await db.fetchrow(SQL["find_campaign"], name)
    if row is None:
        names = await campaign_names(db)
        known = names_instead(name, names) if names else "Make one with: muster campaign create FILE"
        raise NotFound(f"There is no campaign {name}.", remedy=known)
    return Campaign(**{**row, "subject": subject_of(row["subject"])})


async def name_of(db: Connection, campaign_id: int) -> str | None:
    """Return the name of a campaign; None if there is none with that id."""
    name: str | None = await db.fetchval(SQL["find_name"], campaign_id)
    return name


async def campaign_names(db: Connection) -> list[str]:
    """List the names of all campaigns, the newest first."""
    return [row["name"] for row in await db.fetch(SQL["list_names"])]


async def pause(db: Connection, name: str, actor: Actor, reason: str = "") -> Campaign:
    """Pause a campaign: messages in flight still arrive, queued ones wait.

    Raises:
        NotFound: there is no such campaign.
        Conflict: it is not running.
    """
    words = reason or f"paused by {actor.name}"
    async with db.transaction():
        await reopen_campaigns(db, name)
        campaign = await _change(db, name, ("running",), "paused", paused_reason=words)
        await pause_steps(db, campaign.campaign_id, words)
        await record(db, actor, AuditAction.CAMPAIGN_PAUSED, f"campaign {name}", {"reason": reason})
        return campaign


async def resume(db: Connection, name: str, actor: Actor, reason: str = "") -> Campaign:
    """Resume a campaign where it was paused.

    Raises:
        NotFound: there is no such campaign.
        Conflict: it is not paused.
    """
    async with db.transaction():
        campaign = await _change(db, name, ("paused",), "running")
        await resume_steps(db, campaign.campaign_id)
        await record(db, actor, AuditAction.CAMPAIGN_RESUMED, f"campaign {name}", {"reason": reason})
        return campaign


async def cancel(db: Connection, name: str, actor: Actor, reason: str = "") -> Campaign:
    """Cancel a campaign for good: queued messages are withdrawn, later steps never start.

    Raises:
        NotFound: there is no such campaign.
        Conflict: it is over already.
    """
    async with db.transaction():
        await reopen_campaigns(db, name)
        campaign = await _change(db, name, ("draft", "running", "paused"), "cancelled")
        await cancel_steps(db, campaign.campaign_id)
        await record(db, actor, AuditAction.CAMPAIGN_CANCELLED, f"campaign {name}", {"reason": reason})
        return campaign


async def reopen_campaigns(db: Connection, name: str | None = None) -> None:
    """Reopen finished campaigns that have something to send again: the named ones, or all if none is named."""
    await db.execute(SQL["reopen_campaign"], name, SYSTEM.to_json())


async def find_status(db: Connection, name: str, now: datetime) -> CampaignStatus:
    """Return the status of a campaign.

    Args:
        db: a connection.
        name: the campaign.
        now: the time.

    Raises:
        NotFound: there is no such campaign.
    """
    campaign = await get_campaign(db, name)
    return CampaignStatus(
        campaign,
        tuple(await step_counts(db, campaign.campaign_id)),
        await campaign.subject.status(db, now, campaign.campaign_id),
        await count_opt_outs(db, campaign.campaign_id, campaign.launched_at),
        campaign.subject.answers_until(campaign.state, now),
    )


async def count_opt_outs(db: Connection, campaign_id: int, launched_at: datetime | None) -> int:
    """Count the people who opted out in answer to a campaign's messages; nobody before its launch."""
    if launched_at is None:
        return 0
    counted: int = await db.fetchval(SQL["count_opt_outs"], campaign_id, launched_at)
    return counted


async def _senders(db: Connection, settings: Settings, spec: CampaignSpec) -> dict[str, int | None]:
    """Return the senders a campaign uses, by channel: the file's, or those in the settings."""
    name, mailbox = parseaddr(spec.senders.email or settings.email_from)
    number = spec.senders.sms or settings.sms_from
    return {
        "sms": await use_sender(db, "sms", number, pace=spec.pace.sms) if number else None,
        "email": await use_sender(db, "email", mailbox, name=name, pace=spec.pace.email) if mailbox else None,
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


@dataclass(frozen=True, slots=True)
class _CampaignParts:
    """Campaign being created, for making its steps."""

    runtime: Runtime
    spec: CampaignSpec
    subject: Subject
    campaign_id: int
    senders: Mapping[str, int | None]
    now: datetime

    def step(self, position: int, step: StepSpec, template: Template) -> NewStep:
        """Make a step as the outbox needs it."""
        when, caps = step.when, step.frequency_cap if step.frequency_cap is not None else self.spec.frequency_cap
        return NewStep(
            campaign_id=self.campaign_id,
            position=position,
            content=self._content(template),
            channels=list(step.channels),
            sms_sender_id=self.senders["sms"] if "sms" in step.channels else None,
            email_sender_id=self.senders["email"] if "email" in step.channels else None,
            goal_id=self.subject.goal_id,
            priority=step.priority,
            due_at=at_zone(when.at, ZoneInfo(self.subject.time_zone)) if when.at else None,
            after=when.after.to_iso() if when.after and not when.of else None,
            send_before=step_ends(self.spec, step, self.subject),
            quiet_hours=self._quiet_hours(step),
            secret=self.runtime.keyring.current,
            created_at=self.now,
            window=self._window(step),
            frequency_caps=None if caps is None else [cap.to_json() for cap in caps],
            dated=when.dated,
        )

    def _content(self, template: Template) -> StepContent:
        constants = self.subject.constants(self.runtime.settings, template.languages)
        return StepContent(template.name, template.to_json(), constants, template.purpose)

    def _quiet_hours(self, step: StepSpec) -> StepQuietHours:
        quiet = self.spec.quiet(step)
        if quiet is None:
            return StepQuietHours()
        return StepQuietHours(quiet.start, quiet.end, list(quiet.channels) if quiet.channels else None)

    def _window(self, step: StepSpec) -> StepWindow:
        window, zone = step.window.within(self.spec.window), self.subject.time_zone
        starts = at_zone(window.from_, ZoneInfo(zone)) if window.from_ else None
        named = zone if window.zone == "subject" else _zone_or_recipients(window.zone)
        return StepWindow(starts, named, window.days, *(window.hours or (None, None)))


def _zone_or_recipients(zone: str | None) -> str | None:
    return None if zone == "recipient" else zone
