"""Dates as people write them: read where there is one meaning, and never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.written_dates import read_written_date

LONDON = ZoneInfo("Europe/London")
NOTATIONS = ["%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%d %B %Y at %H:%M", "%A %d %b %Y %I.%M%p", "%Y-%m-%dT%H:%M:00"]
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
HALF_PAST_TWO = datetime(2026, 12, 31, 14, 30, tzinfo=LONDON)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31 14:30", "2026-12-31T14:30", "2026-12-31T14:30:00", "2026-12-31T14:30:00.000", "2026-12-31T14:30Z",
        "2026-12-31T15:30+01:00", "2026-12-31 09:30:00 -0500", "2026/12/31 14:30", "31/12/2026 14:30",
        "31/12/2026 14:30:00", "31.12.2026 14.30", "2026-12-31T09:30-05:00", "2026-12-31 09:30:00-05",
        "2026-12-31 20:00 +05:30", "2026-12-31T05:00-0930",
        "31-12-2026, 14:30", "31/12/2026 2:30pm", "31/12/2026 2.30 PM",
        "31 December 2026 14:30", "31st Dec 2026 at 2.30pm", "Thursday 31 December 2026, 14:30", " 31-Dec-2026 14:30 ",
    ],
)  # fmt: skip
def test_a_time_is_read_as_it_is_meant(text: str) -> None:
    read = read_written_date(text, LONDON)
    assert read is not None
    assert (read.at, read.timed) == (HALF_PAST_TWO, True)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31", "31/12/2026", "31 Dec 2026", "2026-12-31 00:00:00", "2026-12-31T00:00", "2026-12-31T00:00:00Z",
        "2026-12-30T19:00:00.000-05:00",
    ],
)  # fmt: skip
def test_a_date_alone_is_nine_in_the_morning(text: str) -> None:
    read = read_written_date(text, LONDON)
    assert read is not None
    assert (read.at, read.timed) == (datetime(2026, 12, 31, 9, tzinfo=LONDON), False)


@pytest.mark.parametrize(
    "text",
    [
        "", "tomorrow", "12/31/2026", "31/02/2026", "31/12/26", "2026", "14:30", "46387", "Friday 31 December 2026",
        "2026-12-31 25:00", "2026-12-31 14:30 BST", "31/12/2026 13:30pm", "0000-00-00", "9999-12-31",
        "2026-12-31T14:30+99:00", "2026-12-31T14:30-15:00", "2026-12-31T14:30+14:15", "2026-12-31T14:30:00+01:20",
        "31/12/2026 14:30-15:00", "2026-12-31 09:00-09:30", "31/12/2026 10:00-11", "31/12/2026 14:30 -15:00",
        "31/12/2026 2pm-03:00", "31/12/2026 14:30 - 15:00", "31/12/2026 14:30-15",
        "31/12-2026", "31 Smarch 2026", "2026-12-31 or 2027-01-01",
        "1 \u017fep 2027", "\u017fat 5/12/2026", "fr\u0131 4/12/2026",
    ],
)  # fmt: skip
def test_an_ambiguous_date_is_not_read(text: str) -> None:
    assert read_written_date(text, LONDON) is None


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        ("2026-06-30T23:00:00.000Z", "Europe/London", 1),
        ("2026-07-01T00:00:00+01:00", "Europe/London", 1),
        ("2026-06-30T18:30:00Z", "Asia/Kolkata", 1),
        ("2026-07-01T04:00:00Z", "America/New_York", 1),
    ],
)
def test_midnight_on_the_person_s_clock_is_a_day_in_whatever_zone_it_is_written(text: str, zone: str, day: int) -> None:
    read = read_written_date(text, ZoneInfo(zone))
    assert read is not None
    assert (read.at, read.timed) == (datetime(2026, 7, day, 9, tzinfo=ZoneInfo(zone)), False)


def test_midnight_elsewhere_is_a_time() -> None:
    read = read_written_date("2026-07-01T00:00:00Z", ZoneInfo("Asia/Tokyo"))
    assert read is not None
    assert (read.at, read.timed) == (datetime(2026, 7, 1, 9, tzinfo=ZoneInfo("Asia/Tokyo")), True)


def test_a_time_without_a_zone_is_the_person_s_own() -> None:
    read = read_written_date("2026-07-01 10:00", ZoneInfo("Asia/Kolkata"))
    assert read is not None
    assert read.at == datetime(2026, 7, 1, 4, 30, tzinfo=UTC)


@given(
    st.datetimes(EARLIEST.replace(tzinfo=None), EARLIEST.replace(year=2199, tzinfo=None)),
    st.sampled_from(NOTATIONS),
    st.integers(-14, 14),
)
def test_every_notation_says_the_same_time(at: datetime, notation: str, ahead: int) -> None:
    zone = timezone(timedelta(hours=ahead))
    read = read_written_date(at.strftime(notation), zone)
    assert read is not None
    at = at.replace(second=0, microsecond=0, tzinfo=zone)
    assert read.at == (at if at.time() != time() or "%I" in notation else at.replace(hour=9))


@given(st.text())
def test_no_text_at_all_is_too_much(text: str) -> None:
    read_written_date(text, UTC)
