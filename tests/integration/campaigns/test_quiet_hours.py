"""Texts at night: held back unless a campaign says otherwise, and said in every plan; pauses that keep their hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from io import StringIO

import pytest
from rich.console import Console

from ballots.ballots import create_ballot
from campaigns.campaigns import Campaign, create_campaign
from campaigns.launch import launch, launch_due_steps
from campaigns.launch_plan import StepPlan
from campaigns.preview import plan_launch
from campaigns.spec import CampaignSpec
from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.claim import DueQueue, claim
from muster.cli.campaign_tables import plan_table
from muster.operator import operator
from tests.support.electorate import STEPS, add_person, at_noon, ballot_spec, connected
from tests.support.outbox_rows import NOON, add_messages, add_step, dispatcher, message

EVENING = datetime(2026, 11, 28, 22, 16, tzinfo=UTC)  # a Saturday
LONDON, KOLKATA = "Europe/London", "Asia/Kolkata"


@pytest.fixture
def muster(runtime: Runtime) -> Runtime:
    return replace(at_noon(runtime), clock=lambda: EVENING)


async def made(muster: Runtime, **changes: object) -> Campaign:
    """A campaign as a file without a word on quiet hours makes it: email or text at once, a text three days later."""
    async with connected(muster) as db:
        await add_person(db, "1", sms="+447700900001")
        await add_person(db, "2", email="b@x.test")
        abroad = await add_person(db, "3", sms="+447700900003")
        await db.execute("update person set time_zone = $2 where person_id = $1", abroad, KOLKATA)
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    given: dict[str, object] = {"name": "nudges", "title": "Nudges", "about": {"ballot": "pay"}, "steps": STEPS}
    return await create_campaign(muster, CampaignSpec.model_validate(given | changes), operator("staff"))


async def planned(muster: Runtime, campaign: Campaign) -> list[StepPlan]:
    async with connected(muster) as db:
        return list((await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=muster.clock())).steps)


def told(step: StepPlan) -> str:
    console = Console(width=200, file=StringIO())
    console.print(plan_table(step))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


async def test_texts_wait_for_the_morning_and_emails_do_not(muster: Runtime) -> None:
    campaign = await made(muster)
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        step = await db.fetchrow("select * from step where position = 1")
        assert step is not None
        assert (step["quiet_from"], step["quiet_until"], step["quiet_channels"]) == (time(21), time(8), ["sms"])
        by = {channel: DueQueue(step["step_id"], channel, 0, 1, None) for channel in ("sms", "email")}
        mail = await claim(db, by["email"], limit=9, now=EVENING, dispatcher_id=await dispatcher(db))
        texts = await claim(db, by["sms"], limit=9, now=EVENING, dispatcher_id=await dispatcher(db, "w2"))
        assert (len(mail.messages), texts.messages, texts.stopped) == (1, [], {"queued": 2})
        waiting = await db.fetch("select not_before, reason from message where channel = 'sms' order by person_id")
    assert [row["reason"] for row in waiting] == ["quiet_hours"] * 2
    assert [row["not_before"] for row in waiting] == [
        datetime(2026, 11, 29, 8, tzinfo=UTC), datetime(2026, 11, 29, 2, 30, tzinfo=UTC),
    ]  # fmt: skip


async def test_a_step_that_is_launched_early_is_planned_for_now(muster: Runtime) -> None:
    campaign = await made(muster, steps=[STEPS[0], {**STEPS[1], "quiet_hours": "none", "when": {"after": "12 hours"}}])
    async with connected(muster) as db:
        for at_once, at_night in ((None, 0), (2, 2)):
            told_of = await plan_launch(
                db, campaign.campaign_id, public_url="http://m.test", now=EVENING, at_once=at_once
            )
            assert told_of.steps[1].at_night == at_night


async def test_every_plan_shows_the_quiet_hours(muster: Runtime) -> None:
    first, second = await planned(muster, await made(muster))
    assert first.at_night == second.at_night == 0
    words = told(first)
    assert "no texts between 21:00 and 08:00, by each person's own clock" in words
    assert "the first text may go on Sunday 29 November at 08:00, by the campaign's clock" in words
    assert "the first email" not in words
    assert second.starts_at == datetime(2026, 12, 1, 22, 16, tzinfo=UTC)
    assert "Tuesday 1 December at 22:16 at the earliest" in told(second)
    assert "the first may go on Wednesday 2 December at 08:00" in told(second)


async def test_a_plan_that_would_text_at_night_says_so(muster: Runtime) -> None:
    campaign = await made(muster, quiet_hours="none")
    first, second = await planned(muster, campaign)
    assert (first.at_night, second.at_night) == (2, 2)
    assert "texts go at any hour: there are no quiet hours" in told(first)
    assert "2  texts go at night (21:00 to 08:00) where they are read" in told(first)
    [at_five, _] = await planned(replace(muster, clock=lambda: EVENING.replace(hour=17)), campaign)
    assert at_five.at_night == 1, "it is half past ten in Kolkata"
    [at_noon_, _] = await planned(replace(muster, clock=lambda: EVENING.replace(hour=12)), campaign)
    assert at_noon_.at_night == 0


async def test_custom_hours_at_night_are_reported(muster: Runtime) -> None:
    [first, _] = await planned(muster, await made(muster, quiet_hours="23:00-06:00"))
    assert "nothing between 23:00 and 06:00" in told(first)
    assert first.at_night == 2, "one at 22:16, one at six in Kolkata"


async def test_emails_alone_have_no_quiet_hours_to_show(muster: Runtime) -> None:
    [only] = await planned(muster, await made(muster, steps=[{"template": "ballot-reminder", "channels": ["email"]}]))
    assert (only.quiet, only.opens_at, only.at_night) == (None, None, 0)
    assert "quiet" not in told(only)
    assert "between" not in told(only)


async def test_steps_made_before_keep_what_they_had(db: Connection) -> None:
    step = await add_step(db)  # as one was made when nothing was said: no quiet hours
    (awake,) = await add_messages(db, step, "sms", ["+447700900001"])
    both = await add_step(db, campaign_id=2, quiet_from=time(21), quiet_until=time(8))  # as one that named some
    (asleep,) = await add_messages(db, both, "email", ["a@x.test"])
    for of, channel in ((step, "sms"), (both, "email")):
        await claim(db, of.due(channel), limit=9, now=NOON.replace(hour=23), dispatcher_id=await dispatcher(db))
    assert (await message(db, awake))["state"] == "sending"
    assert (await message(db, asleep))["reason"] == "quiet_hours"


@pytest.mark.parametrize(
    ("launched", "pause", "zone", "starts"),
    [
        # clocks go back on 25 October 2026: three days later is the same hour, 72 hours later is not
        ("2026-10-23T09:00Z", "3 days", LONDON, "2026-10-26T10:00Z"),
        ("2026-10-23T09:00Z", "72 hours", LONDON, "2026-10-26T09:00Z"),
        ("2026-10-23T09:00Z", "2 days 24 hours", LONDON, "2026-10-26T10:00Z"),
        ("2026-10-24T09:00Z", "1 week", LONDON, "2026-10-31T10:00Z"),
        # and forward on 28 March 2027; 01:30 does not exist that day
        ("2027-03-26T10:00Z", "3 days", LONDON, "2027-03-29T09:00Z"),
        ("2027-03-27T01:30Z", "1 day", LONDON, "2027-03-28T01:30Z"),
        ("2026-10-23T09:00Z", "3 days", KOLKATA, "2026-10-26T09:00Z"),
    ],
)
async def test_days_keep_the_hour_across_a_clock_change(
    db: Connection, launched: str, pause: str, zone: str, starts: str
) -> None:
    step = CampaignSpec.model_validate(
        {
            "name": "a",
            "title": "A",
            "about": {"ballot": "b"},
            "steps": [STEPS[0], {**STEPS[1], "when": {"after": pause}}],
        }
    ).steps[1]
    assert step.when.after is not None
    at = await db.fetchval(
        "select starts_after($1, $2::text::interval, $3)",
        datetime.fromisoformat(launched), step.when.after.to_iso(), zone,
    )  # fmt: skip
    assert at == datetime.fromisoformat(starts)


async def test_a_step_is_launched_at_the_same_hour_after_the_clocks_have_changed(runtime: Runtime) -> None:
    friday = datetime(2026, 10, 23, 9, tzinfo=UTC)  # ten o'clock in London
    muster = replace(at_noon(runtime), clock=lambda: friday)
    async with connected(muster) as db:
        await add_person(db, "1", sms="+447700900001")
        await create_ballot(db, ballot_spec(opens="2026-10-01"), actor=operator("staff"))
    spec = CampaignSpec.model_validate({"name": "nudges", "title": "N", "about": {"ballot": "pay"}, "steps": STEPS})
    campaign = await create_campaign(muster, spec, operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))
    [second] = await planned(muster, campaign)
    monday = datetime(2026, 10, 26, 10, tzinfo=UTC)
    assert second.starts_at == monday
    assert await launch_due_steps(replace(muster, clock=lambda: monday - timedelta(seconds=1))) == 0
    assert await launch_due_steps(replace(muster, clock=lambda: monday)) == 1
