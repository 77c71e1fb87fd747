"""Replies read again by newer rules: what the old ones got wrong is put right, and what they could not read may now be.

Only what rules read is read again, and only until somebody of staff has dealt with it: a person's reading stands. What
follows from the new reading follows as if it had been read so from the start, with two exceptions: an opt-out is never
lifted because a word is read otherwise, and none is made where the address has said START since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from ballots.claims import ClaimSource, record_claim, retract_claim
from campaigns.replies.answered_messages import said_by
from campaigns.replies.answers import BY_DIGIT, CLAIMS, READ_BY_RULE
from campaigns.replies.classification import Classification, OwnMail, read_reply
from campaigns.replies.classification.rules import load_rules
from campaigns.replies.open_reasons import too_soon_or_late, why_open
from core.control_characters import without_controls
from core.db import Connection, load_queries
from core.errors import MusterError
from messaging import suppression
from messaging.states import Reason

SQL: Final = load_queries(__file__)

PAGE: Final = 500
"""Replies looked at in one query."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reclassified:
    """A reply that newer rules have read.

    Attributes:
        reply_id: which.
        text: what it says.
        before: what it was read as.
        after: what it is read as.
        rule: by which rule.
        changed: whether it says something else now, or something more or less.
        claim_id: the claim it became, if it did.
        why_open: why a person has to look at it now; None where nobody has to.
    """

    reply_id: int
    text: str
    before: str
    after: str
    rule: str
    changed: bool
    claim_id: int | None = None
    why_open: str | None = None


async def reread(db: Connection, *, reader: str, at: datetime, dry_run: bool = False) -> tuple[int, list[Reclassified]]:
    """Read again what rules of another version have read. It can be stopped at any time, and goes on where it was.

    Args:
        db: a connection without a transaction: each reply is one.
        reader: who has it done, for the audit.
        at: when.
        dry_run: only say what would be read otherwise.

    Returns:
        How many were read again, and those that are read otherwise.
    """
    version = load_rules().version
    after, looked, otherwise = 0, 0, list[Reclassified]()
    while rows := await db.fetch(SQL["stale"], version, after, PAGE):
        after = rows[-1]["reply_id"]
        for row in rows:
            try:
                found = await _reread(db, row["reply_id"], version, reader, at, dry_run=dry_run)
            except MusterError as error:  # it stays as it was, and the others are read
                log.warning("a reply could not be read again", reply_id=row["reply_id"], error=str(error))
                continue
            if found is not None:
                looked += 1
                otherwise += [found] if found.changed else []
    return looked, otherwise


async def _reread(
    db: Connection, reply_id: int, version: str, reader: str, at: datetime, *, dry_run: bool
) -> Reclassified | None:
    """One reply; None where somebody has dealt with it meanwhile, or its claim answers what is forgotten by now."""
    async with db.transaction():
        reply = await db.fetchrow(SQL["hold_stale"], reply_id, version)
        if reply is None:
            return None
        text = without_controls(reply["text"])
        by_email = reply["channel"] == "email"
        read = OwnMail.of(text).read() if by_email else read_reply(text, reply["menu"], said_by(reply))
        said = read.also if read.reading == "opt_out" else read.reading
        claim = said if said in CLAIMS and reply["nobody"] is None else None
        outside = too_soon_or_late(reply, reply["received_at"]) if claim else None
        if outside is not None:
            claim = None
        changed = read.reading != reply["reading"] or (claim is None) != (reply["claim_id"] is None)
        if changed and not dry_run:
            return await _put_right(db, reply, read, claim, outside, reader, at)
        if not dry_run:
            await db.execute(SQL["same"], reply_id, read.rule, version)
        return Reclassified(reply_id, text, reply["reading"], read.reading, read.rule, changed=changed)


async def _put_right(
    db: Connection,
    reply: asyncpg.Record,
    read: Classification,
    claim: str | None,
    outside: str | None,
    reader: str,
    at: datetime,
) -> Reclassified:
    source = ClaimSource.SMS_REPLY if reply["channel"] == "sms" else ClaimSource.EMAIL_REPLY
    if reply["claim_id"] is not None:
        await retract_claim(db, reply["claim_id"], recorder=reader, source=source)
    claim_id = None
    if claim is not None:
        claim_id = await record_claim(
            db, ballot_id=reply["ballot_id"], person_id=reply["person_id"], kind=claim, source=source,
            recorder="member", confidence=BY_DIGIT if read.rule.startswith("digit") else READ_BY_RULE,
            message_id=reply["message_id"], at=reply["received_at"],
        )  # fmt: skip
    by_email = reply["channel"] == "email"
    # an email that proves nothing changes nothing by itself; what one proves is about where we wrote to
    proven = not by_email or reply["message_id"] is not None
    if proven and read.reading in {"opt_out", "wrong_number"} and not reply["started_since"]:
        address = reply["asked_at"] if by_email else reply["address"]
        await suppression.suppress(
            db, channel=reply["channel"], address=address, source=source, message_id=reply["message_id"],
            reason=Reason.OPTED_OUT if read.reading == "opt_out" else Reason.WRONG_NUMBER,
        )  # fmt: skip
    why = (outside or why_open(read, reply["nobody"], reply["channel"])) if proven else reply["why_open"]
    await db.execute(SQL["put_right"], reply["reply_id"], read.reading, read.rule, read.version, claim_id, why)
    detail = {"from": reply["reading"], "to": read.reading, "rule": read.rule, "version": read.version}
    await db.execute(SQL["note"], reader, f"reply:{reply['reply_id']}", detail, at)
    return Reclassified(
        reply["reply_id"],
        without_controls(reply["text"]),
        reply["reading"],
        read.reading,
        read.rule,
        True,
        claim_id,
        why,
    )
