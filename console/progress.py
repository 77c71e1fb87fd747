"""Progress of campaigns, as staff watch it while messages go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import asyncpg

from campaigns.campaigns import count_opt_outs
from campaigns.subjects.answer import AnswerTable
from campaigns.subjects.kinds import find_subject
from core.db import Connection, load_queries
from core.errors import NotFound
from messaging.outbox.counts import StepCounts, step_counts
from messaging.states import STATE_GROUPS

SQL: Final = load_queries(__file__)

_PAGES: Final[Mapping[str, str]] = {"ballot": "/console/ballots"}
"""Paths of the pages of subjects, by kind."""

SHOWN_IN_FULL: Final = 5
"""Most campaigns whose steps are counted on the first page; the others are linked."""


@dataclass(frozen=True, slots=True)
class ChannelProgress:
    """Progress of a step's messages on one channel.

    Attributes:
        channel: `sms` or `email`.
        counts: messages by state.
        total: messages.
        segments: SMS segments they cost; 0 for email.
    """

    channel: str
    counts: Mapping[str, int]
    total: int
    segments: int


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Progress of one step of a campaign.

    Attributes:
        position: 1 for the first.
        template: name of its template.
        state: `planned`, `running` …
        channels: in order of preference.
        counts: people by message state.
        groups: people by key of `STATE_GROUPS`.
        reasons: people who got nothing, were not reached, or wait, by reason.
        remarks: people who were sent it, by a further remark about the message.
        total: people in the step's audience.
        segments: SMS segments so far.
        rate: current rate, in messages a second.
        seconds_left: until its queue is empty, at that rate; None if it is unknown.
        due_at: when it starts, if that is set.
        after: time after the step before, if that is set.
        launched_at: when it was launched.
        finished_at: when it finished.
        stopped: reason why its sender was stopped; None while it is not.
        dated: whether each message is due by a date of its person.
        next_at: when the first waiting message is due; None if none waits.
        by_channel: progress by channel, the one with most messages first; people without any are in `reasons`.
    """

    position: int
    template: str
    state: str
    channels: Sequence[str]
    counts: Mapping[str, int]
    groups: Mapping[str, int]
    reasons: Mapping[str, int]
    remarks: Mapping[str, int]
    total: int
    segments: int
    rate: float
    seconds_left: float | None
    due_at: datetime | None
    after: timedelta | None
    launched_at: datetime | None
    finished_at: datetime | None
    stopped: str | None
    dated: bool
    next_at: datetime | None
    by_channel: tuple[ChannelProgress, ...] = ()

    @property
    def handled(self) -> int:
        """Count people with whom this step is done: their message was sent, or never will be."""
        return self.total - self.groups["waiting"]


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """Progress of a campaign and its steps.

    Attributes:
        name: its name in commands.
        title: its title for people.
        state: `draft`, `running` …
        paused_reason: why it is paused.
        subject_kind: the kind of its subject, such as `ballot`.
        subject: its name.
        subject_title: its title.
        created_at: when it was made.
        launched_at: when it was launched.
        finished_at: when it finished.
        steps: in order; empty if they were not counted.
        answers: what people answered, by unit; None if the page of its subject shows it, or steps were not counted.
        answers_until: until when answers count although everything is sent; None otherwise.
        opted_out: how many people opted out in answer to its messages; 0 if steps were not counted.
    """

    name: str
    title: str
    state: str
    paused_reason: str | None
    subject_kind: str
    subject: str
    subject_title: str
    created_at: datetime
    launched_at: datetime | None
    finished_at: datetime | None
    steps: tuple[StepProgress, ...] = ()
    answers: AnswerTable | None = None
    answers_until: datetime | None = None
    opted_out: int = 0

    @property
    def subject_page(self) -> str | None:
        """Return the path of the page about its subject; None if its kind has none."""
        folder = _PAGES.get(self.subject_kind)
        return f"{folder}/{quote(self.subject, safe='')}" if folder else None


