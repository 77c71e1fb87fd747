"""Times of messages that are due by a date of their person: hours that pass, days on the clock, past dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.person_dates import MAX_LATENESS, DatedWhen, dated_when, due_by
from campaigns.sending_windows import Pause
from campaigns.spec import CampaignSpec
from messaging.reasons import Reason

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = [LONDON, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]
moments = st.datetimes(datetime(2026, 2, 1), datetime(2027, 2, 1))  # noqa: DTZ001  # on somebody's clock


def dated(side: Any, pause: Pause, *later: Pause) -> DatedWhen:
    return DatedWhen("appointment_at", side, pause, later)


@given(moments, st.integers(1, 200), st.sampled_from(ZONES))
def test_hours_are_as_long_as_they_say(at: datetime, hours: int, zone: ZoneInfo) -> None:
    due = due_by(dated("before", Pause(0, timedelta(hours=hours))), f"{at:%Y-%m-%d %H:%M:01}", zone, since=NOW, now=NOW)
    assert due.not_before is not None
    assert due.date_at is not None
    assert due.date_at - due.not_before == timedelta(hours=hours)


@given(moments, st.integers(1, 20), st.sampled_from(["before", "after"]), st.sampled_from(ZONES))
def test_days_keep_the_hour_of_the_person_s_clock(at: datetime, days: int, side: str, zone: ZoneInfo) -> None:
    due = due_by(dated(side, Pause(days)), f"{at:%Y-%m-%d %H:%M:01}", zone, since=NOW, now=NOW)
    assert due.not_before is not None
    assert due.date_at is not None
    shown = due.date_at.astimezone(zone)
    there = due.not_before.astimezone(zone)
    apart = (there.replace(tzinfo=None) - shown.replace(tzinfo=None)) * (-1 if side == "before" else 1)
    assert abs(apart - timedelta(days=days)) <= timedelta(hours=1), "but for an hour that clocks skip"
    if timedelta(hours=3) <= timedelta(hours=at.hour) <= timedelta(hours=22):
        assert apart == timedelta(days=days)


@pytest.mark.parametrize(
    ("side", "text", "hours", "reason"),
    [
        ("before", "2026-01-01 00:00:01", None, Reason.PAST_DATE),  # the hour before has begun
        ("before", "2026-01-01 02:00", 0, None),
        ("before", "2026-01-09 02:00", 8 * 24 - 22, None),
        ("after", "2026-01-01 02:00", 26, None),
        ("after", "2025-12-31 01:00", 1, None),
        ("after", "2025-12-30 23:00", None, Reason.PAST_DATE),
        ("before", "", None, Reason.NO_DATE),
        ("before", "  ", None, Reason.NO_DATE),
        ("after", "Easter", None, Reason.UNREADABLE_DATE),
    ],
)
def test_a_message_due_in_the_past_goes_at_once_or_not_at_all(
    side: str, text: str, hours: int | None, reason: Reason | None
) -> None:
    now = NOW + timedelta(seconds=2) if text.endswith(":01") else NOW
    due = due_by(dated(side, Pause(0, timedelta(hours=24))), text, LONDON, since=NOW, now=now)
    assert (due.not_before, due.reason) == (None if hours is None else NOW + timedelta(hours=hours), reason)


def test_a_date_that_comes_to_be_known_late_is_still_followed_for_some_days() -> None:
    when, text = dated("after", Pause(0, timedelta(hours=2))), "2026-01-01 10:00"
    for late, is_due in ((timedelta(hours=12), True), (MAX_LATENESS + timedelta(hours=13), False)):
        due = due_by(when, text, LONDON, since=NOW, now=NOW + late)
        assert due.not_before == (NOW + late if is_due else None)


def test_only_the_latest_of_several_reminders_that_are_due_goes() -> None:
    week, day, hours = Pause(7), Pause(1), Pause(0, timedelta(hours=2))
    reasons = [
        due_by(dated("before", pause, *later), "2026-01-01 20:00", LONDON, since=NOW, now=NOW).reason
        for pause, later in ((week, (day, hours)), (day, (hours,)), (hours, ()))
    ]
    assert reasons == [Reason.LATER_REMINDER, None, None]


def test_what_a_file_says_of_dates_is_read_back_as_it_is_stored() -> None:
    whens = (
        {"before": "1 day 2 hours", "of": "appointment_at"},
        {"before": "2 hours", "of": "appointment_at"},
        {"after": "2 hours", "of": "appointment_at"},
    )
    steps = [{"template": "x", "channels": ["sms"], "when": when} for when in whens]
    spec = CampaignSpec.model_validate(
        {"name": "x", "title": "x", "about": {"ballot": "x"}, "steps": steps}
    ).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert [dated_when(spec, position) for position in (1, 2, 3)] == [
        dated("before", Pause(1, timedelta(hours=2)), Pause(0, timedelta(hours=2))),
        dated("before", Pause(0, timedelta(hours=2))),
        dated("after", Pause(0, timedelta(hours=2))),
    ]
