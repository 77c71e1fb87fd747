"""Fields of a ballot in templates, such as `{{ ballot.closes }}`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from messaging.content.languages import DEFAULT
from messaging.content.translations import day_and_time
from messaging.content.vocabulary import SubjectVariable

PAST_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {"last_posting": "last_posting_past", "replacement_by": "replacement_past"}
)
"""Dates that members are asked to act before, each with the field that is "yes" once it is over, and empty before."""
_WRITTEN_FIELDS: Final = ("title", "opens", "closes", "last_posting", "replacement_by")
"""Fields with words for members."""

BALLOT: Final = SubjectVariable(
    "ballot", "a ballot", frozenset(_WRITTEN_FIELDS) | frozenset(PAST_FIELDS.values()), example="title"
)
"""The variable `ballot` of templates."""


class Dated(Protocol):
    """Anything that has a ballot's title and dates."""

    @property
    def title(self) -> str:
        """Return its title, as members read it."""

    @property
    def time_zone(self) -> str:
        """Return the zone its dates are shown in."""

    @property
    def opens_at(self) -> datetime | None:
        """Return when it opens; aware, like the others."""

    @property
    def closes_at(self) -> datetime | None:
        """Return when it closes."""

    @property
    def last_posting_at(self) -> datetime | None:
        """Return the last safe moment to post a paper."""

    @property
    def replacement_by(self) -> datetime | None:
        """Return the last moment to ask for another paper."""


def fields_of(ballot: Dated, language: str = DEFAULT) -> dict[str, str]:
    """Return the fields of a ballot, with dates as members read them.

    Fields that say what is past are set when a step is sent.
    """

    def local(at: datetime | None) -> str:
        return day_and_time(at, ballot.time_zone, language)

    return {
        "title": ballot.title,
        "opens": local(ballot.opens_at),
        "closes": local(ballot.closes_at),
        "last_posting": local(ballot.last_posting_at),
        "replacement_by": local(ballot.replacement_by),
        **not_past(),
    }


def example_fields() -> dict[str, str]:
    """Return example values of a ballot's fields, for a preview without a ballot; none of its dates is past."""
    return {**{field: f"[{field.replace('_', ' ')}]" for field in _WRITTEN_FIELDS}, **not_past()}


def not_past() -> dict[str, str]:
    """Return the fields that say whether a date is past, with the values for no past date."""
    return dict.fromkeys(PAST_FIELDS.values(), "")