@dataclass(frozen=True, slots=True)
class SetupState:
    """Setup state of an installation: the console lists the missing steps for a newcomer."""

    has_people: bool
    has_ballot: bool
    has_campaign: bool


async def find_setup_state(db: Connection) -> SetupState:
    """Read the setup state of an installation."""
    row = await db.fetchrow(SQL["find_setup_state"])
    assert row is not None
    return SetupState(**row)


async def list_campaigns(
    db: Connection, now: datetime
) -> tuple[tuple[CampaignProgress, ...], tuple[CampaignProgress, ...]]:
    """Read the campaigns: those shown in full, with their steps, and the others, without."""
    rows = await db.fetch(SQL["list_campaigns"])
    full = [await _with_answers(db, row, await _with_steps(db, row), now) for row in rows[:SHOWN_IN_FULL]]
    return tuple(full), tuple(_campaign(row) for row in rows[SHOWN_IN_FULL:])


async def find_campaign(db: Connection, name: str, now: datetime) -> CampaignProgress:
    """Read one campaign with its steps by channel, and what people answered.

    Raises:
        NotFound: no campaign has that name.
    """
    row = await db.fetchrow(SQL["find_campaign"], name)
    if row is None:
        raise NotFound(f"There is no campaign “{name}”.", remedy="The overview lists them all.")
    progress = await _with_steps(db, row)
    return await _with_answers(db, row, progress, now)


async def _with_answers(
    db: Connection, row: asyncpg.Record, progress: CampaignProgress, now: datetime
) -> CampaignProgress:
    """Add what people answered to a campaign, and how many opted out."""
    progress = replace(progress, opted_out=await count_opt_outs(db, row["campaign_id"], row["launched_at"]))
    subject = await find_subject(db, progress.subject_kind, progress.subject)
    if not subject.reads_answers:  # its own page has them
        return progress
    outcome = await subject.status(db, now, row["campaign_id"])
    return replace(progress, answers=outcome.answers, answers_until=subject.answers_until(progress.state, now))


async def _with_steps(db: Connection, row: asyncpg.Record) -> CampaignProgress:
    plans = {plan["step_id"]: plan for plan in await db.fetch(SQL["list_steps"], row["campaign_id"])}
    counted = await step_counts(db, row["campaign_id"])
    return _campaign(row, tuple(_step(counts, plans[counts.step_id]) for counts in counted))


def _campaign(row: asyncpg.Record, steps: tuple[StepProgress, ...] = ()) -> CampaignProgress:
    return CampaignProgress(**{key: value for key, value in row.items() if key != "campaign_id"}, steps=steps)


def _step(counts_of_step: StepCounts, plan: asyncpg.Record) -> StepProgress:
    counts = {str(state): n for state, n in counts_of_step.counts.items() if n}
    return StepProgress(
        position=counts_of_step.position,
        template=counts_of_step.template,
        state=counts_of_step.state,
        channels=plan["channels"],
        counts=counts,
        groups={key: sum(counts.get(state, 0) for state in states) for key, states in STATE_GROUPS.items()},
        reasons=dict(sorted(counts_of_step.reasons.items(), key=lambda item: -item[1])),
        remarks=counts_of_step.remarks,
        total=sum(counts.values()),
        segments=counts_of_step.segments,
        rate=counts_of_step.rate_per_second,
        seconds_left=counts_of_step.seconds_left,
        due_at=plan["due_at"],
        after=plan["after"],
        launched_at=plan["launched_at"],
        finished_at=plan["finished_at"],
        stopped=plan["sender_paused"],
        dated=counts_of_step.dated,
        next_at=counts_of_step.next_at,
        by_channel=_channels(counts_of_step),
    )


def _channels(counts_of_step: StepCounts) -> tuple[ChannelProgress, ...]:
    made = [
        ChannelProgress(
            name, {str(state): n for state, n in channel.counts.items()}, sum(channel.counts.values()), channel.segments
        )
        for name, channel in counts_of_step.channels.items()
    ]
    return tuple(sorted(made, key=lambda progress: -progress.total))
