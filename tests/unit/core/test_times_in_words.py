from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.times_in_words import moment_in_words, pause_in_words


def test_a_time_is_shown_by_the_clock_of_its_reader() -> None:
    at = datetime(2026, 7, 5, 23, 30, tzinfo=UTC)
    assert moment_in_words(at, ZoneInfo("Europe/London")) == "Monday 6 July 2026, 00:30"


@pytest.mark.parametrize(
    ("pause", "words"),
    [
        (timedelta(days=3), "3 days"),
        (timedelta(days=1, hours=12), "1 day 12 hours"),
        (timedelta(hours=1, minutes=1), "1 hour 1 minute"),
        (timedelta(), "at once"),
    ],
)
def test_a_pause_is_written_to_the_minute(pause: timedelta, words: str) -> None:
    assert pause_in_words(pause) == words
