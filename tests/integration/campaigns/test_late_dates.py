"""Messages due by dates of people, where they are late, past, or outside the hours."""

from __future__ import annotations

from datetime import UTC, datetime

from campaigns import campaigns as lifecycle
from campaigns.date_changes import follow_dates
from core.runtime import Runtime
from messaging.outbox.reconcile import reconcile
from muster.operator import operator
from tests.support.appointments import (
    REMINDER,
    Load,
    claim_due,
    launched,
    outcomes,
    utc,
)
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, connected

THANKS = {"template": "feedback-request", "channels": ["sms"], "when": {"after": "2 hours", "of": "appointment_at"}}


async def test_nothing_goes_in_quiet_hours_nor_after_the_date(muster: Runtime, load: Load, clock: FixedClock) -> None:
    await load("late,Ann,+447700900001,,,,2026-11-24 09:00", "early,Bo,+447700900002,,,,2026-11-24 07:30")
    short = {**REMINDER, "when": {"before": "2 hours", "of": "appointment_at"}, "quiet_hours": "21:00-08:00"}
    await launched(muster, short)
    assert (await outcomes(muster))["late"][2] == utc(24, 7)
    clock.now = utc(24, 7)
    async with connected(muster) as db:
        step = await db.fetchrow("select * from step")
        assert step is not None
        assert await claim_due(muster, db, step) == []
    assert await outcomes(muster) == {
        "late": ("queued", "quiet_hours", utc(24, 8)), "early": ("expired", "past_deadline", None),
    }  # fmt: skip


async def test_a_step_that_waits_too_long_expires_at_the_date(muster: Runtime, load: Load, clock: FixedClock) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-24 09:00", "2,Bo,+447700900002,,,,2026-12-24 09:00")
    campaign = await launched(muster)
    async with connected(muster) as db:
        await lifecycle.pause(db, campaign.name, operator("staff"))
    clock.now = utc(24, 9)
    await reconcile(muster, dispatcher_id=None)
    now = await outcomes(muster)
    assert now["1"] == ("expired", "past_deadline", None)
    assert now["2"][0] == "queued"


async def test_a_step_runs_until_the_campaign_closes(muster: Runtime, load: Load, clock: FixedClock) -> None:
    await load("1,Ann,+447700900001,,,,")
    await launched(muster)
    async with connected(muster) as db:
        await reconcile(muster, dispatcher_id=None)
        assert await db.fetchval("select state from step") == "running"
        clock.now = datetime(2027, 3, 2, tzinfo=UTC)
        await reconcile(muster, dispatcher_id=None)
        assert await db.fetchval("select state from step") == "finished"


async def test_of_two_reminders_that_are_due_only_the_later_goes(muster: Runtime, load: Load) -> None:
    await load("near,Ann,+447700900001,,,,2026-11-23 10:00", "far,Bo,+447700900002,,,,2026-12-23 10:00")
    week = {**REMINDER, "when": {"before": "7 days", "of": "appointment_at"}}
    await launched(muster, week, REMINDER)
    assert await outcomes(muster, 1) == {
        "near": ("skipped", "later_reminder", None), "far": ("queued", None, utc(16, 10, month=12)),
    }  # fmt: skip
    assert (await outcomes(muster, 2))["near"] == ("queued", None, NOW)


async def test_after_a_date_those_of_before_the_launch_are_past_and_late_files_are_not(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load("before,Ann,+447700900001,,,,2026-11-22 09:59", "just,Bo,+447700900002,,,,2026-11-22 11:00")
    await launched(muster, THANKS)
    assert await outcomes(muster) == {"before": ("skipped", "past_date", None), "just": ("queued", None, utc(22, 13))}
    clock.now = utc(24, 8)
    await load("yesterday,Cy,+447700900003,,,,2026-11-23 16:00", "long-ago,Di,+447700900004,,,,2026-11-10 16:00")
    await follow_dates(muster)
    assert (await outcomes(muster))["yesterday"] == ("queued", None, clock.now)
    assert (await outcomes(muster))["long-ago"] == ("skipped", "past_date", None)
