"""Ledger of claims, each about one member and one ballot, and the status of each member that follows from it.

Nothing in the ledger is ever changed: a correction is another claim, an undo is a claim that *retracts* one. The
strongest claim that nobody has retracted decides a member's status; among equally strong ones the latest wins.

| strength | who says what |
| --- | --- |
| 4 | the scrutineer, whatever they say: theirs is the official list |
| 3 | the member, that they have voted (`link`, `sms_reply`, `email_reply`) |
| 2 | a rep or the phone bank, that the member has voted |
| 1 | a file from elsewhere, that the member has voted |
| 0 | anybody, anything else: intentions, "not yet", no ballot paper, refused |

So *voted* is never undone by a later "not yet" (an old text that arrives late, a rep who did not know), but only by
retracting it, or by the scrutineer. Going from "will vote" to "voted" deletes nothing: the intention stays in the
ledger, and counts again if the vote is retracted. A member counts once, whatever the number of claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import asyncpg

from core.db import Connection, atomic, load_queries
from core.errors import Conflict, NotFound
from messaging.goals import meet_goal, reopen_goal

SQL: Final = load_queries(__file__)


class ClaimKind(StrEnum):
    """Kind of a claim: its meaning."""

    VOTED = "voted"
    WILL_VOTE = "will_vote"
    NOT_VOTED = "not_voted"
    NO_BALLOT_PAPER = "no_ballot_paper"
    REPLACEMENT_REQUESTED = "replacement_requested"
    REFUSED = "refused"


class ClaimSource(StrEnum):
    """Source of a claim: how it reached us."""

    LINK = "link"
    SMS_REPLY = "sms_reply"
    EMAIL_REPLY = "email_reply"
    REP = "rep"
    PHONE_BANK = "phone_bank"
    IMPORT = "import"
    SCRUTINEER = "scrutineer"


RETRACTED: Final = "retracted"

_OFFICIAL_STRENGTH: Final = 4
_VOTED_BY: Final = {
    ClaimSource.LINK: 3,
    ClaimSource.SMS_REPLY: 3,
    ClaimSource.EMAIL_REPLY: 3,
    ClaimSource.REP: 2,
    ClaimSource.PHONE_BANK: 2,
    ClaimSource.IMPORT: 1,
}


def strength(kind: ClaimKind, source: ClaimSource) -> int:
    """Return how strong a claim is, by the table in this module's docstring."""
    if source is ClaimSource.SCRUTINEER:
        return _OFFICIAL_STRENGTH
    return _VOTED_BY[source] if kind is ClaimKind.VOTED else 0


_PAIRS: Final = [(kind, source, strength(kind, source)) for kind in ClaimKind for source in ClaimSource]
RANKING: Final = tuple(list(column) for column in zip(*_PAIRS, strict=True))
"""The strengths as three columns (kinds, sources, strengths), the way queries take them."""


async def record_claim(
    db: Connection,
    *,
    ballot_id: int,
    person_id: int,
    kind: str,
    source: str,
    recorder: str,
    confidence: float,
    message_id: int | None = None,
    at: datetime | None = None,
) -> int:
    """Record a claim and update the member's status.

    All of it happens in the caller's transaction: when the member's status becomes *voted*, the ballot's goal is met
    and messages still queued for them are withdrawn; either everything is committed or nothing. It waits for another
    claim about the same member, never for one about anybody else.

    Args:
        db: a connection; a transaction is opened if there is none.
        ballot_id: the ballot.
        person_id: the member; somebody outside the electorate is recorded, but never counted.
        kind: a `ClaimKind`.
        source: a `ClaimSource`.
        recorder: who recorded it: `member`, or a member of staff.
        confidence: above 0 and up to 1.
        message_id: the message it answers.
        at: when it was said; now if not given.

    Returns:
        The claim's id, for `retract_claim`.

    Raises:
        NotFound: no such ballot or person.
        ValueError: not a valid kind, source or confidence; a mistake in the program.
    """
    kind, source = ClaimKind(kind), ClaimSource(source)
    if not 0 < confidence <= 1:
        raise ValueError(f"confidence {confidence} is not above 0 and up to 1")
    async with atomic(db):
        goal_id = await _lock(db, ballot_id, person_id)
        claim_id: int = await db.fetchval(
            SQL["add_claim"], ballot_id, person_id, kind, source, recorder, confidence, at, message_id, None
        )
        await _update_status(db, ballot_id, person_id, goal_id, source)
        return claim_id


async def retract_claim(db: Connection, claim_id: int, *, recorder: str, source: str) -> int:
    """Retract a claim: the status before it counts again, and the member may get messages again.

    Retracting twice is harmless: the second call returns the retraction of the first.

    Args:
        db: a connection; a transaction is opened if there is none.
        claim_id: the claim to retract.
        recorder: who retracts it.
        source: a `ClaimSource`.

    Returns:
        The id of the claim that retracts it.

    Raises:
        NotFound: no such claim.
        Conflict: that claim is itself a retraction.
    """
    claim = await db.fetchrow(SQL["find_claim"], claim_id)
    if claim is None:
        raise NotFound(f"There is no claim {claim_id}.")
    if claim["kind"] == RETRACTED:
        raise Conflict(
            f"Claim {claim_id} retracts another one and cannot be retracted itself.",
            remedy="Record the former claim again instead.",
        )
    ballot_id, person_id = claim["ballot_id"], claim["person_id"]
    async with atomic(db):
        goal_id = await _lock(db, ballot_id, person_id)
        again = await db.fetchrow(SQL["find_claim"], claim_id)  # it may have been retracted meanwhile
        if again is not None and again["retracted_by"] is not None:
            return int(again["retracted_by"])
        retraction: int = await db.fetchval(
            SQL["add_claim"], ballot_id, person_id, RETRACTED, ClaimSource(source), recorder, 1.0, None, None, claim_id
        )
        await _update_status(db, ballot_id, person_id, goal_id, ClaimSource(source))
        return retraction


async def _lock(db: Connection, ballot_id: int, person_id: int) -> int:
    """Lock the member's claims until the transaction ends; return the ballot's goal."""
    row = await db.fetchrow(SQL["lock_status"], ballot_id, person_id)
    if row is None:
        raise NotFound(f"There is no ballot {ballot_id}.")
    if not row["known"]:
        raise NotFound(f"There is no person {person_id}.")
    return int(row["goal_id"])


async def find_claim_by_link(
    db: Connection, *, ballot_id: int, person_id: int, message_id: int
) -> asyncpg.Record | None:
    """Return the id and time of the latest claim made by a message's link that nobody has retracted; None for none."""
    return await db.fetchrow(SQL["find_claim_by_link"], ballot_id, person_id, message_id)


async def _update_status(db: Connection, ballot_id: int, person_id: int, goal_id: int, source: str) -> None:
    for change in await update_statuses(db, ballot_id, [person_id]):
        if change["now"] == ClaimKind.VOTED:
            await meet_goal(db, goal_id, person_id, source=source)
        elif change["before"] == ClaimKind.VOTED:
            await reopen_goal(db, goal_id, person_id)


async def update_statuses(db: Connection, ballot_id: int, people: Sequence[int]) -> list[asyncpg.Record]:
    """Recompute the status of members by the ledger, and the counts; the caller deals with their goals.

    Args:
        db: in the caller's transaction, which holds the claims of these members.
        ballot_id: the ballot.
        people: the members.

    Returns:
        person_id, before and now (kinds of claims, or None) of members whose status has changed.
    """
    return await db.fetch(SQL["update_status"], ballot_id, people, *RANKING)
