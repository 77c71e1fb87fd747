"""Frequency caps on messages to one person, such as `3 in 7 days`, as settings and campaign files write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from core.plurals import plural

_CAP: Final = re.compile(
    r"(?P<messages>\d+)\s+(?:(?P<purpose>marketing)\s+)?(?:messages?\s+)?(?:in|per|an?)\s+(?:(?P<n>\d+)\s+)?"
    r"(?P<unit>hour|day|week)s?"
)


@dataclass(frozen=True, slots=True)
class Cap:
    """Cap on messages to one person in any span of a given length, over all campaigns and both channels.

    Attributes:
        messages: how many at most.
        window: the length of the span.
        purpose: `marketing` counts and holds back only messages of that purpose, `all` every one.
    """

    messages: int
    window: timedelta
    purpose: Literal["all", "marketing"] = "all"

    def __str__(self) -> str:
        """Return the cap as people write it."""
        days, rest = divmod(self.window, timedelta(days=1))
        n, unit = (self.window // timedelta(hours=1), "hour") if rest else (days, "day")
        kind = "marketing " if self.purpose == "marketing" else ""
        return f"{self.messages} {kind}in {plural(n, unit)}"

    def to_json(self) -> dict[str, Any]:
        """Return the cap as a step stores it and the eligibility check reads it."""
        return {"messages": self.messages, "seconds": self.window.total_seconds(), "purpose": self.purpose}


def parse_caps(words: str) -> tuple[Cap, ...]:
    """Read caps, separated by commas: `1 in 1 day, 3 marketing in 7 days`.

    Raises:
        ValueError: says how to write one.
    """
    return tuple(_parse(part.strip()) for part in words.split(","))


def _parse(words: str) -> Cap:
    match = _CAP.fullmatch(words.lower())
    if match is None:
        raise ValueError('write the most messages in a time, such as "3 in 7 days" or "2 marketing in 1 day"')
    messages, n = int(match["messages"]), int(match["n"] or 1)
    if not messages or not n:
        raise ValueError("would let nothing through: write at least 1 message in at least 1 hour")
    if messages > 1_000 or n > 10_000:
        raise ValueError("is larger than any cap needs to be")
    return Cap(messages, timedelta(**{f"{match['unit']}s": n}), "marketing" if match["purpose"] else "all")


def effective(own: Sequence[dict[str, Any]] | None, organisation: Sequence[Cap]) -> list[dict[str, Any]]:
    """Return the caps that apply to a step.

    Args:
        own: caps in the campaign file; None if the file says nothing, an empty list where the step is exempt.
        organisation: caps in the settings.
    """
    if own is not None and not own:
        return []
    return [*(cap.to_json() for cap in organisation), *(own or ())]
