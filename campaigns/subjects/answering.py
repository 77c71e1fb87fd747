"""Answering about a subject: the meaning of replies and buttons, when they count, and how they are recorded.

The methods here fit a subject about which nothing is asked; other kinds override them.
"""

# ruff: noqa: ARG002  # what one kind need not know, another does

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar, Final, Literal

from campaigns.subjects.answer import Answer, AnswerChannel, NamedAnswer, RetractableAnswer
from campaigns.subjects.facts import SubjectFacts
from core.answer_phase import AnswerPhase, phase_of
from core.db import Connection

NotCounted = Literal["early", "late"]
"""Reason why an answer does not count: it came before the subject opened, or after it closed."""
_NOT_COUNTED: Final[Mapping[AnswerPhase, NotCounted | None]] = MappingProxyType(
    {"before": "early", "open": None, "closed": "late"}
)


class Answering(SubjectFacts):
    """Answering side of a subject."""

    __slots__ = ()

    common_presses: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Buttons of every page about its kind that are answers, and what each means."""
    needs_staff: ClassVar[frozenset[str]] = frozenset()
    """Meanings, of these, that wait for a member of staff."""

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
        """Read an answer in a person's own words; None if it is unclear. Only called if it `reads_answers`.

        Args:
            text: their own words.
            menu: the digits that the message offered, and the meaning of each.
        """
        return None

    def is_named(self, text: str) -> bool:
        """Tell whether a reply names it by its letter behind the digit, as "1B" does."""
        return False

    @property
    def digits(self) -> Mapping[str, str]:
        """Return the digits that it gives to its answers, each with the answer; none unless it `reads_answers`."""
        return {}

    def phrases(self) -> Mapping[str, str]:
        """Return the phrases that it reads as answers, and the answer of each; none unless it `reads_answers`."""
        return {}

    def menu_words(self, language: str, menu: Mapping[str, str], letter: str) -> str | None:
        """Return how to answer, "1A Good, 2A Fair"; None if a few words cannot say it.

        Args:
            language: the language.
            menu: the digits that a message offered, and the meaning of each; none for no digits.
            letter: the letter behind them.
        """
        return None

    def why_open(self, meaning: str | None) -> str | None:
        """Return why staff have to act on an answer; None if nobody has to."""
        return meaning if meaning in self.needs_staff else None

    def phase(self, at: datetime) -> AnswerPhase:
        """Tell whether it is still to open, open, or closed at a moment."""
        return phase_of(self.opens_at, self.closes_at, at)

    def why_not_counted(self, at: datetime) -> NotCounted | None:
        """Return why an answer given at a moment does not count; None if it does."""
        return _NOT_COUNTED[self.phase(at)]

    def answers_until(self, state: str, now: datetime) -> datetime | None:
        """Return until when answers count after the campaign has finished; None if none count."""
        takes_answers = self.reads_answers and self.why_not_counted(now) is None
        return self.closes_at if state == "finished" and takes_answers else None

    async def record(self, db: Connection, answer: Answer) -> int:
        """Record an answer; if it meets the goal, withdraw the messages queued for its person.

        Args:
            db: in the caller's transaction.
            answer: the answer.

        Returns:
            Its id, for `retract`.

        Raises:
            NotImplementedError: nothing is asked, so no reply is read as an answer.
        """
        raise NotImplementedError(f"{self.label} takes no {answer.meaning}")

    @classmethod
    async def retract(cls, db: Connection, answer_id: int, *, recorder: str, channel: AnswerChannel) -> None:
        """Take an answer back: the answer before it counts again.

        Raises:
            NotFound: there is no such answer.
            NotImplementedError: nothing is asked, so there are no answers.
        """
        raise NotImplementedError(f"nobody answers a {cls.kind}")

    async def retractable_answer(self, db: Connection, message_id: int, person_id: int) -> RetractableAnswer | None:
        """Return the answer that a person may take back on the page of a message's link; None for none."""
        return None

    @classmethod
    def unknown_remedy(cls, reply_id: int) -> str:
        """Return the remedy for an answer that belongs to no message of ours."""
        return f"Close the reply when you have dealt with it: muster replies close {reply_id}"

    @classmethod
    def history_line(cls, name: str) -> str:
        """Return the beginning of a line of a person's history: "In the ballot pay-2026 they are"."""
        return f"About the {cls.kind} {name} they are"
