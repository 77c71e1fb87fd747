"""Times and pauses in words, as sentences for staff have them."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from core.plurals import plural


def moment_in_words(at: datetime, zone: tzinfo) -> str:
    """Put a time in words: `Monday 23 November 2026, 09:00`.

    Args:
        at: the time; aware.
        zone: the time zone to show it in.
    """
    here = at.astimezone(zone)
    return f"{here:%A} {here.day} {here:%B %Y, %H:%M}"


def day_in_words(at: datetime, zone: tzinfo) -> str:
    """Put a day in words: `Monday 23 November 2026`.

    Args:
        at: a time of it; aware.
        zone: the time zone that the day is of.
    """
    here = at.astimezone(zone)
    return f"{here:%A} {here.day} {here:%B %Y}"


def pause_in_words(pause: timedelta) -> str:
    """Put the time between two steps in words, to the minute: `3 days`, `1 day 12 hours`; `at once` for none."""
    hours, rest = divmod(pause.seconds, 3600)
    parts = ((pause.days, "day"), (hours, "hour"), (rest // 60, "minute"))
    return " ".join(plural(n, unit) for n, unit in parts if n) or "at once"
