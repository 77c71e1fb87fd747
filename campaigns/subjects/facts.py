"""Facts about a subject: its row in the view `subject`, and its name in sentences."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Self

from messaging.content.languages import DEFAULT
from messaging.content.translations import day_and_time

_TIMES: Final = ("opens_at", "closes_at")


@dataclass(frozen=True, slots=True)
class SubjectFacts(ABC):
    """Facts about a subject of campaigns.

    Attributes:
        subject_id: its id among the subjects of its kind.
        name: what commands and files call it.
        title: what people read.
        organisation: whose it is; "" for the organisation in the settings.
        goal_id: the goal its messages work towards; None if there is none.
        opens_at: from when on answers count; None for always. Aware, like every time here.
        closes_at: until when answers count; None for always.
        time_zone: the zone its dates are shown in.
        letter: the letter behind its digits if another subject is open to the same phone; "" for none.
        details: fields that only its kind has, as the view gives them.
    """

    subject_id: int
    name: str
    title: str
    organisation: str
    goal_id: int | None
    opens_at: datetime | None
    closes_at: datetime | None
    time_zone: str
    letter: str
    details: Mapping[str, Any]

    kind: ClassVar[str]
    """Name of its kind in files and in the database: `ballot`."""
    reads_answers: ClassVar[bool] = False
    """True if it reads the answers in replies itself, by `reads`, and keeps comments; else the rules of ballots do."""
    common_meanings: ClassVar[frozenset[str]] = frozenset()
    """Meanings that digits, buttons and words may have for every subject of its kind."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Make a subject from its row in the view, as JSON."""
        known = {field.name: facts[field.name] for field in fields(cls)}
        return cls(**known | {name: _time(facts[name]) for name in _TIMES})

    def local(self, at: datetime | None, language: str = DEFAULT) -> str:
        """Format a moment as people read it: `Monday 7 December` or `Monday 7 December, 12:00`; empty for None."""
        return day_and_time(at, self.time_zone, language)

    @property
    def label(self) -> str:
        """Return how sentences for staff name it: "the ballot pay-2026"."""
        return f"the {self.kind} {self.name}"


def _time(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at).astimezone(UTC)
