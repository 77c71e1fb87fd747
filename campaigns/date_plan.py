"""Preview of a step whose messages are due before or after a date of each person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from campaigns.addressing import Decision
from campaigns.launching_step import LaunchingStep
from campaigns.person_dates import dated_when
from campaigns.sending_windows import Pause
from core.db import Connection, load_queries
from messaging.reasons import Reason
from messaging.states import State

SQL: Final = load_queries(__file__)

_MAX_EXAMPLES: Final = 3
_MAX_EXAMPLE_LENGTH: Final = 40


@dataclass(frozen=True, slots=True)
class DatePlan:
    """Times of a step's messages.

    Attributes:
        attribute: that holds the dates.
        side: whether the messages are due before or after them.
        pause: how long before or after.
        first, last: when the first and the last message is due, in the campaign's time zone; None if none is.
        at_once: how many are due already.
        in_vain: how many cannot be sent before their date, or before the step ends, because of quiet hours or its
            window.
        unreadable: examples of dates that cannot be read, as they are written.
        shared: how many go to an address that gets another person's message as well.
    """

    attribute: str
    side: Literal["before", "after"]
    pause: Pause
    first: datetime | None
    last: datetime | None
    at_once: int
    in_vain: int
    unreadable: tuple[str, ...]
    shared: int


async def plan_dates(
    db: Connection, step: LaunchingStep, decisions: Sequence[Decision], now: datetime
) -> DatePlan | None:
    """Preview the times of a step's messages.

    Args:
        db: a connection.
        step: the step.
        decisions: for its audience.
        now: when it would be launched.

    Returns:
        The times; None for a step that has a time of its own.
    """
    when = dated_when(step.spec, step.position) if step.dated else None
    if when is None:
        return None
    waiting = [decision for decision in decisions if decision.state is State.QUEUED]
    times = [decision.due.not_before for decision in waiting if decision.due and decision.due.not_before]
    strange = dict.fromkeys(
        decision.due.text for decision in decisions if decision.due and decision.reason == Reason.UNREADABLE_DATE
    )
    places = Counter((decision.channel, decision.address) for decision in waiting)
    here = ZoneInfo(step.subject.time_zone)
    return DatePlan(
        attribute=when.attribute,
        side=when.side,
        pause=when.pause,
        first=min(times).astimezone(here) if times else None,
        last=max(times).astimezone(here) if times else None,
        at_once=sum(at <= now for at in times),
        in_vain=await db.fetchval(
            SQL["count_in_vain"],
            step.step_id,
            [decision.person_id for decision in waiting],
            [decision.channel for decision in waiting],
            times,
            [decision.due and decision.due.date_at for decision in waiting],
        ),
        unreadable=tuple(text[:_MAX_EXAMPLE_LENGTH] for text in list(strange)[:_MAX_EXAMPLES]),
        shared=sum(n for n in places.values() if n > 1),
    )
