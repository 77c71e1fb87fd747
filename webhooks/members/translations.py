"""Which language a member reads a page in, and times as the pages tell them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from messaging.content.languages import DEFAULT, spoken
from messaging.content.translations import languages, wording

__all__ = ["accepted", "language", "languages", "local_time", "wording"]

_LONGEST: Final = 500
"""Characters of a header that are looked at."""


def language(*wanted: str | None) -> str:
    """The first of some languages (`cy`, `cy-GB`) that there are words in; English where there is none.

    Args:
        wanted: in order of preference; None and "" are passed over.
    """
    known = languages()
    return next((name for one in wanted if one and (name := spoken(one, known))), DEFAULT)


def accepted(header: str) -> list[str]:
    """The languages a browser asks for, the most wanted first (RFC 9110, 12.5.4).

    Args:
        header: `Accept-Language` as it came.
    """
    wanted: list[tuple[float, str]] = []
    for part in header[:_LONGEST].split(","):
        name, _, weight = part.partition(";")
        share = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight)
        wanted.append((float(share[1]) if share else 1.0, name.strip()))
    return [name for weight, name in sorted(wanted, key=lambda one: -one[0]) if weight > 0]


def local_time(at: datetime, zone: str, words: Mapping[str, Any]) -> str:
    """A time as a person says it: `Monday 7 December at midday`, where they are.

    Args:
        at: aware.
        zone: the time zone it is told in.
        words: of the language.
    """
    there = at.astimezone(ZoneInfo(zone))
    time = words["noon"] if (there.hour, there.minute) == (12, 0) else f"{there:%H:%M}"
    return str(words["at"]).format(
        day=words["days"][there.weekday()], number=there.day, month=words["months"][there.month - 1], time=time
    )
