"""Messages to one phone that still wait for an answer, and which of them a text answers.

Mostly one message waits: the latest. If a question and another subject wait for one phone, the text decides, by the
first of these rules that fits:

1. The latest message is transactional: the text answers that, and of the rest only what it names by its letter ("1B").
2. The text takes an answer back ("undo"): it is about the only message that is answered, or the one that it names by
   its letter ("undo B"). Where several are answered, its person is asked back.
3. The text can be an answer to one message only: by the letter behind its digit ("1 B"), or by words that are an answer
   to no other ("voted").
4. The text can answer several, but all except one are answered already: it answers that one.
5. The text can answer several unanswered ones: its person is asked back.
6. All that it can answer are answered already: it changes the answer to the latest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.replies.answered_messages import AnsweredMessage
from campaigns.replies.classification import Classification
from campaigns.replies.classification.answer_corrections import TAKE_BACK, corrected
from campaigns.replies.classification.named_answers import letter_taken_back
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
    asks = await open_asks(db, address, senders, at)
    known = {} if latest is None or read is None else {latest.message_id: read}
    reads = [(ask, known.get(ask.message.message_id) or classify_text(text, ask.message)) for ask in asks]
    takes_back = [ask for ask, as_read in reads if as_read.reading == TAKE_BACK]
    fits = [ask for ask, as_read in reads if as_read.answer in ask.subject.meanings]
    if latest is not None and latest.transactional:
        letter = letter_taken_back(text)
        named = [ask for ask in takes_back if letter and ask.subject.letter == letter]
        named += [ask for ask in fits if ask.subject.is_named(corrected(text) or text)]
        return MessageChoice(named[0].message, other=True) if len(named) == 1 else MessageChoice(latest)
    if takes_back:
        return _choose_answer(takes_back, latest, letter_taken_back(text))
    unanswered = [ask for ask in fits if not ask.answered]
    if len(unanswered) > 1 and any(ask.subject.reads_answers for ask in unanswered):
        return MessageChoice(unanswered[0].message, tuple(unanswered))
    # if all are answered, the text changes the answer to the latest
    chosen = next(iter(unanswered or fits), None)
    if chosen is None:
        return MessageChoice(latest)
    return MessageChoice(chosen.message, other=latest is None or chosen.message.message_id != latest.message_id)


def _choose_answer(asks: Sequence[OpenAsk], latest: AnsweredMessage | None, letter: str) -> MessageChoice:
    """Choose the message whose answer a text takes back.

    Args:
        asks: the questions open to its phone.
        latest: the latest message sent to the phone.
        letter: the letter of the question that it names; "" for none.
    """
    answered = [ask for ask in asks if ask.answered]
    chosen = [ask for ask in asks if letter and ask.subject.letter == letter] or answered
    if not chosen:
        return MessageChoice(latest)
    if len(chosen) > 1 or (letter and chosen[0].subject.letter != letter):
        return MessageChoice(chosen[0].message, tuple(chosen), other=True)
    return MessageChoice(chosen[0].message, other=latest is None or chosen[0].message.message_id != latest.message_id)
