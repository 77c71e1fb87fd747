"""Languages of members' pages, and times as the pages show them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from messaging.content.languages import DEFAULT, closest_language
from messaging.content.translations import languages

_MAX_HEADER_LENGTH: Final = 500
"""Characters of a header that are read."""


def language(*wanted: str | None) -> str:
    """Return the first of some languages (`cy`, `cy-GB`) that has been translated; English if none has.

    Args:
        wanted: in order of preference; None and "" are passed over.
    """
    known = languages()
    return next((name for code in wanted if code and (name := closest_language(code, known))), DEFAULT)


def accepted(header: str) -> list[str]:
    """List the languages a browser accepts, the most wanted first (RFC 9110, 12.5.4).

    Args:
        header: `Accept-Language` as it came.
    """
    wanted: list[tuple[float, str]] = []
    for part in header[:_MAX_HEADER_LENGTH].split(","):
        name, _, weight = part.partition(";")
        share = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight)
        wanted.append((float(share[1]) if share else 1.0, name.strip()))
    return [name for weight, name in sorted(wanted, key=lambda pair: -pair[0]) if weight > 0]


def local_time(at: datetime, zone: str, words: Mapping[str, Any]) -> str:
    """Format a time in words, `Monday 7 December at midday`, in a time zone.

    Args:
        at: aware.
        zone: the time zone.
        words: the words of the language.
    """
    there = at.astimezone(ZoneInfo(zone))
    time = words["noon"] if (there.hour, there.minute) == (12, 0) else f"{there:%H:%M}"
    return str(words["at"]).format(
        day=words["days"][there.weekday()], number=there.day, month=words["months"][there.month - 1], time=time
    )
