"""Dates in lists are read like those in member files; one without a time is the beginning of that day."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from people.lists.lists import BadRow, read_past_date

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-05-03", datetime(2026, 5, 3, tzinfo=LONDON)),
        ("03/05/2026", datetime(2026, 5, 3, tzinfo=LONDON)),
        ("3.5.2026", datetime(2026, 5, 3, tzinfo=LONDON)),
        ("3 May 2026", datetime(2026, 5, 3, tzinfo=LONDON)),
        ("Sunday, 3rd May 2026 at 2.30pm", datetime(2026, 5, 3, 14, 30, tzinfo=LONDON)),
        ("03/05/2026 14:00", datetime(2026, 5, 3, 14, tzinfo=LONDON)),
        ("03/05/2026 00:00", datetime(2026, 5, 3, tzinfo=LONDON)),
        ("2026-05-03T14:00+01:00", datetime(2026, 5, 3, 13, tzinfo=UTC)),
        ("2026-05-03T14:00:00.123456", datetime(2026, 5, 3, 14, 0, 0, 123456, tzinfo=LONDON)),
    ],
)
def test_a_date_is_read_in_any_notation_of_member_files(text: str, at: datetime) -> None:
    assert read_past_date(text, LONDON, now=NOW, column="since") == at


@pytest.mark.parametrize(
    ("text", "code"), [("yesterday", "not_a_date"), ("05/31/2026", "not_a_date"), ("2 June 2026", "in_the_future")]
)
def test_what_is_no_date_or_still_to_come_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadRow) as refused:
        read_past_date(text, LONDON, now=NOW, column="since")
    assert (refused.value.code, refused.value.column) == (code, "since")
