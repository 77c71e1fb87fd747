"""Translations of Muster's own texts for members, by language: `templates/words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime, time, tzinfo
from functools import cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from core.settings import TEMPLATES
from messaging.content.languages import DEFAULT, closest_language


def wording(language: str, about: str = "") -> Mapping[str, Any]:
    """Return the texts of a language (`cy`, `cy-GB`); English for a language, or a text, without a translation.

    Args:
        language: the language.
        about: the kind of subject that they are about, whose own texts replace the general ones; "" for none.
    """
    known = _load()
    return known[closest_language(language, known) or DEFAULT][about]


def languages() -> tuple[str, ...]:
    """Return the languages there are translations for, English first."""
    return tuple(_load())


def day_words(here: datetime, language: str = DEFAULT) -> str:
    """Format the day of a local time for messages: `Monday 7 December`."""
    return _formatted("{day} {number} {month}", here, language)


def day_and_time(at: datetime | None, zone: str | tzinfo, language: str = DEFAULT) -> str:
    """Format a time for messages: `Monday 7 December` or `Monday 7 December, 12:00`; empty for None.

    The time of day is left out at midnight and in the last minute of a day, when the date is enough.

    Args:
        at: aware.
        zone: the time zone to write it in.
        language: the text's language; English if it is not translated.
    """
    if at is None:
        return ""
    here = at.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    if here.time() == time() or here.time() >= time(23, 59):
        return day_words(here, language)
    return _formatted(str(wording(language)["date_and_time"]), here, language)


def _formatted(form: str, here: datetime, language: str) -> str:
    words = wording(language)
    day, month = words["days"][here.weekday()], words["months"][here.month - 1]
    return form.format(day=day, number=here.day, month=month, time=f"{here:%H:%M}")


@cache
def _load() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Load the texts by language, and by kind of subject, whose texts are in a table inside the language's."""
    text = (TEMPLATES / "words.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    kinds = [name for name, value in tables[DEFAULT].items() if isinstance(value, dict)]
    return MappingProxyType(
        {
            language: MappingProxyType(
                {
                    about: MappingProxyType(tables[DEFAULT] | own | tables[DEFAULT].get(about, {}) | own.get(about, {}))
                    for about in ("", *kinds)
                }
            )
            for language, own in tables.items()
        }
    )
