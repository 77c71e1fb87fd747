"""Names that templates may use.

The packages above define the subjects and their fields; here a subject is a variable with fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PERSONAL: Final = frozenset(
    {
        "first_name", "last_name", "full_name", "member_id", "unit", "branch", "workplace", "region", "language",
        "time_zone",
    }
)  # fmt: skip
"""Variables of every person, beside their attributes."""
WELL_KNOWN: Final = frozenset({"appointment_at", "place"})
"""Attributes that every template may use; empty if no member file has brought them."""
CONSTANTS: Final = frozenset({"organisation", "contact"})
"""Variables that are the same for all recipients of a step, beside its subject."""
LINKS: Final = frozenset({"confirm_link", "unsubscribe_link", "preferences_link"})
"""Variables made for each message."""
LETTER: Final = "letter"
"""Variable behind the digits of a text: a letter if another subject is open to the same phone, else empty."""
STANDARD_VARIABLES: Final = PERSONAL | CONSTANTS | LINKS | {LETTER}
"""Variables of every template, beside people's attributes and its subject."""


@dataclass(frozen=True, slots=True)
class SubjectVariable:
    """Variable for what a campaign asks about; the only kind that has fields: `{{ appointment.starts }}`.

    Attributes:
        name: its name in templates: `appointment`.
        noun: its words in a sentence: `an appointment`.
        fields: the names of its fields.
        example: one of them, which errors mention.
    """

    name: str
    noun: str
    fields: frozenset[str]
    example: str
