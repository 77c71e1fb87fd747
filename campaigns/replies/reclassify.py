"""Reclassification of replies by newer rules: corrects wrong readings and reads replies that were unclear.

Only readings by rules are redone, and only until staff have dealt with the reply: a reading by staff stays. The new
reading has the same effects as if it had been the first, except that nobody hears of it so late: nobody is asked back,
no answer is taken back by a reply, and no opt-out is confirmed. A changed reading never lifts an opt-out, and makes
none if the address has sent START since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import asyncpg
import structlog

from campaigns.replies.answered_messages import AnsweredMessage, ReplyChannel, asked_about
from campaigns.replies.answers import retract_answer
from campaigns.replies.classification import Classification, OwnMail
from campaigns.replies.classification.rules import load_rules
from campaigns.replies.reading_effect import apply_to_messages
from campaigns.replies.replies import StoredReply
from campaigns.replies.reply_decision import (
    ReplyDecision,
    answer_of_reply,
    classification_about,
    decide_reply,
    without_take_back,
)
from campaigns.replies.text_classification import classify_text
from core.access import Actor
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import MusterError

SQL: Final = load_queries(__file__)

PAGE_SIZE: Final = 500
"""Replies fetched in one query."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReclassifiedReply:
    """Reply that was reclassified by newer rules.

    Attributes:
        reply_id: its id.
        text: its text.
        before: the old reading.
        after: the new reading.
        rule: the rule of the new reading.
        changed: whether the reading changed, or whether it is an answer.
        answer_id: the answer it became (such as a claim about a ballot), if any.
        why_open: why staff have to look at it now; None if nobody has to.
    """

    reply_id: int
    text: str
    before: str
    after: str
    rule: str
    changed: bool
    answer_id: int | None = None
    why_open: str | None = None


@dataclass(frozen=True, slots=True)
class _StaleReply:
    """Reply by text or mail that older rules read.

    Attributes:
        reply: the reply.
        channel: its channel.
        message: the message that it answers; None if it answers none, or that is deleted.
        author_doubt: why its author is not certain enough for an answer; None if the author is.
        started_since: whether its address has sent START since.
    """

    reply: StoredReply
    channel: ReplyChannel
    message: AnsweredMessage | None
    author_doubt: str | None
    started_since: bool

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Make a reply from its row."""
        reply = StoredReply.of(row)
        message = None
        if reply.message_id is not None and reply.written_to is not None:
            message = AnsweredMessage(
                reply.message_id, row["recipient_id"], row["channel"], reply.written_to, None, row["campaign_id"],
                reply.subject, row["transactional"], row["menu"] or {}, row["content"], row["constants"],
                row["variables"] or {},
            )  # fmt: skip
        return cls(reply, row["channel"], message, row["author_doubt"], row["started_since"])


async def reclassify(
    db: Connection, *, actor: Actor, at: datetime, dry_run: bool = False
) -> tuple[int, list[ReclassifiedReply]]:
    """Reclassify replies read by rules of another version. It can be stopped at any time, and resumes where it was.

    Args:
        db: a connection without a transaction: each reply has its own.
        actor: who starts it, for the audit.
        at: the time.
        dry_run: only report which readings would change.

    Returns:
        How many were read again, and those whose reading changed.
    """
    version = load_rules().version
    after, looked, otherwise = 0, 0, list[ReclassifiedReply]()
    while rows := await db.fetch(SQL["list_stale"], version, after, PAGE_SIZE):
        after = rows[-1]["reply_id"]
        for row in rows:
            try:
                reclassified = await _reclassify(db, row["reply_id"], version, actor, at, dry_run=dry_run)
            except MusterError as error:  # this reply stays as it was; go on with the others
                log.warning("a reply could not be classified again", reply_id=row["reply_id"], error=str(error))
                continue
            if reclassified is not None:
                looked += 1
                otherwise += [reclassified] if reclassified.changed else []
    return looked, otherwise


async def _reclassify(
    db: Connection, reply_id: int, version: str, actor: Actor, at: datetime, *, dry_run: bool
) -> ReclassifiedReply | None:
    """Reclassify one reply; None if staff dealt with it meanwhile, or it answered a message that is deleted."""
    async with db.transaction():
        row = await db.fetchrow(SQL["lock_stale"], reply_id, version)
        if row is None:
            return None
        stale = _StaleReply.of(row)
        reply, message = stale.reply, stale.message
        read = OwnMail.of(reply.text).read() if stale.channel == "email" else classify_text(reply.text, message)
        read = without_take_back(classification_about(read, reply.text, message, stale.channel))
        decision = decide_reply(read, asked_about(message), stale.author_doubt, stale.channel, reply.received_at)
        changed = read.reading != reply.reading or (decision.meaning is None) != (reply.answer_id is None)
        if changed and not dry_run:
            return await _correct(db, stale, read, decision, actor, at)
        if not dry_run:
            await db.execute(SQL["store_version"], reply_id, read.rule, version)
        return ReclassifiedReply(reply_id, reply.text, reply.reading, read.reading, read.rule, changed=changed)


async def _correct(
    db: Connection, stale: _StaleReply, read: Classification, decision: ReplyDecision, actor: Actor, at: datetime
) -> ReclassifiedReply:
    reply, message = stale.reply, stale.message
    subject = asked_about(message)
    await retract_answer(db, reply, actor=actor)
    answer_id = None
    if subject is not None and message is not None and decision.meaning is not None and reply.person_id is not None:
        answer = answer_of_reply(
            read, decision.meaning, message, person_id=reply.person_id, channel=stale.channel, at=reply.received_at
        )
        answer_id = await subject.record(db, answer)
    # an unproven email changes nothing by itself; a proven email is about the address we wrote to
    proven = stale.channel != "email" or reply.message_id is not None
    if proven and not stale.started_since:
        await apply_to_messages(
            db, read.reading, channel=stale.channel, address=reply.address, written_to=reply.written_to,
            source=f"{stale.channel}_reply", message_id=reply.message_id,
        )  # fmt: skip
    why = decision.why_open if proven else reply.why_open
    await db.execute(
        SQL["correct_reply"], reply.reply_id, read.reading, read.rule, read.version,
        subject.kind if subject else None, answer_id, why,
    )  # fmt: skip
    detail = {"from": reply.reading, "to": read.reading, "rule": read.rule, "version": read.version}
    await record(db, actor, AuditAction.REPLY_RECLASSIFIED, reply.label, detail, at=at)
    return ReclassifiedReply(
        reply.reply_id, reply.text, reply.reading, read.reading, read.rule, changed=True, answer_id=answer_id,
        why_open=why,
    )  # fmt: skip
