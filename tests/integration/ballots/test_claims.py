"""Claims of members: the ledger, each member's status by it, and the sums that follow."""

import asyncio
from itertools import count

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ballots.ballots import enrol
from ballots.claims import ClaimKind, ClaimSource, record_claim, retract_claim, strength
from ballots.counts import compact_turnout, find_differences, find_totals
from core.db import Connection, Pool
from core.errors import Conflict, NotFound
from tests.support.electorate import add_ballot, add_person, add_unit, claim_status
from tests.support.outbox_rows import add_messages, add_step

_ballots = count()


async def _one_member(db: Connection) -> tuple[int, int]:
    person = await add_person(db, f"M{next(_ballots)}", unit=await add_unit(db, f"Leeds {next(_ballots)}"))
    ballot = await add_ballot(db, f"ballot-{next(_ballots)}")
    await enrol(db, ballot)
    return ballot, person


async def _beat_once(db: Connection, ballot: int, person: int, kind: str, source: str = "link") -> int:
    return await record_claim(
        db, ballot_id=ballot, person_id=person, kind=kind, source=source, recorder="member", confidence=0.9
    )


async def _kind(db: Connection, ballot: int, person: int) -> str | None:
    status = await claim_status(db, ballot, person)
    return None if status is None else status["kind"]


async def _goal_met(db: Connection, ballot: int, person: int) -> bool:
    value: bool = await db.fetchval(
        "select exists (select from goal_met join ballot using (goal_id) where ballot_id = $1 and person_id = $2)",
        ballot, person,
    )  # fmt: skip
    return value


async def test_a_vote_counts_once_and_meets_the_goal(db: Connection) -> None:
    ballot, person = await _one_member(db)

    await _beat_once(db, ballot, person, "will_vote")
    assert not await _goal_met(db, ballot, person)
    for source in ("link", "sms_reply", "rep", "link"):
        await _beat_once(db, ballot, person, "voted", source)

    counts = await find_totals(db, ballot)
    assert (counts["electorate"], counts["voted"], counts["will_vote"]) == (1, 1, 0)
    assert await _goal_met(db, ballot, person)


async def test_a_not_yet_from_a_weaker_source_does_not_undo_a_vote(db: Connection) -> None:
    ballot, person = await _one_member(db)
    await _beat_once(db, ballot, person, "voted", "rep")

    await _beat_once(db, ballot, person, "not_voted", "sms_reply")
    assert await _kind(db, ballot, person) == "voted"

    await _beat_once(db, ballot, person, "not_voted", "scrutineer")
    assert await _kind(db, ballot, person) == "not_voted"
    assert not await _goal_met(db, ballot, person)


async def test_retracting_restores_the_status_before(db: Connection) -> None:
    ballot, person = await _one_member(db)
    await _beat_once(db, ballot, person, "will_vote")
    vote = await _beat_once(db, ballot, person, "voted")

    retraction = await retract_claim(db, vote, recorder="member", source="link")

    assert await _kind(db, ballot, person) == "will_vote"
    assert not await _goal_met(db, ballot, person)
    assert (await find_totals(db, ballot))["voted"] == 0
    assert await retract_claim(db, vote, recorder="member", source="link") == retraction, "twice is once"
    with pytest.raises(Conflict):
        await retract_claim(db, retraction, recorder="member", source="link")


async def test_a_vote_retracted_beside_another_still_counts(db: Connection) -> None:
    ballot, person = await _one_member(db)
    by_link = await _beat_once(db, ballot, person, "voted")
    await _beat_once(db, ballot, person, "voted", "phone_bank")

    await retract_claim(db, by_link, recorder="member", source="link")

    status = await claim_status(db, ballot, person)
    assert status is not None
    assert (status["kind"], status["source"]) == (ClaimKind.VOTED, ClaimSource.PHONE_BANK)
    assert await _goal_met(db, ballot, person)


async def test_a_vote_withdraws_what_is_queued_in_the_same_transaction(db: Connection) -> None:
    ballot, person = await _one_member(db)
    step = await add_step(db, goal_id=await db.fetchval("select goal_id from ballot where ballot_id = $1", ballot))
    [message] = await add_messages(db, step, "sms", ["+447700900001"], first_person=person)

    async with db.transaction():
        await _beat_once(db, ballot, person, "voted")
        state = await db.fetchrow("select state, reason from message where message_id = $1", message)
        assert state is not None
        assert tuple(state) == ("cancelled", "answered")


