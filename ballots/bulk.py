"""Bulk recording of claims from one source: does what `claims.record_claim` does, in a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ballots.claims import ClaimKind, ClaimSource, update_statuses
from core.db import Connection, load_queries
from messaging.goals import meet_goal_of_many, reopen_goal_of_many

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class NewClaim:
    """Claim to be recorded about one member.

    Attributes:
        person_id: the member.
        kind: what the claim says.
        confidence: how sure it is, above 0 and up to 1.
        at: when it was said; aware.
    """

    person_id: int
    kind: ClaimKind
    confidence: float
    at: datetime


async def record_claims(
    db: Connection, *, ballot_id: int, goal_id: int, source: ClaimSource, recorder: str, claims: Sequence[NewClaim]
) -> int:
    """Record the claims of a list and update its members' status, in the caller's transaction, after `lock_counts`.

    Args:
        db: a connection in a transaction.
        ballot_id: the ballot.
        goal_id: its goal: met for members whose status becomes *voted*, reopened for members whose status no longer is.
        source: the source of all of them.
        recorder: who imports them.
        claims: at most one for each member.

    Returns:
        How many members have another status than before.
    """
    people = [claim.person_id for claim in claims]
    await db.execute(
        SQL["add_claims"], ballot_id, source, recorder, people, [claim.kind for claim in claims],
        [claim.confidence for claim in claims], [claim.at for claim in claims],
    )  # fmt: skip
    moved = await update_statuses(db, ballot_id, people)
    voted = [row["person_id"] for row in moved if row["now"] == ClaimKind.VOTED]
    lost = [row["person_id"] for row in moved if row["before"] == ClaimKind.VOTED]
    if voted:
        await meet_goal_of_many(db, goal_id, voted, source=source)
    if lost:
        await reopen_goal_of_many(db, goal_id, lost)
    return len(moved)
