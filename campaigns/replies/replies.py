"""Replies as they are stored: by text or mail, or a button or comment on the page of a message's link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.replies.classification import Classification
from campaigns.subjects.answer import AnswerChannel
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """Reply that is to be stored.

    Attributes:
        inbound_id: its row in the inbound log.
        channel: `sms`, `email`, or `link` for a button or comment.
        address: the address it came from; of a button, the one its message went to.
        sender: our number or mailbox that it was sent to; "" where that is not known.
        person_id: its author, where that is certain.
        message_id: the message it answers; None where that is not known.
        text: its text; "" for a button.
        read: its classification.
        subject_kind: the kind of the subject it is about: `ballot` …; None where it is about none.
        answer_id: the answer that it became; None where it is none.
        why_open: why staff have to look at it; None where nobody has to.
        received_at: when it came; aware.
        asked_until: how long its author, who was asked back, may answer before staff look at it; `received_at` for not
            at all. None where nobody was asked back.
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
        new.answer_id, new.why_open, new.received_at, new.asked_until,
    )  # fmt: skip
    return reply_id
