"""Figures, times and states in words for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from core.address_masks import mask
from core.plurals import plural


@dataclass(frozen=True, slots=True)
class WordGroup:
    """Message states that are shown as one.

    Attributes:
        key: of `messaging.states.STATE_GROUPS`; also the name of its colour in the style sheet.
        label: its name on pages.
        help: its meaning, in a sentence.
    """

    key: str
    label: str
    help: str


GROUPS: Final = (
    WordGroup("delivered", "Delivered", "The phone or mailbox has it."),
    WordGroup("sent", "Sent", "The provider took it; no receipt has come yet."),
    WordGroup("unknown", "Unknown", "It was handed over, but no answer came; Muster is finding out."),
    WordGroup("failed", "Failed", "It did not arrive."),
    WordGroup("waiting", "Waiting", "Due to be sent."),
    WordGroup("left_out", "Not sent", "Nothing was or will be sent."),
)
"""Groups of message states, in the order a bar shows them."""

CAMPAIGN_STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "draft": "Draft",
        "planned": "Planned",
        "launching": "Launching",
        "running": "Running",
        "paused": "Paused",
        "cancelled": "Cancelled",
        "finished": "Finished",
    }
)

CHANNELS: Final[Mapping[str, str]] = MappingProxyType({"sms": "Text", "email": "Email"})


def code_in_words(vocabulary: Mapping[str, str], code: str | None) -> str:
    """Put a code in words; a code without words is shown in a readable form rather than hidden."""
    if not code:
        return ""
    return vocabulary.get(code) or code.replace("_", " ").capitalize()


def duration(seconds: float) -> str:
    """Put a duration in words: `less than a minute`, `8 minutes`, `3 hours`, `2 days`."""
    if seconds < 60:
        return "less than a minute"
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size * (1 if name == "minute" else 1.5):
            return plural(round(seconds / size), name)
    return plural(round(seconds / 60), "minute")


def ago(then: datetime, now: datetime) -> str:
    """Put a past time in words: `just now`, `8 minutes ago`."""
    seconds = (now - then).total_seconds()
    return "just now" if seconds < 60 else f"{duration(seconds)} ago"


def short_name(first: str, last: str) -> str:
    """Shorten a name to the first name and last initial: enough to talk about a person, not enough to find them."""
    return f"{first} {last[:1].upper() + '.' if last else ''}".strip() or "Somebody"


def shorten(text: str, longest: int) -> str:
    """Shorten a text to its beginning, at a word's end if there is one."""
    if len(text) <= longest:
        return text
    return (text[:longest].rsplit(None, 1)[0] or text[:longest]) + " …"


_ADDRESS_IN_TEXT: Final = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.\w+|\+?\d[\d\s().-]{7,}\d")


def mask_text(text: str) -> str:
    """Mask phone numbers and email addresses in a text."""
    return _ADDRESS_IN_TEXT.sub(_mask_found, text)


def _mask_found(match: re.Match[str]) -> str:
    return mask(match[0] if "@" in match[0] else re.sub(r"[^\d+]", "", match[0]))
