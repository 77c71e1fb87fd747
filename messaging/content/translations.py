"""The words of Muster's own that members read, by language: `templates/pages/member/words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime, time
from functools import cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from core.settings import ROOT
from messaging.content.languages import DEFAULT, spoken


def wording(language: str) -> Mapping[str, Any]:
    """The words of a language (`cy`, `cy-GB`); English where there is none like it, or where it lacks a line."""
    known = _load()
    return known[spoken(language, known) or DEFAULT]


def languages() -> tuple[str, ...]:
    """The languages there are words in, English first."""
    return tuple(_load())


def day_and_time(at: datetime, zone: str, language: str = DEFAULT) -> str:
    """A moment as messages tell it, `Monday 7 December` or `Monday 7 December, 12:00`.

    The time is left out at midnight and in the last minute of a day: there the date says it.

    Args:
        at: aware.
        zone: the time zone it is told in.
        language: English stands in where there are no words.
    """
    words, here = wording(language), at.astimezone(ZoneInfo(zone))
    whole_day = here.time() == time() or here.time() >= time(23, 59)
    form = "{day} {number} {month}" if whole_day else str(words["date_and_time"])
    day, month = words["days"][here.weekday()], words["months"][here.month - 1]
    return form.format(day=day, number=here.day, month=month, time=f"{here:%H:%M}")


@cache
def _load() -> Mapping[str, Mapping[str, Any]]:
    text = (ROOT / "templates" / "pages" / "member" / "words.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return MappingProxyType({name: MappingProxyType(tables[DEFAULT] | table) for name, table in tables.items()})
