"""Classification of a text together with the message it answers; it is made once, stored, and passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from campaigns.replies.answered_messages import AnsweredMessage, asked_about
from campaigns.replies.asking_words import possible_texts
from campaigns.replies.classification import GENERAL, Classification, classify_reply, restrict
from campaigns.replies.classification.named_answers import read_named_answer


def classify_text(text: str, message: AnsweredMessage | None) -> Classification:
    """Classify a text.

    Args:
        text: as stored.
        message: the message it answers; None if there is none.
    """
    subject = asked_about(message)
    if message is None or subject is None:
        return about_nothing(classify_reply(text), message)
    if subject.reads_answers:
        menu = message.menu
        sent = (*message.sent_words(), *possible_texts(text, subject, message))
        return read_named_answer(text, sent, lambda own: subject.reads(own, menu))
    possible = GENERAL | subject.meanings
    return restrict(classify_reply(text, message.menu, message.sent_words(), possible), possible)


def about_nothing(read: Classification, message: AnsweredMessage | None) -> Classification:
    """Return the classification of a reply that answers no campaign's message: nothing in it counts as an answer.

    Args:
        read: its classification by rules that know all readings.
        message: the transactional message that it answers; None if it answers no known message.
    """
    return restrict(read, GENERAL) if message is not None and message.transactional else read


def to_json(read: Classification) -> dict[str, Any]:
    """Return a classification in the form kept in the inbound log."""
    return asdict(read)


def from_json(kept: Mapping[str, Any] | None) -> Classification | None:
    """Return the classification that `to_json` made, also by another version; None if there is none."""
    if kept is None:
        return None
    known = {field.name for field in fields(Classification)}
    return Classification(**{name: value for name, value in kept.items() if name in known})
