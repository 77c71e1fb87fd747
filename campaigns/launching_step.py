"""Step that is launched or previewed, with what its campaign's file says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self

import asyncpg

from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject


@dataclass(frozen=True, slots=True)
class LaunchingStep:
    """Step that is launched or previewed.

    Attributes:
        step_id: its id.
        campaign_id: its campaign's.
        position: its number in the campaign, from 1.
        channels: in order of preference.
        purpose: `service` or `marketing`.
        goal_id: the goal its messages work towards; None if there is none.
        content: its template, as stored.
        constants: the variables that are the same for everybody, by language.
        dated: whether its messages are due before or after a date of each person; None if it has a time of its own.
        launched_at: when its launch began; None if it has not. Aware.
        launch_cursor: the last person whose message is decided; 0 before the launch.
        audience: the campaign's filter, as stored.
        spec: the campaign's file, as stored.
        subject: what the campaign asks about.
    """

    step_id: int
    campaign_id: int
    position: int
    channels: Sequence[str]
    purpose: str
    goal_id: int | None
    content: Mapping[str, Any]
    constants: Mapping[str, Any]
    dated: Literal["before", "after"] | None
    launched_at: datetime | None
    launch_cursor: int
    audience: Mapping[str, Any] | None
    spec: Mapping[str, Any]
    subject: Subject

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Make a step from its row, which has a column for each attribute; `subject` holds the view's row in JSON."""
        columns = {field.name: row[field.name] for field in fields(cls)}
        return cls(**columns | {"subject": subject_of(row["subject"])})
