"""Messages to one phone that still wait for an answer, and which of them a text answers.

Mostly one message waits: the latest. If a question and another subject wait for one phone, the text decides, by the
first of these rules that fits:

1. The latest message is transactional: the text answers that, and nothing else is open any more.
2. The text can be an answer to one message only: by the letter behind its digit ("1 B"), or by words that are an answer
   to no other ("voted").
3. The text can answer several, but all except one are answered already: it answers that one.
4. The text can answer several unanswered ones: its person is asked back.
5. All that it can answer are answered already: it changes the answer to the latest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.replies.answered_messages import AnsweredMessage
from campaigns.replies.classification import Classification
from campaigns.replies.text_classification import classify_text
from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class OpenAsk:
    """Latest message about a subject that still takes answers.

    Attributes:
        message: the message.
        subject: what it asks about.
        answered: whether its person has answered that already.
    """

    message: AnsweredMessage
    subject: Subject
    answered: bool


@dataclass(frozen=True, slots=True)
class MessageChoice:
    """Messages that a text answers.

    Attributes:
        message: the message it answers; None for none.
        candidates: all messages that it could answer, if there are several.
        other: whether that is not the latest message.
    """

    message: AnsweredMessage | None
    candidates: tuple[OpenAsk, ...] = ()
    other: bool = False


async def open_asks(db: Connection, address: str, senders: Sequence[str], at: datetime) -> list[OpenAsk]:
    """List the subjects open to a phone, the latest message first; nothing if no question is open at all.

    Args:
        db: a connection.
        address: the phone.
        senders: our numbers that a reply was sent to.
        at: when it came.
    """
    rows = await db.fetch(SQL["list_open_asks"], address, list(senders), at)
    asks = [OpenAsk(AnsweredMessage.of(row), subject_of(row["subject"]), row["answered"]) for row in rows]
    return asks if any(ask.subject.reads_answers for ask in asks) else []


async def choose_message(
    db: Connection,
    text: str,
    latest: AnsweredMessage | None,
    read: Classification | None,
    *,
    address: str,
    senders: Sequence[str],
    at: datetime,
) -> MessageChoice:
    """Find the message that a text answers.

    Args:
        db: a connection.
        text: the text.
        latest: the latest message sent to the phone.
        read: its classification as an answer to the latest message, if it was made when the text came, because
            classifying takes longest.
        address: the phone.
        senders: our numbers that it was sent to.
        at: when it came.
    """
    if latest is not None and latest.transactional:
        return MessageChoice(latest)
    asks = await open_asks(db, address, senders, at)
    known = {} if latest is None or read is None else {latest.message_id: read}
    fits = [
        ask
        for ask in asks
        if (known.get(ask.message.message_id) or classify_text(text, ask.message)).answer in ask.subject.meanings
    ]
    unanswered = [ask for ask in fits if not ask.answered]
    if len(unanswered) > 1 and any(ask.subject.reads_answers for ask in unanswered):
        return MessageChoice(unanswered[0].message, tuple(unanswered))
    # if all are answered, the text changes the answer to the latest
    chosen = next(iter(unanswered or fits), None)
    if chosen is None:
        return MessageChoice(latest)
    return MessageChoice(chosen.message, other=latest is None or chosen.message.message_id != latest.message_id)
