"""Counts by unit, reach, and the score of a ballot."""

import asyncio
from datetime import timedelta

import pytest

from ballots.ballots import enrol
from ballots.claims import record_claim
from ballots.counts import (
    Difference,
    compact_turnout,
    find_differences,
    find_totals,
    refresh_due,
    refresh_reach,
    unit_counts,
)
from ballots.score import find_score
from core.db import Connection
from core.errors import NotFound
from core.runtime import Runtime
from messaging.suppression import lift, suppress
from tests.support.electorate import NOW, add_ballot, add_person, add_unit
from tests.support.outbox_rows import add_messages, add_step


async def _vote(db: Connection, ballot: int, person: int) -> None:
    await record_claim(
        db, ballot_id=ballot, person_id=person, kind="voted", source="link", recorder="member", confidence=1, at=NOW
    )


async def test_counts_roll_up_to_every_unit_above(db: Connection) -> None:
    north = await add_unit(db, "North", "region")
    leeds = await add_unit(db, "Leeds", "branch", north)
    depot = await add_unit(db, "Depot", "workplace", leeds)
    york = await add_unit(db, "York", "branch", north)
    people = [await add_person(db, f"M{n}", unit=unit) for n, unit in enumerate((leeds, depot, york, north, None))]
    ballot = await add_ballot(db)
    await enrol(db, ballot)
    for person in people[1:3]:
        await _vote(db, ballot, person)

    rows = {
        row.path: (row.measures["electorate"], row.measures["voted"]) for row in await unit_counts(db, ballot, None)
    }
    assert rows == {
        "North": (4, 2), "North / Leeds": (2, 1), "North / Leeds / Depot": (1, 1), "North / York": (1, 1), "": (1, 0),
    }  # fmt: skip
    branches = await unit_counts(db, ballot, "branch")
    assert [(row.name, row.measures["electorate"]) for row in branches] == [("Leeds", 2), ("York", 1), ("", 2)]
    assert branches[-1].unit_id is None, "everybody without a branch, so that the rows add up"


async def test_a_member_who_moves_is_counted_where_they_are(db: Connection) -> None:
    leeds, york = await add_unit(db, "Leeds"), await add_unit(db, "York")
    person = await add_person(db, "M1", unit=leeds)
    ballot = await add_ballot(db)
    await enrol(db, ballot)
    await _vote(db, ballot, person)

    await db.execute("update person set unit_id = $1", york)
    await enrol(db, ballot)

    assert [(row.name, row.measures["voted"]) for row in await unit_counts(db, ballot, "branch")] == [("York", 1)]
    assert await find_differences(db, ballot) == []


async def test_a_recount_finds_what_is_off_and_compacting_changes_nothing(db: Connection) -> None:
    unit = await add_unit(db, "Leeds")
    people = [await add_person(db, f"M{n}", unit=unit) for n in range(5)]
    ballot = await add_ballot(db)
    await enrol(db, ballot)
    for person in people:
        await _vote(db, ballot, person)
    before = await find_totals(db, ballot)

    assert await compact_turnout(db) == 5
    assert await find_totals(db, ballot) == before
    assert await db.fetchval("select count(*) from count_change") == 2, "electorate and voted"
    assert await compact_turnout(db) == 0

    await db.execute("update count_change set n = n + 3 where measure = 'voted'")
    assert await find_differences(db, ballot) == [Difference(unit, "voted", 8, 5)]


