"""Change feed: every claim of a ballot, numbered in the order of commit, for other code to follow.

A claim's own id cannot serve as a cursor: ids are handed out before the commit, so id 8 may appear after a reader has
already passed 9. Claims are therefore noted in `feed_backlog` as they are recorded, and the next reader numbers those
that have been committed (`turnout_change.seq`) under a lock. A reader that keeps the last `seq` it has dealt with
misses nothing and sees nothing twice, however many record and read claims at once.

Followers poll once a second, because `NOTIFY` would make every commit of a claim wait for the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries
from core.runtime import Runtime

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class TurnoutChange:
    """Change in the feed: one claim.

    Attributes:
        seq: its position; pass the last one as `after` to continue from there. Numbers may be missing, never late.
        claim_id: the claim.
        ballot_id: its ballot.
        person_id: the member.
        member_id: the member's own number in the organisation.
        unit_id: the unit the member counts in; None outside the electorate or without a unit.
        kind: the answer; `retracted` takes another claim back.
        source: a `ClaimSource`.
        recorder: the person or program that recorded it.
        confidence: how sure it is, above 0 and up to 1.
        at: when it was said.
        message_id: the message it answers.
        retracts: the claim it takes back.
        status: the member's status at the time of reading, by all claims; None if every claim was retracted.
    """

    seq: int
    claim_id: int
    ballot_id: int
    person_id: int
    member_id: str
    unit_id: int | None
    kind: str
    source: str
    recorder: str
    confidence: float
    at: datetime
    message_id: int | None
    retracts: int | None
    status: str | None


async def read_changes(db: Connection, ballot_id: int, after: int, limit: int = 1000) -> list[TurnoutChange]:
    """Return the changes of a ballot after a position in the feed.

    Call it outside any transaction: a position must be committed before the next is given out.

    Args:
        db: a connection.
        ballot_id: the ballot.
        after: the last `seq` dealt with; 0 from the beginning.
        limit: most changes to return; fewer means that this is all for now.
    """
    await number_claims(db)
    return [TurnoutChange(**row) for row in await db.fetch(SQL["read_changes"], ballot_id, after, limit)]


async def number_claims(db: Connection) -> None:
    """Number every committed claim that has no position in the feed yet."""
    if await db.fetchval(SQL["has_unnumbered_claims"]):
        async with db.transaction():
            await db.execute(SQL["lock_feed"])
            await db.execute(SQL["number_claims"])


async def follow(
    runtime: Runtime, ballot_id: int, after: int = 0, *, every: float = 1.0, limit: int = 1000
) -> AsyncGenerator[TurnoutChange, None]:
    """Yield every change of a ballot as it happens, until the iterator is closed.

    No connection is held while waiting. Cancel the task, or close the iterator, to stop.

    Args:
        runtime: the runtime.
        ballot_id: the ballot.
        after: the last `seq` dealt with; 0 from the beginning.
        every: seconds between two polls while nothing happens.
        limit: most changes to fetch at once.
    """
    while True:
        async with runtime.pool.acquire() as db:
            batch = await read_changes(db, ballot_id, after, limit)
        for change in batch:
            yield change
            after = change.seq
        if len(batch) < limit:
            await asyncio.sleep(every)
