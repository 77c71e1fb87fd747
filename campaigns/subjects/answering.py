"""Answering about a subject: what replies and buttons mean, when they count, and what they become.

What stands here is right for a subject about which nothing is asked; a kind overrides the rest.
"""

# ruff: noqa: ARG002  # what one kind need not know, another does

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar, Literal

from campaigns.subjects.answer import Answer, AnswerChannel, NamedAnswer, RetractableAnswer
from campaigns.subjects.facts import SubjectFacts
from core.db import Connection

NotCounted = Literal["early", "late"]
"""Reason why an answer does not count: it came before the subject opened, or after it closed."""


class Answering(SubjectFacts):
    """Answering side of a subject."""

    __slots__ = ()

    common_presses: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Buttons of every page about its kind that are answers, and what each means."""
    needs_staff: ClassVar[frozenset[str]] = frozenset()
    """Of these meanings, those that wait for a member of staff."""

    @property
    def meanings(self) -> frozenset[str]:
        """Return the meanings that digits, buttons and words may have, beside `classification.GENERAL`."""
        return self.common_meanings

    @property
    def presses(self) -> Mapping[str, str]:
        """Return the buttons of its page that are answers, and what each means."""
        return self.common_presses

    def offered_presses(self, now: datetime) -> Sequence[str]:
        """List the buttons that count as answers now."""
        return tuple(self.presses) if self.why_not_counted(now) is None else ()

    def reads(self, text: str, menu: Mapping[str, str]) -> NamedAnswer | None:
        """Read an answer in a person's own words; None if it is unclear. Only a subject that `reads_answers` does.

        Args:
            text: their own words.
            menu: the digits that the message offered, and the meaning of each.
        """
        return None

    @property
    def digits(self) -> Mapping[str, str]:
        """Digits that it gives to its answers itself, and the answer of each; none unless it `reads_answers`."""
        return {}

    def phrases(self) -> Mapping[str, str]:
        """Return the phrases that it reads as answers, and the answer of each; none unless it `reads_answers`."""
        return {}

    def menu_words(self, language: str, menu: Mapping[str, str], letter: str) -> str | None:
        """Return how to answer, "1A Good, 2A Fair"; None if that cannot be said in a few words.

        Args:
            language: the language.
            menu: the digits that a message offered, and the meaning of each; none for no digits.
            letter: what stands behind them.
        """
        return None

    def why_open(self, meaning: str | None) -> str | None:
        """Return why staff have to act on an answer; None if nobody has to."""
        return meaning if meaning in self.needs_staff else None

    def why_not_counted(self, at: datetime) -> NotCounted | None:
        """Return why an answer given at a moment does not count; None if it does."""
        if self.opens_at is not None and at < self.opens_at:
            return "early"
        return "late" if self.closes_at is not None and at >= self.closes_at else None

    def answers_until(self, state: str, now: datetime) -> datetime | None:
        """Return until when answers to a campaign in a state count, once it is finished; None if none do."""
        takes_answers = self.reads_answers and self.why_not_counted(now) is None
        return self.closes_at if state == "finished" and takes_answers else None

    async def record(self, db: Connection, answer: Answer) -> int:
        """Record an answer, and withdraw what is queued for its person where it meets the goal.

        Args:
            db: in the caller's transaction.
            answer: the answer.

        Returns:
            Its id, for `retract`.

        Raises:
            NotImplementedError: nothing is asked, so that nothing is read as an answer.
        """
        raise NotImplementedError(f"{self.label} takes no {answer.meaning}")

    @classmethod
    async def retract(cls, db: Connection, answer_id: int, *, recorder: str, channel: AnswerChannel) -> None:
        """Take an answer back: the answer before it counts again.

        Raises:
            NotFound: there is no such answer.
            NotImplementedError: nothing is asked, so that nothing was answered.
        """
        raise NotImplementedError(f"nobody answers a {cls.kind}")

    async def retractable_answer(self, db: Connection, message_id: int, person_id: int) -> RetractableAnswer | None:
        """Return the answer that a person may take back on the page of a message's link; None for none."""
        return None

    @classmethod
    def unknown_remedy(cls, reply_id: int) -> str:
        """Return what to do with an answer that answers no message of ours."""
        return f"Close the reply when you have dealt with it: muster replies close {reply_id}"

    @classmethod
    def history_line(cls, name: str) -> str:
        """Return the beginning of a line of a person's history: "In the ballot pay-2026 they are"."""
        return f"About the {cls.kind} {name} they are"
