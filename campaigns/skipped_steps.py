"""Steps that have no message for a person, and the reason for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

import asyncpg

from campaigns.addressing import assign_addresses, find_dues, list_candidates
from campaigns.audience import compile_audience, step_audience
from campaigns.person_dates import dated_when
from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from campaigns.waiting_steps import StepTimes, WaitingStep, waiting_steps
from core.db import Connection, load_queries
from core.errors import SpecError
from core.times_in_words import moment_in_words
from messaging.reasons import sentence

SQL: Final = load_queries(__file__)

_CHANNELS: Final = {"sms": "text", "email": "email"}


@dataclass(frozen=True, slots=True)
class SkippedStep:
    """Step that has no message for a person.

    Attributes:
        campaign: its campaign's name.
        step: its number there.
        template: the name of its template.
        state: the step's; `draft` before its campaign is launched.
        starts_at: when it was or will be launched; None if that is unknown. Aware.
        words: why there is no message, as a sentence.
    """

    campaign: str
    step: int
    template: str
    state: str
    starts_at: datetime | None
    words: str


async def skipped_steps(db: Connection, person_id: int, *, now: datetime, zone: tzinfo) -> list[SkippedStep]:
    """List the steps that have no message for a person, in campaigns that are not over or have written to them.

    Args:
        db: a connection.
        person_id: the person.
        now: the time.
        zone: time zone of times in the sentences.
    """
    rows = await db.fetch(SQL["list_steps_without_message"], person_id)
    waiting = {
        step.step_id: (step, times)
        for campaign_id in dict.fromkeys(row["campaign_id"] for row in rows if row["waits"])
        for step, times in await waiting_steps(db, campaign_id, now)
    }
    skipped = []
    for row in rows:
        step, times = waiting.get(row["step_id"], (None, None))
        if step is None or times is None:
            starts_at, words = row["launched_at"], await _never(db, row, person_id, zone)
        else:
            starts_at, words = await _to_come(db, row, step, times, person_id, zone, now)
        state = "draft" if row["campaign_state"] == "draft" else row["state"]
        skipped.append(SkippedStep(row["campaign"], row["position"], row["template"], state, starts_at, words))
    return skipped


async def _never(db: Connection, row: asyncpg.Record, person_id: int, zone: tzinfo) -> str:
    """Say why a past step has no message."""
    if row["launched_at"] is None:
        return "It was called off before it started."
    launched = f"It was launched on {moment_in_words(row['launched_at'], zone)}"
    if row["left_at"] is not None and row["left_at"] <= row["launched_at"]:
        return f"{launched}; they had left by then."
    if row["follows"]:
        return f"{launched}; they are not in its audience, and get it if they come into it and have a date."
    subject = subject_of(row["subject"])
    if not await _is_among(db, subject, person_id):
        return f"{launched}; they are {subject.outside_population}."
    return f"{launched}; they were not in its audience."


async def _to_come(
    db: Connection,
    row: asyncpg.Record,
    step: WaitingStep,
    times: StepTimes,
    person_id: int,
    zone: tzinfo,
    now: datetime,
) -> tuple[datetime | None, str]:
    """Return when a later step starts, and what a person would get from it."""
    if row["campaign_state"] == "draft" and step.due_at is None:
        starts_at, when = None, "It is planned; its campaign is not launched yet."
    else:
        starts_at = times.starts_at
        when = f"It is planned for {moment_in_words(starts_at, zone)}" + (
            ", once its campaign is launched." if row["campaign_state"] == "draft" else "."
        )
    if row["state"] == "launching":
        starts_at, when = None, "It is being launched, and has not come to them yet."
        if person_id <= step.launch_cursor:
            return starts_at, "It is being launched; they are not in its audience."
    return starts_at, f"{when} {await _forecast(db, row, step, person_id, zone, now)}".rstrip()


async def _forecast(
    db: Connection, row: asyncpg.Record, step: WaitingStep, person_id: int, zone: tzinfo, now: datetime
) -> str:
    """Say what a person would get from a step if it were launched now, by the decisions of a launch."""
    subject = subject_of(row["subject"])
    if not await _is_among(db, subject, person_id):
        return f"They are {subject.outside_population} now."
    try:
        audience = await step_audience(db, step)
    except SpecError:  # a unit that the file names is gone; the preview reports that
        return ""
    if await audience.page(db, after=person_id - 1, limit=1) != [person_id]:
        return "As things stand now, they are not in its audience."
    people = await list_candidates(
        db, people=[person_id], channels=step.channels, goal_id=step.goal_id, purpose=step.purpose
    )
    when = dated_when(step.spec, step.position)
    (decision,) = assign_addresses(people, set(), await find_dues(db, step, when, [person_id], now) if when else None)
    if decision.channel is None:
        return f"As things stand now, they get nothing: {sentence(decision.reason)}"
    due = decision.due.not_before if decision.due else None
    by_date = f", on {moment_in_words(due, zone)} by their date" if due else ""
    return f"As things stand now, they get it by {_CHANNELS[decision.channel]}{by_date}."


async def _is_among(db: Connection, subject: Subject, person_id: int) -> bool:
    """Tell whether a person is among the people who may be asked."""
    everybody = await compile_audience(db, subject=subject)
    return await everybody.page(db, after=person_id - 1, limit=1) == [person_id]
