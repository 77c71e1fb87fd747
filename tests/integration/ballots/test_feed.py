"""The change feed: in commit order, nothing missed, nothing twice."""

import asyncio
from contextlib import aclosing

from ballots.ballots import enrol
from ballots.claims import record_claim, retract_claim
from ballots.feed import follow, read_changes
from core.db import Connection, Pool
from core.runtime import Runtime
from tests.support.electorate import add_ballot, add_person, add_unit


async def _people(db: Connection, n: int) -> tuple[int, list[int]]:
    unit = await add_unit(db, "Leeds")
    people = [await add_person(db, f"M{i}", unit=unit) for i in range(n)]
    ballot = await add_ballot(db)
    await enrol(db, ballot)
    return ballot, people


async def _vote(db: Connection, ballot: int, person: int, kind: str = "voted") -> int:
    return await record_claim(
        db, ballot_id=ballot, person_id=person, kind=kind, source="link", recorder="member", confidence=1
    )


async def test_a_change_holds_the_claim_and_the_members_status(db: Connection) -> None:
    ballot, [person] = await _people(db, 1)
    claim = await _vote(db, ballot, person)
    retraction = await retract_claim(db, claim, recorder="member", source="link")

    voted, taken_back = await read_changes(db, ballot, 0)

    assert (voted.claim_id, voted.kind, voted.member_id, voted.source) == (claim, "voted", "M0", "link")
    assert (taken_back.claim_id, taken_back.retracts, taken_back.status) == (retraction, claim, None)
    assert await read_changes(db, ballot, taken_back.seq) == []
    assert [change.seq for change in await read_changes(db, ballot, 0, limit=1)] == [voted.seq]


async def test_a_claim_committed_late_comes_after_those_already_read(pool: Pool) -> None:
    async with pool.acquire() as slow, pool.acquire() as quick, pool.acquire() as reader:
        ballot, [first, second, third] = await _people(reader, 3)
        late = slow.transaction()
        await late.start()
        await _vote(slow, ballot, first)  # the lowest id, not yet committed
        await _vote(quick, ballot, second)

        seen = await read_changes(reader, ballot, 0)
        assert [change.person_id for change in seen] == [second]

        await _vote(quick, ballot, third)
        await late.commit()
        after = await read_changes(reader, ballot, seen[-1].seq)
        assert sorted(change.person_id for change in after) == sorted([first, third])


async def test_the_feed_shows_its_own_ballot_only(db: Connection) -> None:
    ballot, [person] = await _people(db, 1)
    other = await add_ballot(db, "other")
    await _vote(db, other, person)
    assert await read_changes(db, ballot, 0) == []
    assert len(await read_changes(db, other, 0)) == 1


async def test_readers_and_claims_at_once_miss_nothing_and_repeat_nothing(pool: Pool, runtime: Runtime) -> None:
    async with pool.acquire() as db:
        ballot, people = await _people(db, 60)

    async def claim(person: int) -> None:
        async with pool.acquire() as db, db.transaction():
            await _vote(db, ballot, person)
            await asyncio.sleep(0)

    async def listen() -> list[int]:
        heard: list[int] = []
        async with aclosing(follow(runtime, ballot, every=0.01, limit=7)) as feed:
            async for change in feed:
                heard.append(change.person_id)
                if len(heard) == len(people):
                    break
        return heard

    async with asyncio.timeout(30):
        claims = asyncio.gather(*(claim(person) for person in people))
        first, second, _ = await asyncio.gather(listen(), listen(), claims)
    assert sorted(first) == sorted(people)
    assert first == second, "every reader sees the same order"
