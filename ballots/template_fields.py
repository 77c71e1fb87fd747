"""Fields of a ballot in templates, such as `{{ ballot.closes }}`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from messaging.content.vocabulary import SubjectVariable

PAST_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {"last_posting": "last_posting_past", "replacement_by": "replacement_past"}
)
"""Dates that members are asked to act before, each with the field that is "yes" once it is over, and empty before."""
_SAID: Final = ("title", "opens", "closes", "last_posting", "replacement_by")
"""Fields with words for members."""

BALLOT: Final = SubjectVariable(
    "ballot", "a ballot", frozenset(_SAID) | frozenset(PAST_FIELDS.values()), example="title"
)
"""The variable `ballot` of templates."""


def example_fields() -> dict[str, str]:
    """Return example values of a ballot's fields, for a preview without a ballot; none of its dates is past."""
    return {**{field: f"[{field.replace('_', ' ')}]" for field in _SAID}, **not_past()}


def not_past() -> dict[str, str]:
    """Return the fields that say whether a date is past, as they are while none is."""
    return dict.fromkeys(PAST_FIELDS.values(), "")
