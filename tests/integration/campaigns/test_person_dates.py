"""Messages that are due before or after a date of each person: launched, moved, withdrawn and added as dates change."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from campaigns import campaigns as lifecycle
from campaigns.date_changes import follow_dates
from campaigns.launch import launch
from campaigns.preview import plan_launch
from core.runtime import Runtime
from messaging.outbox.counts import step_counts
from messaging.outbox.history import find_history
from messaging.suppression import suppress
from muster.cli.campaign_tables import plan_table
from muster.operator import operator
from tests.support.appointments import (
    REMINDER,
    Load,
    claim_due,
    launched,
    made,
    outcomes,
    rows,
    utc,
)
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, add_unit, connected
from tests.support.outbox_rows import lose_outcomes, put_in_flight
from tests.support.person_date_rows import as_text


async def test_each_is_queued_for_their_own_time_and_whoever_has_none_has_a_reason(muster: Runtime, load: Load) -> None:
    await load(
        "in-zone,Ann,+447700900001,,,,2026-11-25 14:30",
        "abroad,Bo,+447700900002,,Asia/Kolkata,,25/11/2026 14:30",
        "with-offset,Cy,+447700900003,,Asia/Kolkata,,2026-11-25T14:30:00Z",
        "day-only,Di,+447700900004,,,,2026-11-25",
        "undated,Ed,+447700900005,,,,",
        "unreadable,Flo,+447700900006,,,,next Tuesday",
        "past,Gus,+447700900007,,,,2026-11-22 11:59",
        "soon,Hal,+447700900008,,,,2026-11-23 10:00",
        "no-phone,Ida,,,,,2026-11-25 14:30",
        "mother,Jo,+447700900009,,,,",
        "child,Kit,+447700900009,,,,2026-11-25 15:00",
    )
    [result] = [await launched(muster)]
    assert await outcomes(muster) == {
        "in-zone": ("queued", None, utc(24, 14, 30)),
        "abroad": ("queued", None, utc(24, 9)),
        "with-offset": ("queued", None, utc(24, 14, 30)),
        "day-only": ("queued", None, utc(24, 9)),
        "undated": ("skipped", "no_date", None),
        "unreadable": ("skipped", "unreadable_date", None),
        "past": ("skipped", "past_date", None),
        "soon": ("queued", None, NOW),
        "no-phone": ("skipped", "no_address", None),
        "mother": ("skipped", "no_date", None),
        "child": ("queued", None, utc(24, 15)),
    }
    assert result.name == "nudges"


async def test_letters_that_only_look_like_a_month_are_no_date_and_stop_nobody_else(
    muster: Runtime, load: Load
) -> None:
    garbled = ("1 \u017fep 2027", "\u017fat 5/12/2026", "fr\u0131 4/12/2026")
    await load(*(f"{n},Bo,+44770090000{n},,,,{text}" for n, text in enumerate(garbled)), "9,Ann,+447700900009,,,,")
    at_once = {"template": "appointment-reminder", "channels": ["sms"]}
    await launched(muster, REMINDER, at_once)
    assert [(await outcomes(muster))[str(n)][1] for n in range(3)] == ["unreadable_date"] * 3
    assert {row[0] for row in (await outcomes(muster, 2)).values()} == {"queued"}
    await load("9,Ann,+447700900009,,,,2026-11-25 14:30")
    assert await follow_dates(muster) == 1
    assert (await outcomes(muster))["9"] == ("queued", None, utc(24, 14, 30))


async def test_everybody_at_a_shared_phone_is_reminded_of_their_own_date(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load(
        "mother,Jo,+447700900009,,,,2026-11-25 09:00", "child,Kit,+447700900009,,,,2026-11-25 15:00",
        "guest,Lee,+447700900009,lee@example.org,,,2026-11-25 15:00", "late,Max,+447700900009,,,,",
    )  # fmt: skip
    campaign = await made(muster)
    async with connected(muster) as db:
        [planned] = (await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)).steps
    assert planned.dates is not None
    assert planned.dates.shared == 2
    assert "of them share a phone or mailbox, and each gets their own" in as_text(plan_table(planned))
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        found = await rows(db)
        assert {member: row["address"] for member, row in found.items()} == {
            "mother": "+447700900009", "child": "+447700900009", "guest": "lee@example.org", "late": None,
        }  # fmt: skip
        assert [found[member]["variables"]["first_name"] for member in ("mother", "child")] == ["Jo", "Kit"]
        ids = {member: row["message_id"] for member, row in found.items()}
    # each is moved, withdrawn and added by itself
    await load(
        "mother,Jo,+447700900009,,,,", "child,Kit,+447700900009,,,,2026-11-26 15:00",
        "late,Max,+447700900009,,,,2026-11-26 16:00",
    )  # fmt: skip
    assert await follow_dates(muster) == 3
    assert await outcomes(muster) == {
        "mother": ("skipped", "no_date", None), "child": ("queued", None, utc(25, 15)),
        "guest": ("queued", None, utc(24, 15)), "late": ("queued", None, utc(25, 16)),
    }  # fmt: skip
    async with connected(muster) as db:
        found = await rows(db)
        assert {member: row["message_id"] for member, row in found.items()} == ids
        assert found["late"]["address"] == found["child"]["address"] == "+447700900009"
        step = await db.fetchrow("select * from step")
        assert step is not None
    clock.now = utc(25, 20)
    async with connected(muster) as db:
        assert set(await claim_due(muster, db, step)) == {ids["child"], ids["late"]}


async def test_hours_are_elapsed_and_days_keep_the_hour_when_clocks_change(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    clock.now = datetime(2026, 10, 1, tzinfo=UTC)  # before the clocks go back, on the 25th
    await load("1,Ann,+447700900001,,,,2026-10-26 09:00")
    async with connected(muster) as db:
        await db.execute("update question set opens_at = $1", clock.now - timedelta(days=1))
    day = {**REMINDER, "when": {"before": "2 days", "of": "appointment_at"}}
    hours = {**REMINDER, "when": {"before": "48 hours", "of": "appointment_at"}}
    await launched(muster, day, hours, {**REMINDER, "when": {"after": "1 week", "of": "appointment_at"}})
    assert (await outcomes(muster, 1))["1"][2] == utc(24, 8, month=10), "nine o'clock, in summer time"
    assert (await outcomes(muster, 2))["1"][2] == utc(24, 9, month=10)
    assert (await outcomes(muster, 3))["1"][2] == utc(2, 9, month=11)


async def test_a_file_a_day_moves_withdraws_and_adds(muster: Runtime, load: Load, clock: FixedClock) -> None:
    await load(
        "moves,Ann,+447700900001,,,,2026-11-25 14:30", "goes,Bo,+447700900002,,,,2026-11-25 14:30",
        "comes,Cy,+447700900003,,,,", "garbled,Di,+447700900004,,,,2026-11-25 14:30",
        "mended,Ed,+447700900005,,,,soon", "past,Flo,+447700900006,,,,2026-11-20 10:00",
        "same,Gus,+447700900007,,,,2026-11-25 14:30",
    )  # fmt: skip
    await launched(muster)
    clock.now += timedelta(hours=1)
    await load(
        "moves,Ann,+447700900001,,,,2026-11-26 09:00", "goes,Bo,+447700900002,,,,",
        "comes,Cy,+447700900003,,,,28/11/2026",
        "garbled,Di,+447700900004,,,,?25/11", "mended,Ed,+447700900005,,,,2026-11-27 10:00",
        "past,Flo,+447700900006,,,,2026-12-01 10:00", "same,Gus,+447700900007,,,,25/11/2026 14:30",
        "new,Hal,+447700900008,,,,2026-11-29 10:00",
    )  # fmt: skip
    assert await follow_dates(muster) > 0
    assert await outcomes(muster) == {
        "moves": ("queued", None, utc(25, 9)),
        "goes": ("skipped", "no_date", None),
        "comes": ("queued", None, utc(27, 9)),
        "garbled": ("skipped", "unreadable_date", None),
        "mended": ("queued", None, utc(26, 10)),
        "past": ("queued", None, utc(30, 10)),
        "same": ("queued", None, utc(24, 14, 30)),
        "new": ("queued", None, utc(28, 10)),
    }
    assert await follow_dates(muster) == 0
    await load("goes,Bo,+447700900002,,,,2026-11-30 10:00")
    await follow_dates(muster)
    assert (await outcomes(muster))["goes"] == ("queued", None, utc(29, 10))
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from date_change") == 0
        told = await find_history(db, (await rows(db))["goes"]["message_id"])
    again = "It was queued again. The date that says when to send it to them has changed."
    assert [event.words for event in told] == [
        "It was queued.",
        "It was not sent. There is no date that says when to send it to them.",
        f"{again} Not before Sunday 29 November 2026, 10:00.",
    ]


async def test_the_text_of_a_message_changes_with_the_date(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30", "2,Bo,+447700900002,,,,2026-11-25 14:30")
    await launched(muster)
    await load("1,Anna,+447700900001,,,,2026-11-25 14:30", "2,Bo,+447700900009,,,,2026-11-25 14:30")
    await follow_dates(muster)
    async with connected(muster) as db:
        now = await rows(db)
        assert now["1"]["variables"]["first_name"] == "Anna"
        assert now["2"]["address"] == "+447700900009", "a message that waits follows its person to another phone"
        assert now["2"]["sender_id"] is not None
        await put_in_flight(db, now["2"]["message_id"])
        elsewhere = "update message set address = '+447700900010' where person_id = $1"
        with pytest.raises(asyncpg.RaiseError, match="cannot be changed"):
            await db.execute(elsewhere, now["2"]["person_id"])


async def test_an_opt_out_is_not_followed_by_a_message_to_another_address(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,ann@x.test,,,2026-11-25 14:30")
    await launched(muster)
    async with connected(muster) as db:
        await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")
    await load("1,Ann,+447700900001,ann@x.test,,,2026-11-26 14:30")
    await follow_dates(muster)
    assert (await outcomes(muster))["1"][:2] == ("suppressed", "opted_out")


async def test_a_message_that_has_gone_is_not_repeated_and_staff_see_why(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30")
    await launched(muster)
    async with connected(muster) as db:
        await db.execute("update message set state = 'delivered', sent_at = now()")
    await load("1,Ann,+447700900001,,,,2026-11-26 14:30")
    await follow_dates(muster)
    assert (await outcomes(muster))["1"][:2] == ("delivered", "date_moved_late")
    async with connected(muster) as db:
        [*_, last] = await find_history(db, (await rows(db))["1"]["message_id"])
        campaign_id = await db.fetchval("select campaign_id from campaign")
        (step,) = await step_counts(db, campaign_id)
    assert last.words == "Their date was moved or taken away after this was sent, and nothing has told them."
    assert (step.reasons, step.remarks) == ({}, {"date_moved_late": 1}), (
        "it counts as delivered, and not among the others"
    )
    assert await follow_dates(muster) == 0


async def test_an_appointment_that_is_over_may_go_from_the_file(muster: Runtime, load: Load, clock: FixedClock) -> None:
    await load("gone,Ann,+447700900001,,,,2026-11-25 14:30", "next,Bo,+447700900002,,,,2026-11-25 14:30")
    await launched(muster)
    async with connected(muster) as db:
        await db.execute("update message set state = 'delivered', sent_at = now()")
    clock.now = utc(26, 9)
    await load("gone,Ann,+447700900001,,,,", "next,Bo,+447700900002,,,,2026-12-25 14:30")
    await follow_dates(muster)
    now = await outcomes(muster)
    assert (now["gone"][1], now["next"][1]) == (None, "date_moved_late")


async def test_a_step_whose_dates_cannot_be_followed_is_an_alert_and_delays_no_other(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30")
    async with connected(muster) as db:
        await add_unit(db, "Leeds")
    await launched(muster, name="broken", audience={"any": [{"unit": "Leeds"}, {"has": "sms"}]})
    await launched(muster, {**REMINDER, "when": {"before": "12 hours", "of": "appointment_at"}}, name="sound")
    async with connected(muster) as db:
        await db.execute("update unit set name = 'York'")
    await load("1,Ann,+447700900001,,,,2026-11-26 14:30")
    await follow_dates(muster)
    async with connected(muster) as db:
        due = await db.fetch("select not_before from message join campaign using (campaign_id) order by name")
        assert [row["not_before"] for row in due] == [utc(24, 14, 30), utc(26, 2, 30)]
        assert "names units that cannot be found" in await db.fetchval(
            "select title from alert where resolved_at is null"
        )
        await db.execute("update unit set name = 'Leeds'")
        await follow_dates(muster)
        assert await db.fetchval("select count(*) from alert where resolved_at is null") == 0
    assert (await outcomes(muster))["1"][2] in {utc(25, 14, 30), utc(26, 2, 30)}


async def test_a_message_that_is_claimed_is_taken_back_and_one_on_the_wire_is_looked_at_later(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-23 11:00", "2,Bo,+447700900002,,,,2026-11-23 11:00")
    await launched(muster)
    async with connected(muster) as db:
        step = await db.fetchrow("select * from step")
        assert step is not None
        _, second = await claim_due(muster, db, step)
        await db.execute("update in_flight set wire_at = now() where message_id = $1", second)
    await load("1,Ann,+447700900001,,,,2026-11-26 11:00", "2,Bo,+447700900002,,,,2026-11-26 11:00")
    await follow_dates(muster)
    assert (await outcomes(muster))["1"] == ("queued", None, utc(25, 11))
    assert (await outcomes(muster))["2"][0] == "sending"
    assert await follow_dates(muster) == 0
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from date_change") == 1, "the change waits for the outcome"
        await lose_outcomes(db)
        await db.execute("update message set state = 'queued', wire_at = null where state = 'ambiguous'")
    await follow_dates(muster)
    assert (await outcomes(muster))["2"] == ("queued", None, utc(25, 11))


async def test_people_who_leave_the_audience_get_nothing_and_an_hourly_look_finds_them(
    muster: Runtime, load: Load, clock: FixedClock
) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30", "2,Bo,,b@x.test,,,2026-11-25 14:30")
    await launched(muster, audience={"has": "sms"})
    assert set(await outcomes(muster)) == {"1"}
    async with connected(muster) as db:  # past the trigger, as anything else may change an audience
        await db.execute("delete from address where channel = 'sms'")
        await db.execute(
            "insert into address (person_id, channel, address)"
            " select person_id, 'sms', '+447700900002' from person where external_id = '2'"
        )
    assert await follow_dates(muster) == 0
    clock.now += timedelta(minutes=2)
    await follow_dates(muster)
    assert await outcomes(muster) == {"1": ("skipped", "left_audience", None), "2": ("queued", None, utc(24, 14, 30))}


async def test_a_date_that_changes_while_a_step_is_launched_is_not_lost(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30")
    campaign = await made(muster)
    await load("1,Ann,+447700900001,,,,2026-11-26 14:30")  # noted before the launch, as one during it is
    await launch(muster, campaign.campaign_id, operator("staff"))
    await follow_dates(muster)
    assert (await outcomes(muster))["1"] == ("queued", None, utc(25, 14, 30))
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from date_change") == 0


async def test_two_workers_at_once_leave_each_person_one_message(muster: Runtime, load: Load) -> None:
    await load("0,Ann,+447700900000,,,,")
    await launched(muster)
    await load(*(f"{n},Ann,+44770090{n:04},,,,2026-11-25 14:30" for n in range(40)))
    changed = await asyncio.gather(*(follow_dates(muster) for _ in range(3)))
    assert sum(changed) == 40
    assert {row[0] for row in (await outcomes(muster)).values()} == {"queued"}
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from message") == 40


async def test_a_cancelled_campaign_follows_nothing(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30")
    campaign = await launched(muster)
    async with connected(muster) as db:
        await lifecycle.cancel(db, campaign.name, operator("staff"))
    await load("1,Ann,+447700900001,,,,2026-11-27 14:30")
    assert await follow_dates(muster) == 0
    assert (await outcomes(muster))["1"] == ("cancelled", "campaign_cancelled", None)


async def test_people_without_dates_cost_an_import_no_notes(muster: Runtime, load: Load) -> None:
    await load("1,Ann,+447700900001,,,,2026-11-25 14:30", "2,Bo,+447700900002,,,,")
    await launched(muster)
    await load("1,Anna,+447700900001,,,,2026-11-25 14:30", "2,Bob,+447700900002,,,,")
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from date_change") == 1
