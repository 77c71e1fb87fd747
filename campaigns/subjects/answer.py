"""Answers about a subject: an answer to record, an answer that was read in a reply, and the totals of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

AnswerChannel = Literal["link", "sms", "email"]
"""Channel of an answer: a button on the page of a link, or a reply by text or email."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer about a subject, to be recorded.

    Attributes:
        person_id: whose it is.
        meaning: one of the subject's `meanings`; "" for a comment alone.
        channel: how it came.
        recorder: who wrote it down: `member`, or a member of staff.
        confidence: how sure it is, above 0 and up to 1.
        message_id: the message it answers.
        at: when it was given; aware.
        campaign_id: the campaign of that message.
        comment: what the person said beside it; "" for nothing.
    """

    person_id: int
    meaning: str
    channel: AnswerChannel
    recorder: str
    confidence: float
    message_id: int
    at: datetime
    campaign_id: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class RetractableAnswer:
    """Answer of a person that they may take back on a page, with the comments that go with it.

    Attributes:
        answer_id: its id.
        at: when it was given; aware.
        comment_ids: the comments left beside it since, oldest first; they are taken back with it.
        repeated_ids: the same answer given right before it; nobody who takes it back means that this one counts again.
    """

    answer_id: int
    at: datetime
    comment_ids: tuple[int, ...] = ()
    repeated_ids: tuple[int, ...] = ()

    @property
    def all_ids(self) -> tuple[int, ...]:
        """Return the ids of everything that is taken back with it, and its own, oldest first."""
        return tuple(sorted((*self.repeated_ids, self.answer_id, *self.comment_ids)))


class NamedAnswer(Protocol):
    """Answer that a subject has read in a reply."""

    @property
    def answer(self) -> str:
        """Return its name, one of the subject's `meanings`."""

    @property
    def by(self) -> Literal["digit", "words"]:
        """Return what decided: `digit` or `words`."""

    @property
    def comment(self) -> str:
        """Return the rest of the reply; "" for none."""


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Table of answers by unit.

    Attributes:
        answers: the label of each answer.
        everybody: how many people gave each.
        shares: how many of all people gave each, in whole per cent, `41%`; "" while nobody has answered.
        units: how many gave each answer in each unit that has any, by its path; "" for people without a unit.
    """

    answers: tuple[str, ...]
    everybody: tuple[int, ...]
    shares: tuple[str, ...]
    units: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class SubjectStatus:
    """Status of a subject.

    Attributes:
        figures: what `muster campaign status --json` says beside the steps.
        sentence: the figures in words; "" if there is nothing to say.
        answers: the answers by unit; None if they are not shown beside the campaign.
    """

    figures: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""
    answers: AnswerTable | None = None
