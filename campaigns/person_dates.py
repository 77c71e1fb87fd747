"""Times of messages that are due before or after a date of each person, an attribute such as `appointment_at`.

The attribute's text is read again whenever it is needed: at a preview, at the launch, and when a person changes. `24
hours` before is so many hours, `1 day` before is the same time on the person's clock the day before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from campaigns.sending_windows import Pause
from campaigns.spec import When
from core.db import Connection, load_queries
from core.written_dates import WrittenDate, read_written_date
from messaging.reasons import Reason

SQL: Final = load_queries(__file__)

MAX_LATENESS: Final = timedelta(days=7)
"""How late a message after a date may still go, if the date became known after the message was due."""


@dataclass(frozen=True, slots=True)
class DatedWhen:
    """Time of a step's messages, by a date of each person.

    Attributes:
        attribute: that holds the date.
        side: whether they are due before or after it.
        pause: how long before or after.
        later: pauses of the campaign's other messages to the same people before the same date, which are due later.
    """

    attribute: str
    side: Literal["before", "after"]
    pause: Pause
    later: tuple[Pause, ...] = ()

    def at(self, date: datetime, pause: Pause) -> datetime:
        """Return when something is due by a date, in UTC; days keep the hour of the date's zone."""
        direction = -1 if self.side == "before" else 1
        wall = date.replace(tzinfo=None) + direction * timedelta(days=pause.calendar_days)
        return wall.replace(tzinfo=date.tzinfo, fold=date.fold).astimezone(UTC) + direction * pause.exact


@dataclass(frozen=True, slots=True)
class Due:
    """Time of a message, by its person's date.

    Attributes:
        text: the date as it is written; "" if there is none.
        date_at: the date; None if it cannot be read.
        not_before: when the message is due; None if none is to be sent.
        reason: why none is to be sent: `no_date`, `unreadable_date`, `past_date` or `later_reminder`.
    """

    text: str
    date_at: datetime | None = None
    not_before: datetime | None = None
    reason: Reason | None = None


def dated_when(spec: Mapping[str, Any], position: int) -> DatedWhen | None:
    """Return the time of a step's messages by dates of people; None for a step that has a time of its own.

    Args:
        spec: the campaign's file, as stored.
        position: the step's number, from 1.
    """
    steps = [When.model_validate(step.get("when", {})) for step in spec["steps"]]
    when = steps[position - 1]
    pause = when.before or when.after
    if when.dated is None or when.of is None or pause is None:
        return None
    later = [
        other.before
        for step, other in zip(spec["steps"], steps, strict=True)
        if other.before is not None and other.of == when.of and other.before < pause and not step.get("audience")
    ]
    return DatedWhen(when.of, when.dated, pause, tuple(later) if when.dated == "before" else ())


async def read_dues(
    db: Connection, when: DatedWhen, people: Sequence[int], *, zone: tzinfo, since: datetime, now: datetime
) -> dict[int, Due]:
    """Read when each of some people's messages is due.

    Args:
        db: a connection.
        when: of their step.
        people: their ids.
        zone: the time zone of people whose own is unknown.
        since: the launch of the step: what would have been due before is past.
        now: the time.
    """
    rows = await db.fetch(SQL["find_dates"], people, when.attribute)
    return {
        person_id: due_by(when, text, _zone(time_zone, zone), since=since, now=now)
        for person_id, text, time_zone in rows
    }


async def date_attributes(db: Connection) -> frozenset[str]:
    """Return the attributes whose dates decide when messages of current campaigns are due."""
    return frozenset(row["attribute"] for row in await db.fetch(SQL["list_date_attributes"]))


async def written_date(db: Connection, message_id: int) -> tuple[str, str] | None:
    """Return the attribute that a message is due by, with its present text for the person; None if there is none."""
    row = await db.fetchrow(SQL["find_written_date"], message_id)
    return None if row is None or row["attribute"] is None else (row["attribute"], row["text"])


def due_by(when: DatedWhen, text: str, zone: tzinfo, *, since: datetime, now: datetime) -> Due:
    """Return when a message is due by a date.

    A message that should have gone already goes at once in two cases. A message before a date does if the date is to
    come and no later message before it is due as well. A message after a date does if it was due neither before the
    launch nor longer ago than `MAX_LATENESS`.

    Args:
        when: of its step.
        text: the date as it is written.
        zone: the person's.
        since: the launch of the step.
        now: the time.
    """
    if not text.strip():
        return Due("", reason=Reason.NO_DATE)
    written = read_written_date(text, zone)
    if written is None:
        return Due(text, reason=Reason.UNREADABLE_DATE)
    date = _on_their_clock(written, zone)
    due, date_at = when.at(date, when.pause), date.astimezone(UTC)
    if date_at <= now if when.side == "before" else due < max(since, now - MAX_LATENESS):
        return Due(text, date_at, reason=Reason.PAST_DATE)
    if due <= now and any(when.at(date, other) <= now for other in when.later):
        return Due(text, date_at, reason=Reason.LATER_REMINDER)
    return Due(text, date_at, max(due, now))


def _on_their_clock(written: WrittenDate, zone: tzinfo) -> datetime:
    # by way of UTC, so that a time in an hour that clocks skip becomes one that the clock shows
    return written.at.astimezone(UTC).astimezone(zone)


def _zone(name: str, otherwise: tzinfo) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return otherwise
