"""Type of the dates and times on a command line: in the notations of member files, by the clock of one zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import click

from core.written_dates import WrittenDate, read_written_date


@dataclass(frozen=True, slots=True)
class TypedDate:
    """Date or time as an operator typed it; `MUSTER_TIME_ZONE`, or a subject's own zone, makes a moment of it.

    Attributes:
        text: as it was typed; a notation that is known.
    """

    text: str

    def start(self, zone: ZoneInfo) -> datetime:
        """Return the moment, the first of the day where no time was typed."""
        return self._written(zone).start

    def end(self, zone: ZoneInfo) -> datetime:
        """Return the moment, the last second of the day where no time was typed."""
        return self._written(zone).end

    def last_second(self, zone: ZoneInfo) -> datetime:
        """Return the moment, the last second of the day where no time or midnight was typed."""
        return self._written(zone).last_second

    def _written(self, zone: ZoneInfo) -> WrittenDate:
        written = read_written_date(self.text, zone)
        assert written is not None
        return written


class _Moment(click.ParamType[TypedDate]):
    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> TypedDate:
        if isinstance(value, TypedDate):
            return value
        text = str(value)
        if read_written_date(text, UTC) is None:
            words = "write a date such as 2026-11-02 or 02/11/2026, or a time such as 2026-11-02 14:30"
            self.fail(f"“{text}” is not a date; {words}.", param, ctx)
        return TypedDate(text)


MOMENT: Final = _Moment()
"""`2026-11-02`, `02/11/2026`, `2 Nov 2026 at 2pm`, `2026-11-02T14:30`, with an offset or without."""
