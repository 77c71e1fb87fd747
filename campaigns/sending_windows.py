"""Sending windows and frequency caps as campaign files write them: hours, days, pauses, caps."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from core.frequency_caps import Cap, parse_caps
from core.plurals import plural

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DURATION: Final = re.compile(r"(\d+)\s*(?:(m)(?:in(?:ute)?s?)?|(h)(?:ours?)?|(d)(?:ays?)?|(w)(?:eeks?)?)(?![a-z])")
_ISO: Final = re.compile(r"P(\d+)D(?:T(\d+)S)?")  # as `to_iso` writes it
_UNITS: Final = ("minutes", "hours", "days", "weeks")
_MAX_PAUSE: Final = timedelta(days=3660)
_HOURS: Final = re.compile(r"(\d{1,2}:\d{2})\s*(?:-|–|to)\s*(\d{1,2}:\d{2})")  # noqa: RUF001  # people type both dashes


class Pause(timedelta):
    """Pause as a file gives it. Its days and weeks keep the hour across a clock change; hours and minutes are exact.

    Attributes:
        calendar_days: the days and weeks.
        exact: the hours and minutes.
    """

    calendar_days: int
    exact: timedelta

    def __new__(cls, calendar_days: int = 0, exact: timedelta = timedelta()) -> Self:
        """Create a pause; it compares as the sum of both parts on days without a clock change."""
        self = super().__new__(cls, days=calendar_days, seconds=exact.total_seconds())
        self.calendar_days, self.exact = calendar_days, exact
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[int, timedelta]]:
        """Keep both parts in copies and pickles."""
        return type(self), (self.calendar_days, self.exact)

    def to_iso(self) -> str:
        """Format as ISO 8601, which keeps both parts apart, as PostgreSQL does: `P3D`, `P1DT43200S`, `P0DT129600S`."""
        seconds = int(self.exact.total_seconds())
        return f"P{self.calendar_days}D" + (f"T{seconds}S" if seconds else "")

    @property
    def words(self) -> str:
        """Put it in words, both parts apart: `1 day`, `24 hours`, `1 day 12 hours 30 minutes`."""
        hours, rest = divmod(int(self.exact.total_seconds()), 3600)
        parts = ((self.calendar_days, "day"), (hours, "hour"), (rest // 60, "minute"))
        return " ".join(plural(n, unit) for n, unit in parts if n) or "0 minutes"


def _pause(value: object) -> Pause:
    if isinstance(value, Pause):
        return value
    if stored := _ISO.fullmatch(str(value)):
        return Pause(int(stored[1]), timedelta(seconds=int(stored[2] or 0)))
    words = str(value).strip().lower()
    if not words or words.isdigit() or _DURATION.sub("", words).strip(" ,"):
        raise ValueError('write a time such as "3 days", "36 hours" or "1d 12h"')
    days, exact = timedelta(), timedelta()
    try:
        for match in _DURATION.finditer(words):
            (unit, number) = next(
                (unit, int(match[1])) for unit, letter in zip(_UNITS, match.groups()[1:], strict=True) if letter
            )
            if unit in {"days", "weeks"}:
                days += timedelta(**{unit: number})
            else:
                exact += timedelta(**{unit: number})
    except OverflowError:
        days = _MAX_PAUSE + timedelta(days=1)
    if days + exact > _MAX_PAUSE:
        raise ValueError("is longer than ten years")
    return Pause(days.days, exact)


def _hours(value: object) -> object:
    if isinstance(value, tuple | list):
        return tuple(value)
    match = _HOURS.fullmatch(str(value).strip())
    try:
        start, end = (time.fromisoformat(part.zfill(5)) for part in (match.groups() if match else ()))
    except ValueError:
        raise ValueError('write the hours in which nothing is sent, such as "20:00-08:00"') from None
    if start == end:
        raise ValueError("starts and ends at the same time")
    return start, end


def _open_hours(value: object) -> object:
    start, midnight, end = str(value).strip().rpartition("24:00")
    try:
        pair = _hours(f"{start}23:59" if midnight and not end else value)
    except ValueError:
        pair = None
    if not isinstance(pair, tuple) or pair[0] >= pair[1]:
        raise ValueError('write the hours in which it may be sent, within one day, such as "09:00-18:00"')
    return (pair[0], time.max) if midnight and not end else pair


def _days(value: object) -> object:
    """Parse days as numbers, 1 for Monday: from `Mon-Fri`, `["Mon", "Thu-Sat"]`."""
    parts = [
        part for entry in (value if isinstance(value, list | tuple) else [value]) for part in str(entry).split(",")
    ]
    days: set[int] = set()
    for part in parts:
        ends = [_day(word.strip().lower()) for word in re.split("[-–]", part)]  # noqa: RUF001  # people type both dashes
        first, last = ends[0], ends[-1]
        if len(ends) > 2 or first is None or last is None:
            raise ValueError('write days such as "Mon-Fri", or ["Mon", "Wed", "Sat-Sun"]')
        days |= {day % 7 + 1 for day in range(first, last + 1 if last >= first else last + 8)}
    return tuple(sorted(days))


def _day(word: str) -> int | None:
    """Return a day's number, 0 for Monday, by its name or the beginning of it."""
    return next((n for n, day in enumerate(_DAYS) if len(word) >= len("mon") and day.startswith(word)), None)


def _caps(value: object) -> object:
    if value == "none":
        return ()
    return parse_caps(value) if isinstance(value, str) else value


Duration = Annotated[Pause, PlainValidator(_pause), PlainSerializer(Pause.to_iso, return_type=str)]
"""Time between one event and another."""
QuietHours = Annotated[tuple[time, time], BeforeValidator(_hours)]
"""Start and end of the hours in which nothing is sent; may span midnight."""
OpenHours = Annotated[tuple[time, time], BeforeValidator(_open_hours)]
"""Start and end of the hours in which messages may be sent, within one day."""
NIGHT: Final = (time(21), time(8))
"""Quiet hours for texts in a campaign that sets none."""
Days = Annotated[tuple[int, ...], BeforeValidator(_days)]
"""Days of the week, 1 for Monday."""
StepCaps = Annotated[tuple[Cap, ...], BeforeValidator(_caps)]
"""Frequency caps; empty for `none`, which exempts from the organisation's as well."""
