"""Dates and times as people and systems write them: ISO 8601, `31/12/2026 14:30`, `31 December 2026 at 2.30pm`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import Final

MORNING_HOUR: Final = 9
"""Hour of a date without a time. Midnight on the reader's clock counts as no time, because systems write dates without
a time in that way."""
# offsets from UTC that exist: from Baker Island's to Kiribati's
_ZONES_BEHIND: Final = timedelta(hours=12)
_ZONES_AHEAD: Final = timedelta(hours=14)
_ZONES_APART: Final = timedelta(minutes=15)

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YEARS: Final = range(1900, 2200)
# of lower-case text: a pattern that ignores case takes a long s for an s, and no list of names holds that
_WRITTEN: Final = re.compile(
    r"""(?:(?P<weekday>mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?
    (?:
      (?P<year>\d{4})(?P<iso>[-/])(?P<month>\d{1,2})(?P=iso)(?P<day>\d{1,2})
      | (?P<day2>\d{1,2})(?P<mark>[-/.])(?P<month2>\d{1,2})(?P=mark)(?P<year2>\d{4})
      | (?P<day3>\d{1,2})(?:st|nd|rd|th)?[\s-]+
        (?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,?[\s-]+(?P<year3>\d{4})
    )
    (?:
      (?:(?P<machine>t)|,?\s+(?:at\s+)?)
      (?P<time>
        (?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?P<seconds>[:.](?P<second>\d{2})(?:[.,]\d+)?)?(?:\s*(?P<half>[ap])\.?m\.?)?
        | (?P<hour2>\d{1,2})\s*(?P<half2>[ap])\.?m\.?
      )
      \s*(?P<zone>z|utc|gmt|[+-]\d{2}(?::?\d{2})?)?
    )?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """Date that was read.

    Attributes:
        at: aware; at `MORNING_HOUR` if no time was written.
        timed: whether a time was written; midnight on the reader's clock is no time, in whatever zone it is written.
        bare: whether nothing but a day was written, not even midnight.
    """

    at: datetime
    timed: bool
    bare: bool = False

    @property
    def start(self) -> datetime:
        """The moment that is meant where a day means its beginning."""
        return self.at if self.timed else self.at.replace(hour=0)

    @property
    def end(self) -> datetime:
        """The moment that is meant where a day means its last second, also of an hour that clocks repeat."""
        return self.last_second if self.bare else self.start

    @property
    def last_second(self) -> datetime:
        """The moment that is meant where only a day can be, as of a last day: systems export days as midnight."""
        return self.at if self.timed else self.at.replace(hour=23, minute=59, second=59, fold=1)


def read_written_date(text: str, zone: tzinfo) -> WrittenDate | None:
    """Read a date, with or without a time; None for anything else.

    - The day stands before the month, so `12/31/2026` is no date.
    - If clocks go forward, a time in the hour that they skip is read as if they had not yet.
    - If clocks go back, a time in the hour that they repeat is the first of the two.
    - An offset from UTC behind a minus is read only behind a `T` or behind seconds, where programs write one:
      `14:30-15:00` is a slot, and no date.

    Args:
        text: as it is written.
        zone: the zone of a time that names none; midnight in it counts as no time.
    """
    match = _WRITTEN.fullmatch(text.strip().lower())
    if match is None:
        return None
    year = int(match["year"] or match["year2"] or match["year3"])
    month = _MONTHS.index(match["name"]) + 1 if match["name"] else int(match["month"] or match["month2"])
    day = int(match["day"] or match["day2"] or match["day3"])
    hour, half = match["hour"] or match["hour2"], match["half"] or match["half2"]
    if (match["zone"] or "").startswith("-") and match["machine"] is match["seconds"] is None:
        return None
    try:
        written = datetime(
            year, month, day,
            MORNING_HOUR if hour is None else _on_the_clock(int(hour), half),
            int(match["minute"] or 0), int(match["second"] or 0),
            tzinfo=_offset(match["zone"]) or zone,
        )  # fmt: skip
    except ValueError:
        return None
    if year not in _YEARS or (match["weekday"] and _DAYS.index(match["weekday"]) != written.weekday()):
        return None
    here = written if hour is None else written.astimezone(zone)
    if half is None and here.time() == time():
        return WrittenDate(here.replace(hour=MORNING_HOUR), timed=False)
    return WrittenDate(written, hour is not None, bare=hour is None)


def _on_the_clock(hour: int, half: str | None) -> int:
    """Return the hour from 0 to 23 of one with am or pm.

    Raises:
        ValueError: no clock shows it.
    """
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half == "p" else 0)


def _offset(zone: str | None) -> tzinfo | None:
    """Return the zone that a time names; None if it names none.

    Raises:
        ValueError: no place has that offset.
    """
    if zone is None:
        return None
    if zone[0] not in "+-":
        return UTC
    digits = zone[1:].replace(":", "")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    ahead = -ahead if zone[0] == "-" else ahead
    if not -_ZONES_BEHIND <= ahead <= _ZONES_AHEAD or ahead % _ZONES_APART:
        raise ValueError(zone)
    return timezone(ahead)