async def test_the_ledger_cannot_be_changed(db: Connection) -> None:
    ballot, person = await _one_member(db)
    claim = await _beat_once(db, ballot, person, "voted")
    for change in ("update claim set kind = 'not_voted' where claim_id = $1", "delete from claim where claim_id = $1"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await db.execute(change, claim)


async def test_a_member_outside_the_electorate_counts_once_enrolled(db: Connection) -> None:
    ballot, _ = await _one_member(db)
    late = await add_person(db, "late", unit=await add_unit(db, "York"))
    await _beat_once(db, ballot, late, "voted")
    assert (await find_totals(db, ballot))["voted"] == 0

    await enrol(db, ballot)

    counts = await find_totals(db, ballot)
    assert (counts["electorate"], counts["voted"]) == (2, 1)
    assert await find_differences(db, ballot) == []


async def test_unknown_ballots_people_and_claims_are_refused(db: Connection) -> None:
    ballot, person = await _one_member(db)
    with pytest.raises(NotFound):
        await _beat_once(db, ballot + 1, person, "voted")
    with pytest.raises(NotFound):
        await _beat_once(db, ballot, person + 1, "voted")
    with pytest.raises(NotFound):
        await retract_claim(db, 10**9, recorder="member", source="link")
    with pytest.raises(ValueError, match="confidence"):
        await record_claim(
            db, ballot_id=ballot, person_id=person, kind="voted", source="link", recorder="member", confidence=0
        )


async def test_many_claims_at_once_about_one_member_count_once(pool: Pool) -> None:
    async with pool.acquire() as db:
        ballot, person = await _one_member(db)

    async def claim(n: int) -> int:
        async with pool.acquire() as db:
            return await _beat_once(db, ballot, person, "voted" if n % 3 else "not_voted", "link" if n % 2 else "rep")

    claims = await asyncio.gather(*(claim(n) for n in range(30)))

    async def retract(claim_id: int) -> None:
        async with pool.acquire() as db:
            await retract_claim(db, claim_id, recorder="staff", source="rep")

    async with pool.acquire() as db:
        assert (await find_totals(db, ballot))["voted"] == 1
    await asyncio.gather(*(retract(claim) for claim in [*claims, *claims]))
    async with pool.acquire() as db:
        assert (await find_totals(db, ballot))["voted"] == 0
        assert await find_differences(db, ballot) == []


async def test_enrolling_while_claims_arrive_counts_everybody(pool: Pool) -> None:
    async with pool.acquire() as db:
        unit = await add_unit(db, "Leeds")
        people = [await add_person(db, f"M{n}", unit=unit) for n in range(40)]
        ballot = await add_ballot(db)

    async def claim(person: int) -> None:
        async with pool.acquire() as db:
            await _beat_once(db, ballot, person, "voted")

    async def enrol_all() -> None:
        async with pool.acquire() as db:
            await enrol(db, ballot)

    await asyncio.gather(*(claim(person) for person in people[:20]), enrol_all(), *map(claim, people[20:]))
    async with pool.acquire() as db:
        counts = await find_totals(db, ballot)
        assert (counts["electorate"], counts["voted"]) == (40, 40)
        assert await find_differences(db, ballot) == []


def test_every_kind_and_source_has_a_strength() -> None:
    assert {strength(ClaimKind.VOTED, source) for source in ClaimSource} == {1, 2, 3, 4}
    assert all(
        strength(ClaimKind.NOT_VOTED, source) < min(strength(ClaimKind.VOTED, other) for other in ClaimSource)
        for source in ClaimSource
        if source is not ClaimSource.SCRUTINEER
    )


_CLAIM = st.tuples(st.integers(0, 2), st.sampled_from(list(ClaimKind)), st.sampled_from(list(ClaimSource)))
_RETRACTION = st.integers(0, 30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.one_of(_CLAIM, _RETRACTION), max_size=25), compact_at=st.integers(0, 25))
async def test_after_any_claims_and_retractions_the_sums_are_a_full_recount(
    db: Connection, actions: list[tuple[int, ClaimKind, ClaimSource] | int], compact_at: int
) -> None:
    ballot = await add_ballot(db, f"ballot-{next(_ballots)}")
    unit = await add_unit(db, f"unit-{next(_ballots)}")
    people = [await add_person(db, f"P{next(_ballots)}", unit=place) for place in (unit, unit, None)]
    await db.executemany(
        "insert into elector (ballot_id, person_id, unit_id) values ($1, $2, $3)",
        [(ballot, person, place) for person, place in zip(people, (unit, unit, None), strict=True)],
    )
    await enrol(db, ballot)  # people of earlier examples are electors as well
    electorate = await db.fetchval("select count(*) from elector where ballot_id = $1", ballot)
    await db.execute("delete from count_change where ballot_id = $1", ballot)
    await db.execute(
        "insert into count_change (ballot_id, unit_id, measure, n)"
        " select ballot_id, unit_id, 'electorate', 1 from elector where ballot_id = $1",
        ballot,
    )

    claims: list[tuple[int, int, ClaimKind, ClaimSource]] = []
    retracted: set[int] = set()
    for place, action in enumerate(actions):
        if isinstance(action, tuple):
            who, kind, source = action
            claim_id = await _beat_once(db, ballot, people[who], kind, source)
            claims.append((claim_id, who, kind, source))
        elif claims:
            claim_id = claims[action % len(claims)][0]
            await retract_claim(db, claim_id, recorder="staff", source="rep")
            retracted.add(claim_id)
        if place == compact_at:
            await compact_turnout(db)

    assert await find_differences(db, ballot) == []
    expected = dict.fromkeys(ClaimKind, 0)
    for who in range(3):
        held = [claim for claim in claims if claim[1] == who and claim[0] not in retracted]
        if held:
            expected[max(held, key=lambda claim: (strength(claim[2], claim[3]), claim[0]))[2]] += 1
    counts = await find_totals(db, ballot)
    assert {kind: counts[kind] for kind in ClaimKind} == expected
    assert counts["electorate"] == electorate
