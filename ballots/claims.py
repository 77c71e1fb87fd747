"""What somebody said about one member and one ballot: a ledger, and where each member stands by it.

Nothing in the ledger is ever changed: a correction is another claim, an undo is a claim that *retracts* one. Where a
member stands is decided by the strongest claim that nobody has retracted; among equally strong ones the latest wins.

| strength | who says what |
| --- | --- |
| 4 | the scrutineer, whatever they say: theirs is the official list |
| 3 | the member, that they have voted (`link`, `sms_reply`, `email_reply`) |
| 2 | a rep or the phone bank, that the member has voted |
| 1 | a file from elsewhere, that the member has voted |
| 0 | anybody, anything else: intentions, "not yet", no ballot paper, refused |

So *voted* is never undone by a later "not yet" (an old text that arrives late, a rep who did not know), only by
retracting it, or by the scrutineer. Going from "will vote" to "voted" resets nothing: the intention stays in the
ledger, and stands again if the vote is retracted. A member counts once, whatever the number of claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from core.db import Connection, atomic, load_queries
from core.errors import Conflict, NotFound
from messaging.goals import meet, reopen

SQL = load_queries(__file__)


class ClaimKind(StrEnum):
    """What a claim says."""

    VOTED = "voted"
    WILL_VOTE = "will_vote"
    NOT_VOTED = "not_voted"
    NO_BALLOT_PAPER = "no_ballot_paper"
    REPLACEMENT_REQUESTED = "replacement_requested"
    REFUSED = "refused"


class ClaimSource(StrEnum):
    """By what way a claim came."""

    LINK = "link"
    SMS_REPLY = "sms_reply"
    EMAIL_REPLY = "email_reply"
    REP = "rep"
    PHONE_BANK = "phone_bank"
    IMPORT = "import"
    SCRUTINEER = "scrutineer"


RETRACTED: Final = "retracted"

_OFFICIAL: Final = 4
_VOTED_BY: Final = {
    ClaimSource.LINK: 3,
    ClaimSource.SMS_REPLY: 3,
    ClaimSource.EMAIL_REPLY: 3,
    ClaimSource.REP: 2,
    ClaimSource.PHONE_BANK: 2,
    ClaimSource.IMPORT: 1,
}


def strength(kind: ClaimKind, source: ClaimSource) -> int:
    """How strong a claim is; the table in this module's docstring."""
    if source is ClaimSource.SCRUTINEER:
        return _OFFICIAL
    return _VOTED_BY[source] if kind is ClaimKind.VOTED else 0


_PAIRS: Final = [(kind, source, strength(kind, source)) for kind in ClaimKind for source in ClaimSource]
RANKING: Final = tuple(list(column) for column in zip(*_PAIRS, strict=True))
"""The strengths as three columns (kinds, sources, strengths), the way queries take them."""


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """Where a member stands in a ballot.

    Attributes:
        claim_id: the claim that decides.
        kind: what it says.
        source: by what way it came.
        confidence: how sure it is, above 0 and up to 1.
        at: when it was said.
        message_id: the message it answers, if any.
    """

    claim_id: int
    kind: ClaimKind
    source: ClaimSource
    confidence: float
    at: datetime
    message_id: int | None


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
    """Write down what somebody said, and settle where the member stands now.

    All of it happens in the caller's transaction: when the member comes to stand as *voted*, the ballot's goal is met
    and what was still queued for them is withdrawn; either everything is committed or nothing. It waits for another
    claim about the same member, never for one about anybody else.

    Args:
        db: a connection; a transaction is opened if there is none.
        ballot_id: the ballot.
        person_id: the member; somebody outside the electorate is recorded, but never counted.
        kind: a `ClaimKind`.
        source: a `ClaimSource`.
        recorder: who wrote it down: `member`, or a member of staff.
        confidence: above 0 and up to 1.
        message_id: the message it answers.
        at: when it was said; now if not given.

    Returns:
        The claim's id, for `retract_claim`.

    Raises:
        NotFound: no such ballot or person.
        ValueError: not a kind, source or confidence; a mistake in the program.
    """
    kind, source = ClaimKind(kind), ClaimSource(source)
    if not 0 < confidence <= 1:
        raise ValueError(f"confidence {confidence} is not above 0 and up to 1")
    async with atomic(db):
        goal_id = await _hold(db, ballot_id, person_id)
        claim_id: int = await db.fetchval(
            SQL["add_claim"], ballot_id, person_id, kind, source, recorder, confidence, at, message_id, None
        )
        await _settle(db, ballot_id, person_id, goal_id, source)
        return claim_id


async def retract_claim(db: Connection, claim_id: int, *, recorder: str, source: str) -> int:
    """Take a claim back: what stood before it stands again, and the member is asked again if they no longer count.

    Retracting twice is harmless: the second time returns what the first one wrote.

    Args:
        db: a connection; a transaction is opened if there is none.
        claim_id: the claim to take back.
        recorder: who takes it back.
        source: by what way, a `ClaimSource`.

    Returns:
        The id of the claim that retracts it.

    Raises:
        NotFound: no such claim.
        Conflict: that claim is itself a retraction.
    """
    found = await db.fetchrow(SQL["find_claim"], claim_id)
    if found is None:
        raise NotFound(f"There is no claim {claim_id}.")
    if found["kind"] == RETRACTED:
        raise Conflict(
            f"Claim {claim_id} takes another one back and cannot be taken back itself.",
            remedy="Record what was said once more instead.",
        )
    ballot_id, person_id = found["ballot_id"], found["person_id"]
    async with atomic(db):
        goal_id = await _hold(db, ballot_id, person_id)
        again = await db.fetchrow(SQL["find_claim"], claim_id)  # somebody may have been quicker
        if again is not None and again["retracted_by"] is not None:
            return int(again["retracted_by"])
        retraction: int = await db.fetchval(
            SQL["add_claim"], ballot_id, person_id, RETRACTED, ClaimSource(source), recorder, 1.0, None, None, claim_id
        )
        await _settle(db, ballot_id, person_id, goal_id, ClaimSource(source))
        return retraction


async def standing(db: Connection, ballot_id: int, person_id: int) -> ClaimStatus | None:
    """Where a member stands; None while nobody has said anything that still holds."""
    row = await db.fetchrow(SQL["standing"], ballot_id, person_id)
    if row is None:
        return None
    return ClaimStatus(
        row["claim_id"],
        ClaimKind(row["kind"]),
        ClaimSource(row["source"]),
        row["confidence"],
        row["at"],
        row["message_id"],
    )


async def _hold(db: Connection, ballot_id: int, person_id: int) -> int:
    """Keep others from claiming about this member until the transaction ends; returns the ballot's goal."""
    row = await db.fetchrow(SQL["hold"], ballot_id, person_id)
    if row is None:
        raise NotFound(f"There is no ballot {ballot_id}.")
    if not row["known"]:
        raise NotFound(f"There is no person {person_id}.")
    return int(row["goal_id"])


async def _settle(db: Connection, ballot_id: int, person_id: int, goal_id: int, source: str) -> None:
    change = await db.fetchrow(SQL["settle"], ballot_id, person_id, *RANKING)
    assert change is not None
    voted_before, voted_now = change["before"] == ClaimKind.VOTED, change["now"] == ClaimKind.VOTED
    if voted_now and not voted_before:
        await meet(db, goal_id, person_id, source=source)
    elif voted_before and not voted_now:
        await reopen(db, goal_id, person_id)
