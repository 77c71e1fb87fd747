"""Decision about a reply: its classification by the message it answers, its answer, and whether staff must look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from campaigns.replies.answered_messages import AnsweredMessage, asked_about
from campaigns.replies.classification import GENERAL, Classification, restrict
from campaigns.replies.classification.answer_corrections import TAKE_BACK
from campaigns.replies.confidence import confidence_of
from campaigns.replies.mail_classification import read_about
from campaigns.replies.open_reasons import why_open
from campaigns.replies.text_classification import about_nothing
from campaigns.subjects.answer import Answer, AnswerChannel
from campaigns.subjects.answering import Answering


@dataclass(frozen=True, slots=True)
class ReplyDecision:
    """Decision about a reply that was read.

    Attributes:
        meaning: the answer to record; None if there is none that counts.
        why_open: why staff have to look at it; None if nobody has to.
    """

    meaning: str | None
    why_open: str | None


def classification_about(
    read: Classification, text: str, message: AnsweredMessage | None, channel: Literal["sms", "email"]
) -> Classification:
    """Return the classification of a reply by the subject of the message that it answers.

    Args:
        read: for a text, the result of `classify_text` with the same message; for a mail, its classification when it
            came, without a message.
        text: the text, or the person's own words in a mail, as stored.
        message: the message it answers; None if there is none.
        channel: the reply's.
    """
    subject = asked_about(message)
    if subject is None:
        return about_nothing(read, message)
    if channel == "email":
        read = read_about(read, text, subject)
    take_back = {TAKE_BACK} if subject.reads_answers else frozenset[str]()
    return restrict(read, GENERAL | subject.meanings | take_back)


def without_take_back(read: Classification) -> Classification:
    """Return the classification of a reply whose author has no answer to take back."""
    return Classification("unclear", TAKE_BACK, read.version) if read.reading == TAKE_BACK else read


def decide_reply(
    read: Classification, subject: Answering | None, author_doubt: str | None, channel: str, received_at: datetime
) -> ReplyDecision:
    """Decide which answer a reply is, if it is one, and whether staff have to look at it.

    Args:
        read: its classification, by the subject of the message that it answers.
        subject: what that message asked about; None if there is no message.
        author_doubt: why its author is unknown; None if the author is known.
        channel: the reply's.
        received_at: when it came; aware. An answer before the subject opens, or after it closes, does not count.
    """
    meaning = None
    if subject is not None and author_doubt is None and read.answer in subject.meanings:
        not_counted = subject.why_not_counted(received_at)
        if not_counted is not None:
            return ReplyDecision(None, not_counted)
        meaning = read.answer
    return ReplyDecision(meaning, why_open(read, subject, author_doubt, channel))


def answer_of_reply(
    read: Classification,
    meaning: str,
    message: AnsweredMessage,
    *,
    person_id: int,
    channel: AnswerChannel,
    at: datetime,
) -> Answer:
    """Return the answer that was read in a reply, to be recorded by the subject of the message that it answers.

    Args:
        read: its classification.
        meaning: what it answers, as `decide_reply` decided.
        message: the message that it answers.
        person_id: its author.
        channel: the reply's.
        at: when it came; aware.
    """
    return Answer(
        person_id, meaning, channel, "member", confidence_of(read), message.message_id, at, message.campaign_id,
        read.comment,
    )  # fmt: skip