async def test_reach_follows_addresses_suppressions_and_messages(db: Connection) -> None:
    unit = await add_unit(db, "Leeds")
    both = await add_person(db, "both", unit=unit, sms="+447700900001", email="a@x.test")
    await add_person(db, "mail", unit=unit, email="b@x.test")
    none = await add_person(db, "none", unit=unit)
    ballot = await add_ballot(db, opens=NOW - timedelta(days=4000), closes=NOW + timedelta(days=4000))
    await enrol(db, ballot)

    await refresh_reach(db, ballot)
    assert _reach(await find_totals(db, ballot)) == _expected(2, sms=1, email=2, contacted=0)

    await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")
    await suppress(db, channel="email", address="b@x.test", purpose="marketing", reason="opted_out", source="link")
    assert await refresh_reach(db, ballot) == 1
    assert _reach(await find_totals(db, ballot)) == _expected(2, sms=0, email=2, contacted=0)

    await lift(db, channel="sms", address="+447700900001", reason="opted_in", source="sms_reply")
    await suppress(db, channel="person", address=str(both), reason="do_not_contact", source="staff")
    await refresh_reach(db, ballot)
    assert _reach(await find_totals(db, ballot)) == _expected(1, sms=0, email=1, contacted=0)

    another = await add_ballot(db, "another")
    for position, (about, person, state) in enumerate(
        (
            (ballot, both, "delivered"),
            (ballot, both, "failed"),
            (ballot, both, "accepted"),
            (another, none, "delivered"),
        ),
        start=1,
    ):
        goal = await db.fetchval("select goal_id from ballot where ballot_id = $1", about)
        step = await add_step(db, position=position, goal_id=goal)
        await add_messages(db, step, "sms", ["+447700900001"], first_person=person, state=state)
    await refresh_reach(db, ballot)
    counted = _reach(await find_totals(db, ballot))
    assert counted == _expected(1, sms=0, email=1, contacted=1), "two messages, one member contacted"
    assert await refresh_reach(db, ballot) == 0


async def test_reach_is_counted_by_one_worker_at_a_time_and_again_when_it_is_due(runtime: Runtime) -> None:
    async with runtime.pool.acquire() as db, runtime.pool.acquire() as other:
        open_ballot = await add_ballot(db, "open", closes=NOW + timedelta(days=1))
        await add_ballot(db, "over", opens=NOW - timedelta(days=9), closes=NOW - timedelta(days=1))

        assert sorted(await asyncio.gather(refresh_due(db, NOW), refresh_due(other, NOW))) == [0, 1]
        assert await refresh_due(other, NOW) == 0, "it has just been counted"

        # a worker that took it and was killed: the lease, on the server's clock, keeps others away and then does not
        await db.execute("update ballot set reach_due_at = clock_timestamp() + interval '1 minute'")
        assert await refresh_due(db, NOW) == 0
        await db.execute("update ballot set reach_due_at = clock_timestamp() - interval '1 second'")
        assert await refresh_due(db, NOW) == 1
        due = "select reach_due_at - clock_timestamp() from ballot where ballot_id = $1"
        assert timedelta(seconds=5) < await db.fetchval(due, open_ballot) <= timedelta(seconds=10)


def _reach(counts: dict[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in ("reachable", "reachable_sms", "reachable_email", "contacted")}


def _expected(reachable: int, *, sms: int, email: int, contacted: int) -> dict[str, int]:
    return {"reachable": reachable, "reachable_sms": sms, "reachable_email": email, "contacted": contacted}


async def test_a_ballot_is_scored_from_its_counts(db: Connection) -> None:
    unit = await add_unit(db, "Leeds")
    people = [await add_person(db, f"M{n}", unit=unit) for n in range(100)]
    ballot = await add_ballot(db)  # opened ten days ago, closes in ten
    await enrol(db, ballot)
    for person in people[:28]:
        await _vote(db, ballot, person)

    status = await find_score(db, ballot, NOW)

    assert (status.electorate, status.confirmed, status.estimate, status.target) == (100, 28, 24, 50)
    assert status.needed == 30, "0.87 of a vote each: 58 confirmations make 50"
    assert status.days_left == 10
    assert status.needed_per_day == 3
    assert status.rate_per_day == 4
    assert status.projection == 59
    assert not status.passed
    with pytest.raises(NotFound):
        await find_score(db, ballot + 1, NOW)


async def test_each_constituency_of_a_disaggregated_ballot_must_pass(db: Connection) -> None:
    leeds, york = await add_unit(db, "Leeds"), await add_unit(db, "York")
    in_leeds = [await add_person(db, f"L{n}", unit=leeds) for n in range(10)]
    in_york = [await add_person(db, f"Y{n}", unit=york) for n in range(10)]
    ballot = await add_ballot(db, disaggregated=True)
    await enrol(db, ballot)
    for person in [*in_leeds, *in_york[:4]]:
        await _vote(db, ballot, person)

    status = await find_score(db, ballot, NOW)
    assert [(constituency.name, constituency.passed) for constituency in status.constituencies] == [
        ("Leeds", True),
        ("York", False),
    ]
    assert not status.passed
    assert status.needed == status.constituencies[1].needed == 2

    for person in in_york[4:]:
        await _vote(db, ballot, person)
    assert (await find_score(db, ballot, NOW)).passed
