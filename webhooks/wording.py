"""What members read, by language: `templates/pages/member/words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from messaging.settings import ROOT

DEFAULT: Final = "en"


def wording(language: str) -> Mapping[str, Any]:
    """The words of a language (`cy`, `cy-GB`); English where there is none like it, or where it lacks a line."""
    languages = _load()
    return languages.get(language.lower().partition("-")[0], languages[DEFAULT])


def languages() -> frozenset[str]:
    """The languages there are words in."""
    return frozenset(_load())


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


@cache
def _load() -> Mapping[str, Mapping[str, Any]]:
    text = (ROOT / "templates" / "pages" / "member" / "words.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return MappingProxyType({name: MappingProxyType(tables[DEFAULT] | table) for name, table in tables.items()})
