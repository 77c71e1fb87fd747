"""Replies as they are stored: by text or mail, or a button or comment on the page of a message's link.

Every change of a reply locks it first, whether by staff, by a staff reply or by newer rules.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Self

import asyncpg

from campaigns.replies.classification import Classification
from campaigns.subjects.answer import AnswerChannel
from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.access import Actor
from core.control_characters import without_controls
from core.db import Connection, load_queries
from core.errors import NotFound

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """Reply that is to be stored.

    Attributes:
        inbound_id: its row in the inbound log.
        channel: `sms`, `email`, or `link` for a button or comment.
        address: the address it came from; of a button, the one its message went to.
        sender: our number or mailbox that it was sent to; "" if that is not known.
        person_id: its author, if that is certain.
        message_id: the message it answers; None if that is not known.
        text: its text; "" for a button.
        read: its classification.
        subject_kind: the kind of the subject it is about, such as `ballot`; None if it is about none.
        answer_id: the answer that it became; None if it became none.
        why_open: why staff have to look at it; None if nobody has to.
        received_at: when it came; aware.
        asked_until: until when its author, who was asked back, may answer before staff look at it; `received_at` for no
            time at all. None if nobody was asked back.
        note: what staff should know beside its text; None for nothing.
    """

    inbound_id: int
    channel: AnswerChannel
    address: str
    sender: str
    person_id: int | None
    message_id: int | None
    text: str
    read: Classification
    subject_kind: str | None
    answer_id: int | None
    why_open: str | None
    received_at: datetime
    asked_until: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class StoredReply:
    """Reply as it was stored, with its subject.

    Attributes:
        reply_id: its id.
        channel: `sms`, `email`, or `link` for a button or comment.
        address: the address it came from; of a button, the one its message went to.
        sender: our number or mailbox that it was sent to; "" if that is not known.
        text: its text, without control characters.
        received_at: when it came; aware.
        person_id: its author, if that is certain.
        message_id: the message it answers; None if that is not known.
        written_to: where that message went; None if it is not known or no longer kept.
        subject: the subject of that message, or of the message its conversation began with; None for none.
        reading: its present reading.
        rule: the rule that gave it.
        why_open: why staff have to look at it; None if nobody has to.
        state: `open`, `asked` or `closed`.
        answer_kind: the kind of the answer that it became; None if it became none.
        answer_id: that answer's id.
    """

    reply_id: int
    channel: AnswerChannel
    address: str
    sender: str
    text: str
    received_at: datetime
    person_id: int | None
    message_id: int | None
    written_to: str | None
    subject: Subject | None
    reading: str
    rule: str
    why_open: str | None
    state: str
    answer_kind: str | None
    answer_id: int | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Make a reply from its row; `subject` is the view's row in JSON."""
        columns = {field.name: row[field.name] for field in fields(cls)}
        subject = None if row["subject"] is None else subject_of(row["subject"])
        # rows of former versions may hold control characters
        return cls(**columns | {"subject": subject, "text": without_controls(row["text"])})

    @property
    def label(self) -> str:
        """Return the name that the audit has for it."""
        return f"reply {self.reply_id}"


async def lock_reply(db: Connection, reply_id: int) -> StoredReply:
    """Return a reply, locked until the end of the transaction.

    Args:
        db: in the caller's transaction.
        reply_id: the reply.

    Raises:
        NotFound: no such reply.
    """
    row = await db.fetchrow(SQL["lock_reply"], reply_id)
    if row is None:
        raise no_reply(reply_id)
    return StoredReply.of(row)


async def mark_closed(db: Connection, reply_id: int, *, actor: Actor, at: datetime) -> None:
    """Close a reply, with who did it and when; a second close changes nothing.

    Args:
        db: in the transaction that locked it.
        reply_id: the reply.
        actor: the member of staff.
        at: the time; aware.
    """
    await db.execute(SQL["close_reply"], reply_id, at, actor.name)


def no_reply(reply_id: int) -> NotFound:
    """Return the error about a reply that does not exist."""
    return NotFound(f"There is no reply {reply_id}.", remedy="See those that wait with: muster replies list")


async def add_reply(db: Connection, new: NewReply) -> int:
    """Store a reply and its reading.

    Args:
        db: in the transaction that records its answer.
        new: the reply.

    Returns:
        Its id.
    """
    reply_id: int = await db.fetchval(
        SQL["add_reply"], new.inbound_id, new.channel, new.address, new.sender, new.person_id, new.message_id, new.text,
        new.read.reading, new.read.rule, new.read.version, new.subject_kind if new.answer_id is not None else None,
        new.answer_id, new.why_open, new.received_at, new.asked_until, new.note,
    )  # fmt: skip
    return reply_id
