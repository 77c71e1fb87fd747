"""Grants in words: a role, where, and from when until when, with the year."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from core.times_in_words import day_in_words, moment_in_words

WHOLE_ORGANISATION: Final = "the whole organisation"


def grant_in_words(
    role: str,
    unit: str | None,
    starts_at: datetime | None,
    ends_at: datetime | None,
    *,
    now: datetime,
    zone: tzinfo,
) -> str:
    """Put a grant in words: `rep of North / Leeds from Monday 1 February 2027 until Monday 1 March 2027 (last day)`.

    Args:
        role: its name.
        unit: the path of its unit; None for the whole organisation.
        starts_at: when it begins; said only if that is to come.
        ends_at: when it ends; None for never.
        now: the time, aware.
        zone: the time zone of the days.
    """
    time_span = span_in_words(starts_at, ends_at, now=now, zone=zone)
    return f"{role} of {unit or WHOLE_ORGANISATION}{f' {time_span}' if time_span else ''}"


def span_in_words(starts_at: datetime | None, ends_at: datetime | None, *, now: datetime, zone: tzinfo) -> str:
    """Put the time of a grant in words; empty if it is in force and has no end.

    Args:
        starts_at: when it begins; said only if that is to come.
        ends_at: when it ends; None for never.
        now: the time, aware.
        zone: the time zone of the days.
    """
    parts = []
    if starts_at is not None and starts_at > now:
        midnight = starts_at.astimezone(zone).time() == time()
        parts.append(f"from {day_in_words(starts_at, zone) if midnight else moment_in_words(starts_at, zone)}")
    if ends_at is not None:
        last_second = (ends_at.astimezone(zone) + timedelta(seconds=1)).time() == time()
        shown = f"{day_in_words(ends_at, zone)} (last day)" if last_second else moment_in_words(ends_at, zone)
        parts.append(f"until {shown}")
    return " ".join(parts)
