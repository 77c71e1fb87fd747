"""Answers that people expect to count, computed from the sandbox's record of what each person did in turn.

This follows what docs/questions.md promises, and none of Muster's code. The last answer counts, and words beside an
answer are kept. An undo takes an answer back with its words, also where it was given several times in a row, and brings
back the one before; another takes back only the words. A bare digit that either of two questions could mean is asked
back, and so is an unclear reply, once; its words are kept beside the answer that comes then.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sandbox.demo.reconcile import People
from sandbox.record import Act
from services.questions.questions import Question

_BARE: Final = re.compile(r"\W*(\d)(?![^\W_])")
"""A digit without a letter behind it, at the beginning of a reply."""
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_PRESSED: Final = "answer_"


@dataclass(frozen=True, slots=True)
class _Given:
    """Reply to a question, as it was meant: an answer, words, or both."""

    message: str
    by_link: bool
    answer: str | None
    comment: str


@dataclass(frozen=True, slots=True)
class _Unclear:
    """Words of a reply that was asked back, until its answer comes.

    Attributes:
        question_id: the question; None if it could be about either of two.
        words: what it said beside its digit, or all of it.
    """

    question_id: int | None
    words: str


@dataclass(slots=True)
class ExpectedAnswers:
    """Answers as they should count, by what people said.

    Args:
        questions: those that were asked.
        people: who got what.

    Attributes:
        low: people whose answer staff should look into, with the question.
        asked_back: people who should have been asked back, with the question.
    """

    questions: Sequence[Question]
    people: People
    low: set[tuple[int, int]] = field(default_factory=set)
    asked_back: Counter[tuple[int, int]] = field(default_factory=Counter)
    _given: defaultdict[tuple[int, int], list[_Given]] = field(default_factory=lambda: defaultdict(list))
    _unclear: defaultdict[int, list[_Unclear]] = field(default_factory=lambda: defaultdict(list))
    _texted: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def follow(self, acts: Iterable[Act]) -> None:
        """Follow what people did, in order."""
        for act in acts:
            if act.channel == "sms":
                self._note_text(act)
            if act.succeeded and act.route == "link":
                self._by_link(act)
            elif act.succeeded and act.did == "replied" and not self.people.is_shared(act.address):
                self._by_text(act)

    def answers(self, question: Question) -> dict[int, str]:
        """Return the answer of everybody who has one, by person."""
        return {
            person: answer
            for (question_id, person), given in self._given.items()
            if question_id == question.question_id and (answer := _present(given)) is not None
        }

    def comments(self, question: Question) -> Counter[tuple[int, str]]:
        """Return the words that are kept, with who said them."""
        return Counter(
            (person, answer.comment)
            for (question_id, person), given in self._given.items()
            if question_id == question.question_id
            for answer in given
            if answer.comment
        )

    def _note_text(self, act: Act) -> None:
        """Record which questions a phone was asked, the latest last."""
        subject = self.people.by_text[act.message].subject_id
        texted = self._texted[act.address]
        if subject is not None and texted[-1:] != [subject]:
            texted.append(subject)

    def _by_link(self, act: Act) -> None:
        recipient = self.people.by_token(act.token)
        assert recipient.subject_id is not None
        key = recipient.subject_id, recipient.person_id
        given = self._given[key]
        if act.did == "answered" and act.answer.startswith(_PRESSED):
            self._give(key, _Given(act.message, True, act.answer.removeprefix(_PRESSED), ""))
        elif act.did == "commented":
            given.append(_Given(act.message, True, None, act.comment))
        elif act.did == "undone_comment" and given and given[-1].answer is None:
            given.pop()
        elif act.did == "undone":
            last = max((n for n, reply in enumerate(given) if reply.answer is not None), default=None)
            if last is not None and given[last].by_link and given[last].message == act.message:
                del given[_first_of_the_same(given, last) :]  # with the words since

    def _by_text(self, act: Act) -> None:
        person = self.people.by_text[act.message].person_id
        open_to_them = [self._question(number) for number in dict.fromkeys(reversed(self._texted[act.address]))]
        bare = _BARE.match(act.text)
        if bare is not None:
            fitting = [(question, question.digits[bare[1]]) for question in open_to_them if bare[1] in question.digits]
        else:
            fitting = [(question, act.answer) for question in open_to_them if question.option(act.answer) is not None]
        unanswered = [(question, answer) for question, answer in fitting if not self._has_answered(question, person)]
        if len(unanswered) > 1:
            self._ask_back(unanswered[0][0], person, _Unclear(None, act.comment))
        elif fitting:
            question, answer = (unanswered or fitting)[0]
            self._give((question.question_id, person), _Given(act.message, False, answer, act.comment))
        elif act.answer == "unclear" or any(question.option(act.answer) is not None for question in self.questions):
            latest = open_to_them[0]
            if not self._has_answered(latest, person):
                words = act.text if _WORD.search(act.text) else ""
                self._ask_back(latest, person, _Unclear(latest.question_id, words))

    def _give(self, key: tuple[int, int], given: _Given) -> None:
        question = self._question(key[0])
        unclear = self._unclear[key[1]]
        before = [reply for reply in unclear if reply.question_id in {None, question.question_id}][-1:]
        for reply in before:
            unclear.remove(reply)
        words = " / ".join(filter(None, (*(reply.words for reply in before), given.comment)))
        self._given[key].append(replace(given, comment=words))
        answer = None if given.answer is None else question.option(given.answer)
        if answer is not None and answer.low:
            self.low.add(key)

    def _ask_back(self, question: Question, person: int, unclear: _Unclear) -> None:
        key = question.question_id, person
        if not self.asked_back[key]:
            self._unclear[person].append(unclear)
        self.asked_back[key] = 1  # once, however often they are unclear

    def _has_answered(self, question: Question, person: int) -> bool:
        return _present(self._given.get((question.question_id, person), [])) is not None

    def _question(self, question_id: int) -> Question:
        return next(question for question in self.questions if question.question_id == question_id)


def _present(given: Sequence[_Given]) -> str | None:
    """Return the last answer of all that was said."""
    return next((answer.answer for answer in reversed(given) if answer.answer is not None), None)


def _first_of_the_same(given: Sequence[_Given], last: int) -> int:
    """Return the place of the first of equal answers in a row, of which the last is at a place."""
    first = last
    for place in range(last - 1, -1, -1):
        if given[place].answer is not None:
            if given[place].answer != given[last].answer:
                break
            first = place
    return first
