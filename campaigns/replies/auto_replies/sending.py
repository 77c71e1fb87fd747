"""Sending of auto replies: by the channel of the message that was answered, in the name of its organisation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from campaigns.replies.answered_messages import AnsweredMessage
from campaigns.replies.asking_words import begun_by_sender
from campaigns.subjects.subject import Subject
from core.db import Connection
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import find_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to

MAX_REPLY_AGE: Final = timedelta(days=1)
"""Time after a reply in which an auto reply still makes sense."""


async def send_auto_reply(
    db: Connection, message: AnsweredMessage, subject: Subject, text: str, mail_subject: str, at: datetime
) -> None:
    """Queue an auto reply to the author of a reply.

    Args:
        db: in the transaction that stores the reply.
        message: the message that the reply answers.
        subject: what it asked about.
        text: the words.
        mail_subject: the subject of a mail.
        at: when the reply came; aware.
    """
    organisation = subject.organisation
    if message.channel == "sms":
        contents = Contents(begun_by_sender(organisation, text))
    else:
        contents = Contents(f"{text}\n\n{organisation}".strip(), subject=str(mail_subject))
    new = NewMessage(
        MessageKind.AUTO_REPLY, message.channel, message.address,
        await find_sender(db, message.channel, [message.sender or ""]), contents, "muster", message.person_id,
        send_before=at + MAX_REPLY_AGE, about=message.message_id,
    )  # fmt: skip
    await send_to(db, new, at=at)
