"""Dates of people in files, plans, `why`, the status and the console."""

from __future__ import annotations

from datetime import UTC
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from campaigns import campaigns as lifecycle
from campaigns.date_changes import follow_dates
from campaigns.launch import launch
from campaigns.preview import plan_launch
from campaigns.skipped_steps import skipped_steps
from console import progress
from console.rendering import render
from core.errors import SpecError
from core.runtime import Runtime
from messaging.outbox.history import message_status
from muster.cli.campaign_tables import plan_table, status_table
from muster.operator import operator
from tests.support.appointments import (
    REMINDER,
    Load,
    launched,
    made,
    rows,
    utc,
)
from tests.support.electorate import NOW, add_person, campaign_spec, connected
from tests.support.person_date_rows import as_text


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ({"before": "1 day"}, "says before what"),
        ({"of": "appointment_at"}, "says how long before or after"),
        ({"before": "1 day", "after": "1 day", "of": "appointment_at"}, "say either"),
        ({"before": "0 hours", "of": "appointment_at"}, "no time at all"),
    ],
)
def test_a_file_says_what_is_wrong_with_a_time(when: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        campaign_spec(steps=[{**REMINDER, "when": when}])


async def test_an_attribute_that_nobody_brought_is_refused_by_name(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30")
    with pytest.raises(SpecError) as error:
        await made(muster, {**REMINDER, "when": {"before": "1 day", "of": "apointment_at"}})
    assert error.value.problems == (
        "campaign.steps[1].when.of: no member file has brought this attribute; did you mean appointment_at?",
    )


async def test_the_plan_says_when_messages_go_and_which_dates_cannot_be_read(muster: Runtime, load: Load) -> None:
    await load(
        "soon,Ann,+447700900001,,,,2026-11-23 10:00", "far,Bo,+447700900002,,,,2026-12-24 10:00",
        "early,Cy,+447700900003,,,,2026-11-25 07:30", "garbled,Di,+447700900004,,,,next Tuesday",
        "after,Ed,+447700900005,,,,2027-04-01 10:00", "undated,Flo,+447700900006,,,,",
    )  # fmt: skip
    short = {**REMINDER, "when": {"before": "2 hours", "of": "appointment_at"}, "quiet_hours": "21:00-08:00"}
    campaign = await made(muster, REMINDER, short)
    async with connected(muster) as db:
        day, hours = (await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)).steps
    assert (day.by_channel, day.not_sent) == ({"sms": 4}, {"unreadable_date": 1, "no_date": 1})
    assert day.dates is not None
    assert hours.dates is not None
    assert (day.dates.at_once, day.dates.in_vain, day.dates.unreadable) == (1, 1, ("next Tuesday",)), (
        "one after the close"
    )
    assert hours.dates.in_vain == 2, "and one in the night before its date"
    words = as_text(plan_table(day))
    assert "each 24 hours before their appointment_at, until the step ends" in words
    assert "the first is due on Sunday 22 November at 12:00, the last on Wednesday 31 March at 10:00" in words
    assert "1  of them go at once" in words
    assert "appointment_at cannot be read, such as “next Tuesday”" in words
    assert "Ann, your appointment is on Monday 23 November, 10:00." in words
    assert (hours.dates.pause.words, hours.at_night) == ("2 hours", 0)


async def test_why_says_when_somebody_s_message_is_due_and_why_it_is_not(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,,,,2199-01-16 14:30", "2,Bo,+447700900002,,,,soon")
    campaign = await made(muster)
    async with connected(muster) as db:
        people = {row["external_id"]: row["person_id"] for row in await db.fetch("select * from person")}

        async def forecast(member: str) -> str:
            [step] = await skipped_steps(db, people[member], now=NOW, zone=UTC)
            return step.words

        assert (await forecast("1")).endswith("they get it by text, on Tuesday 15 January 2199, 14:30 by their date.")
        assert (await forecast("2")).endswith(
            "they get nothing: The date that says when to send it to them cannot be read."
        )
        await launch(muster, campaign.campaign_id, operator("staff"))
        now = await rows(db)
        assert (await message_status(db, now["1"]["message_id"])).words == (
            "It waits until Tuesday 15 January 2199, 14:30, by their date, which is Wednesday 16 January 2199, 14:30."
        )
        assert (await message_status(db, now["2"]["message_id"])).words == (
            "It was not sent. The date that says when to send it to them cannot be read."
        )
        await add_person(db, "3")
        await follow_dates(muster)
        third = await db.fetchval("select person_id from person where external_id = '3'")
        [step] = await skipped_steps(db, third, now=NOW, zone=UTC)
        assert "get it if they come into it and have a date" in step.words


async def test_status_and_console_say_when_the_next_is_due(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30", "2,Bo,+447700900002,,,,2026-11-28 14:30")
    campaign = await launched(muster)
    async with connected(muster) as db:
        now = await lifecycle.find_status(db, campaign.name, NOW)
        shown_campaign = await progress.find_campaign(db, campaign.name, NOW)
    assert (now.steps[0].next_at, now.steps[0].seconds_left) == (utc(24, 14, 30), 0.0)
    narrow = Console(file=StringIO(), width=80)
    narrow.print(status_table(now))
    shown = narrow.file.getvalue()  # type: ignore[attr-defined]
    assert "step 1: the next goes on Tuesday 24 November at 14:30" in shown
    assert "…" not in shown, "nothing is cut at 80 columns"
    assert all(head in shown for head in ("waiting", "delivered", "failed", "unknown", "not sent"))
    page = render("campaign/steps", zone=ZoneInfo("Europe/London"), campaign=shown_campaign)
    assert "2 messages wait for their date; the next goes <time" in page
    assert "people with a date are added until it closes" in page
