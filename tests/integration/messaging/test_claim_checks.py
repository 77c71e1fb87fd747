"""The eligibility check: quiet hours, sending windows and frequency caps, through every change of the clocks."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.db import Connection, Pool
from core.frequency_caps import Cap, parse_caps
from messaging.outbox.claim import claim, due_queues
from tests.support.outbox_rows import (
    NOON,
    Step,
    add_messages,
    add_step,
    agree,
    dispatcher,
    events,
    later,
    message,
    states,
)

ANN = "+447700900001"
WEEKDAYS = [1, 2, 3, 4, 5]


async def take(db: Connection, step: Step, now: datetime = NOON, *, caps: str = "", channel: str = "sms") -> list[int]:
    queues = [queue for queue in await due_queues(db, [channel], now) if queue.step_id == step.step_id]
    if not queues:
        return []
    taken = await claim(
        db, queues[0], limit=100, now=now, dispatcher_id=await dispatcher(db), caps=parse_caps(caps) if caps else ()
    )
    return [message.message_id for message in taken.messages]


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)


async def opens(db: Connection, now: str, zone: str, **columns: Any) -> tuple[str, str | None, datetime]:
    """Where a message stands after a claim: its state, the reason, and until when it waits."""
    step = await add_step(db, **columns)
    (only,) = await add_messages(db, step, "sms", [ANN], time_zone=zone)
    await take(db, step, at(now))
    row = await message(db, only)
    return row["state"], row["reason"], row["not_before"]


# quiet hours, where clocks change


@pytest.mark.parametrize(("now", "zone", "quiet", "until"), [
    # half-hour offsets: 14:30Z is 20:00 in Delhi; 05:45 in Kathmandu
    ("2026-11-22T14:30Z", "Asia/Kolkata", ("20:00", "08:00"), "2026-11-23T02:30Z"),
    ("2026-11-22T14:29Z", "Asia/Kolkata", ("20:00", "08:00"), None),
    ("2026-11-22T18:00Z", "Asia/Kathmandu", ("20:00", "08:00"), "2026-11-23T02:15Z"),
    # Newfoundland, at -03:30, springs forward in the night of 8 March 2026
    ("2026-03-08T00:00Z", "America/St_Johns", ("20:00", "08:00"), "2026-03-08T10:30Z"),
    # Lord Howe moves its clocks by half an hour: 10:30 in winter, 11:00 in summer
    ("2026-10-03T12:00Z", "Australia/Lord_Howe", ("20:00", "08:00"), "2026-10-03T21:00Z"),
    ("2026-04-04T12:00Z", "Australia/Lord_Howe", ("20:00", "08:00"), "2026-04-04T21:30Z"),
    # … from 02:00 to 02:30 on 4 October, so 02:15 is skipped and the quiet time ends when the clocks have jumped
    ("2026-10-03T15:00Z", "Australia/Lord_Howe", ("20:00", "02:15"), "2026-10-03T15:30Z"),
    # … and from 02:00 back to 01:30 on 5 April, so 01:45 comes twice and both are quiet
    ("2026-04-04T14:40Z", "Australia/Lord_Howe", ("20:00", "01:45"), "2026-04-04T15:15Z"),
    # London: the night the clocks go forward is an hour shorter, the night they go back an hour longer
    ("2026-03-28T20:00Z", "Europe/London", ("20:00", "08:00"), "2026-03-29T07:00Z"),
    ("2026-10-24T19:00Z", "Europe/London", ("20:00", "08:00"), "2026-10-25T08:00Z"),
    # a quiet time that ends in the skipped hour ends when the clock skips it
    ("2026-03-28T23:00Z", "Europe/London", ("20:00", "01:30"), "2026-03-29T01:00Z"),
    ("2026-03-28T23:00Z", "Europe/London", ("20:00", "01:00"), "2026-03-29T01:00Z"),
    ("2026-03-28T23:00Z", "Europe/London", ("20:00", "01:50"), "2026-03-29T01:00Z"),
    ("2026-03-28T23:00Z", "Europe/London", ("20:00", "02:15"), "2026-03-29T01:15Z"),
    ("2026-03-08T03:00Z", "America/St_Johns", ("20:00", "02:30"), "2026-03-08T05:30Z"),
    ("2026-09-06T03:00Z", "America/Santiago", ("20:00", "00:45"), "2026-09-06T04:00Z"),
    # a quiet time that begins in the skipped hour: 01:00Z is 02:00 already
    ("2026-03-29T00:59Z", "Europe/London", ("01:30", "08:00"), None),
    ("2026-03-29T01:00Z", "Europe/London", ("01:30", "08:00"), "2026-03-29T07:00Z"),
    # midnight itself is skipped in Santiago on 6 September 2026
    ("2026-09-06T03:00Z", "America/Santiago", ("20:00", "00:00"), "2026-09-06T04:00Z"),
])  # fmt: skip
async def test_quiet_hours_end_by_the_recipients_clock_whatever_it_does(
    db: Connection, now: str, zone: str, quiet: tuple[str, str], until: str | None
) -> None:
    quiet_from, quiet_until = map(time.fromisoformat, quiet)
    state, reason, waits = await opens(db, now, zone, quiet_from=quiet_from, quiet_until=quiet_until)
    if until is None:
        assert (state, reason) == ("sending", None)
    else:
        assert (state, reason) == ("queued", "quiet_hours")
        assert waits == at(until)


@pytest.mark.parametrize(("deadline", "state"), [("2026-03-29T06:59Z", "expired"), ("2026-03-29T07:01Z", "queued")])
async def test_a_deadline_before_the_quiet_time_ends_expires_at_once(db: Connection, deadline: str, state: str) -> None:
    opening = await opens(
        db, "2026-03-28T21:00Z", "Europe/London", quiet_from=time(20), quiet_until=time(8), send_before=at(deadline)
    )
    assert opening[0] == state
    assert opening[1] == ("past_deadline" if state == "expired" else "quiet_hours")


# windows


@pytest.mark.parametrize(("now", "zone", "window_zone", "until"), [
    # Friday 17:59 in London is open, 18:00 is not until Monday 09:00
    ("2026-11-20T17:59Z", "Europe/London", None, None),
    ("2026-11-20T18:00Z", "Europe/London", None, "2026-11-23T09:00Z"),
    ("2026-11-21T12:00Z", "Europe/London", None, "2026-11-23T09:00Z"),
    ("2026-11-23T08:59Z", "Europe/London", None, "2026-11-23T09:00Z"),
    # by the recipient's clock: it is Saturday in Auckland already
    ("2026-11-20T12:00Z", "Pacific/Auckland", None, "2026-11-22T20:00Z"),
    # by the organisation's clock, whoever is asked
    ("2026-11-20T12:00Z", "Pacific/Auckland", "Europe/London", None),
    ("2026-11-20T19:00Z", "America/New_York", "Europe/London", "2026-11-23T09:00Z"),
    # over a change of the clocks: Monday 09:00 is 08:00Z in summer
    ("2026-03-27T19:00Z", "Europe/London", None, "2026-03-30T08:00Z"),
    ("2026-10-23T18:00Z", "Europe/London", None, "2026-10-26T09:00Z"),
])  # fmt: skip
async def test_a_window_opens_on_its_days_and_hours(
    db: Connection, now: str, zone: str, window_zone: str | None, until: str | None
) -> None:
    state, reason, waits = await opens(
        db, now, zone, window_days=WEEKDAYS, window_from=time(9), window_until=time(18), window_zone=window_zone
    )
    if until is None:
        assert (state, reason) == ("sending", None)
    else:
        assert (state, reason, waits) == ("queued", "sending_window", at(until))


async def test_a_window_that_the_clocks_skip_opens_the_next_day(db: Connection) -> None:
    opening = await opens(
        db, "2026-03-29T00:30Z", "Europe/London", window_from=time(1), window_until=time(2)
    )  # 01:00 to 02:00 does not exist that night
    assert opening == ("queued", "sending_window", at("2026-03-30T00:00Z"))


async def test_a_window_that_opens_in_the_skipped_hour_opens_when_the_clock_skips_it(db: Connection) -> None:
    opening = await opens(db, "2026-03-29T00:10Z", "Europe/London", window_from=time(1, 30), window_until=time(9))
    assert opening == ("queued", "sending_window", at("2026-03-29T01:00Z"))


async def test_quiet_hours_hold_inside_a_window_too(db: Connection) -> None:
    opening = await opens(
        db, "2026-11-20T12:00Z", "America/New_York",
        window_days=WEEKDAYS, window_from=time(9), window_until=time(18), window_zone="Europe/London",
        quiet_from=time(20), quiet_until=time(8),
    )  # fmt: skip
    assert opening == ("queued", "quiet_hours", at("2026-11-20T13:00Z"))


async def test_nothing_leaves_before_the_start_nor_when_the_end_comes_first(db: Connection) -> None:
    opening = await opens(db, "2026-11-20T12:00Z", "Europe/London", send_after=at("2026-11-21T06:30Z"))
    assert opening == ("queued", "sending_window", at("2026-11-21T06:30Z"))
    start = {"send_after": at("2026-11-21T06:30Z"), "window_from": time(9), "window_until": time(18)}
    opening = await opens(db, "2026-11-20T12:00Z", "Europe/London", campaign_id=2, **start)
    assert opening == ("queued", "sending_window", at("2026-11-21T09:00Z"))
    opening = await opens(
        db, "2026-11-20T12:00Z", "Europe/London", campaign_id=3, send_before=at("2026-11-21T09:00Z"), **start
    )
    assert opening[:2] == ("expired", "past_deadline")


async def test_hours_that_never_overlap_wait_until_the_deadline(db: Connection) -> None:
    never = {"window_from": time(9), "window_until": time(12), "quiet_from": time(8), "quiet_until": time(20)}
    opening = await opens(db, "2026-11-20T12:00Z", "Europe/London", send_before=later(days=9), **never)
    assert opening[:2] == ("expired", "past_deadline")
    opening = await opens(db, "2026-11-20T12:00Z", "Europe/London", campaign_id=2, **never)
    assert opening == ("queued", "quiet_hours", at("2026-11-27T12:00Z"))


async def test_a_waiting_message_records_until_when_and_is_not_due_before(db: Connection) -> None:
    step = await add_step(db, window_from=time(14), window_until=time(18))
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step) == []
    assert (await events(db, only))[-1] == (None, "worker", "sending_window")
    assert await due_queues(db, ["sms"], later(hours=1, minutes=59)) == []
    assert await take(db, step, later(hours=2)) == [only]


ZONES = [
    "Europe/London", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago",
    "Pacific/Auckland", "Africa/Cairo",
]  # fmt: skip
quarters = st.integers(0, 95).map(lambda n: time(n // 4, n % 4 * 15))
nights = (at("2026-03-29T01:00Z"), at("2026-10-25T01:00Z"), at("2026-10-03T15:30Z"), at("2026-09-06T04:00Z"))
moments = st.one_of(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: at("2026-01-01T00:00Z") + timedelta(minutes=minutes)),
    st.tuples(st.sampled_from(nights), st.integers(-36 * 60, 36 * 60)).map(
        lambda pair: pair[0] + timedelta(minutes=pair[1])
    ),
)


def may_send(moment: datetime, here: str, quiet: tuple[time, time], zone: str, window: tuple[Any, time, time]) -> bool:
    """The rules of the eligibility check, written a second time in Python."""
    theirs, ours = moment.astimezone(ZoneInfo(here)), moment.astimezone(ZoneInfo(zone))
    start, end = quiet
    clock = theirs.time()
    asleep = start <= clock < end if start < end else clock >= start or clock < end
    days, first, last = window
    return not asleep and ours.isoweekday() in days and first <= ours.time() < last


hours = st.fixed_dictionaries(
    {
        "now": moments,
        "here": st.sampled_from(ZONES),
        "quiet": st.tuples(quarters, quarters).filter(lambda pair: pair[0] != pair[1]),
        "zone": st.sampled_from(ZONES),
        "days": st.sets(st.integers(1, 7), min_size=1),
        "span": st.tuples(quarters, quarters).filter(lambda pair: pair[0] < pair[1]),
    }
)


async def test_the_first_open_moment_is_found_for_any_hours_and_any_clock(database_url: str) -> None:
    """By trying every quarter of an hour: all these clocks change on one, so no opening can lie between."""
    db = await asyncpg.connect(database_url)
    loop = asyncio.get_running_loop()

    async def found(case: dict[str, Any]) -> datetime | None:
        opening: datetime | None = await db.fetchval(
            "select sending_opens($1, $2, $3, $4, null, $5, $6, $7, $8)",
            case["now"], case["here"], *case["quiet"], case["zone"], [*case["days"]], *case["span"],
        )  # fmt: skip
        return opening

    @given(hours)
    def law(case: dict[str, Any]) -> None:
        hold(case, asyncio.run_coroutine_threadsafe(found(case), loop).result(timeout=60))

    try:
        await loop.run_in_executor(None, law)
    finally:
        await db.close()


def hold(case: dict[str, Any], opening: datetime | None) -> None:
    """An opening is open, and the first one; only where clocks change meanwhile may it be the second."""
    rules = case["here"], case["quiet"], case["zone"], (case["days"], *case["span"])
    now: datetime = case["now"]
    first = now + timedelta(minutes=15 - now.minute % 15)
    tries = (now, *(first + timedelta(minutes=15 * n) for n in range(15 * 96)))
    expected = next((moment for moment in tries if may_send(moment, *rules)), None)
    if opening is None:
        assert expected is None or changing(case, expected)
        return
    assert may_send(opening, *rules)
    assert expected is not None
    assert opening == expected or (opening > expected and changing(case, expected))


def changing(case: dict[str, Any], moment: datetime) -> bool:
    """Tell whether a clock changes within an hour of a moment."""
    around = (moment - timedelta(minutes=61), moment + timedelta(minutes=61))
    return any(
        len({moment.astimezone(ZoneInfo(case[key])).utcoffset() for moment in around}) > 1 for key in ("here", "zone")
    )


# caps


async def left(db: Connection, person_id: int, days_ago: float, *, state: str = "delivered", **columns: Any) -> Step:
    """A message of another campaign that somebody had some days ago."""
    campaign_id = await db.fetchval("select coalesce(max(campaign_id), 100) + 1 from step")
    step = await add_step(db, campaign_id=campaign_id, state="finished", **columns)
    await add_messages(
        db, step, "email", [f"p{person_id}@x.test"], first_person=person_id, state=state,
        sent_at=NOON - timedelta(days=days_ago),
    )  # fmt: skip
    return step


async def test_a_capped_person_waits_until_the_oldest_message_has_aged_out(db: Connection) -> None:
    for days_ago in (1, 3, 6, 8):
        await left(db, 1, days_ago)
    step = await add_step(db, send_before=later(days=5))
    ann, bob = await add_messages(db, step, "sms", [ANN, "+447700900002"])
    assert await take(db, step, caps="3 in 7 days") == [bob]
    row = await message(db, ann)
    assert (row["state"], row["reason"], row["not_before"]) == ("queued", "frequency_cap", later(days=1))
    assert (await events(db, ann))[-1] == (None, "worker", "frequency_cap")
    assert await take(db, step, later(days=1), caps="3 in 7 days") == [ann]


async def test_a_message_capped_beyond_its_deadline_is_stopped_with_the_reason(db: Connection) -> None:
    await left(db, 1, 1)
    step = await add_step(db, send_before=later(days=5))
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 7 days") == []
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("suppressed", "frequency_cap")
    assert (await events(db, only))[-1] == ("suppressed", "worker", "frequency_cap")


@pytest.mark.parametrize("state", ["failed", "undelivered", "bounced", "cancelled", "expired"])
async def test_undelivered_messages_do_not_count_for_caps(db: Connection, state: str) -> None:
    await left(db, 1, 1, state=state)
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 7 days") == [only]


async def test_the_strictest_of_several_caps_holds(db: Connection) -> None:
    for days_ago in (0.5, 2):
        await left(db, 1, days_ago)
    step = await add_step(db, frequency_caps=[Cap(2, timedelta(days=14)).to_json()])
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 1 day") == []
    assert (await message(db, only))["not_before"] == later(days=12)


async def test_a_step_may_be_exempt_from_caps(db: Connection) -> None:
    await left(db, 1, 0.5)
    step = await add_step(db, frequency_caps=[])
    (only,) = await add_messages(db, step, "sms", [ANN])
    assert await take(db, step, caps="1 in 1 day") == [only]


async def test_a_marketing_cap_counts_and_holds_marketing_alone(db: Connection) -> None:
    await left(db, 1, 1, purpose="marketing")
    await left(db, 2, 1, purpose="service")
    service = await add_step(db, campaign_id=1, purpose="service")
    marketing = await add_step(db, campaign_id=2, purpose="marketing")
    reminders = await add_messages(db, service, "sms", [ANN, "+447700900002"])
    offers = await add_messages(db, marketing, "sms", [ANN, "+447700900002"])
    await agree(db, 1, 2)
    assert await take(db, service, caps="1 marketing in 7 days") == reminders
    assert await take(db, marketing, caps="1 marketing in 7 days") == offers[1:]


async def test_a_message_on_its_way_counts_and_is_looked_at_again_soon(db: Connection) -> None:
    first = await add_step(db, campaign_id=1)
    second = await add_step(db, campaign_id=2, send_before=later(days=1))
    (message_id,) = await add_messages(db, first, "sms", [ANN])
    (other,) = await add_messages(db, second, "email", ["a@x.test"])
    assert await take(db, first, caps="1 in 7 days") == [message_id]
    assert await take(db, second, caps="1 in 7 days", channel="email") == []
    row = await message(db, other)
    assert (row["state"], row["reason"], row["not_before"]) == ("queued", "frequency_cap", later(minutes=5))
    await db.execute("update message set state = 'failed' where message_id = $1", message_id)
    assert await take(db, second, later(minutes=5), caps="1 in 7 days", channel="email") == [other]


async def test_two_workers_at_once_do_not_both_see_room_for_one_more(pool: Pool, db: Connection) -> None:
    steps = [await add_step(db, campaign_id=n, frequency_caps=[Cap(1, timedelta(days=7)).to_json()]) for n in (1, 2, 3)]
    people = 40
    for n, step in enumerate(steps):
        await add_messages(db, step, "sms", [f"+4477009{n}{person:04}" for person in range(people)])

    async def work(step: Step) -> list[int]:
        async with pool.acquire() as connection:
            return await take(connection, step)

    taken = await asyncio.gather(*map(work, steps))
    assert sum(map(len, taken)) == people
    assert (
        await db.fetchval("select count(distinct person_id) from message join in_flight using (message_id)") == people
    )


async def test_an_answer_and_an_opt_out_come_before_any_cap(db: Connection) -> None:
    await left(db, 1, 1)
    step = await add_step(db, send_before=later(days=1))
    (only,) = await add_messages(db, step, "sms", [ANN])
    await db.execute("insert into goal_met (goal_id, person_id) values ($1, 1)", step.goal_id)
    assert await take(db, step, caps="1 in 7 days") == []
    assert (await message(db, only))["reason"] == "answered"
    assert await states(db, step) == {"cancelled": 1}
