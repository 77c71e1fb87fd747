"""Dates on a command line: every notation of member files, by the clock of one zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
import pytest

from muster.cli.moments import MOMENT, TypedDate

LONDON = ZoneInfo("Europe/London")


def typed(text: str) -> TypedDate:
    return MOMENT.convert(text, None, None)


@pytest.mark.parametrize(
    "text", ["2026-07-01", "01/07/2026", "1.7.2026", "1 July 2026", "Wed 1 Jul 2026", "2026-07-01T00:00+01:00"]
)
def test_a_day_begins_at_midnight(text: str) -> None:
    assert typed(text).start(LONDON) == datetime(2026, 6, 30, 23, tzinfo=UTC)


def test_a_day_ends_with_its_last_second_but_a_midnight_that_was_typed_is_meant() -> None:
    assert typed("1 July 2026").end(LONDON) == datetime(2026, 7, 1, 22, 59, 59, tzinfo=UTC)
    assert typed("2026-07-01 00:00").end(LONDON) == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert typed("2026-07-01 00:00").last_second(LONDON) == datetime(2026, 7, 1, 22, 59, 59, tzinfo=UTC)
    assert typed("2026-07-01 18:00").last_second(LONDON) == datetime(2026, 7, 1, 17, tzinfo=UTC)


def test_a_last_day_on_which_clocks_go_back_at_midnight_is_an_hour_longer() -> None:
    santiago = ZoneInfo("America/Santiago")
    assert typed("2027-04-03").last_second(santiago).astimezone(UTC) == datetime(2027, 4, 4, 3, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-07-01 14:30", "2026-07-01T14:30:00", "1/7/2026 2.30pm", "2026-07-01T13:30Z"])
def test_a_time_is_its_own_beginning_and_end(text: str) -> None:
    assert typed(text).start(LONDON) == typed(text).end(LONDON) == datetime(2026, 7, 1, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "12/31/2026", "2026", ""])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write a date such as 2026-11-02"):
        typed(text)
