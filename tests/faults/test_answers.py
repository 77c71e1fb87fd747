"""The reconciliation of answers finds what is lost, invented or doubled; whoever saw an error is left out of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from core.keyring import Keyring
from sandbox.demo.question import VISIT
from sandbox.demo.reconcile import Addressee, People
from sandbox.record import Act
from services.questions.questions import Question, QuestionWords, options_of
from services.questions.spec import load_question_spec
from tests.faults.answers import Heard, compare_answers
from tests.faults.reconciliation import Finding
from tests.faults.servers import SECRET

QUESTION = Question(
    1, "visit", "", {"en": QuestionWords("", "", "")}, options_of(load_question_spec(VISIT)), None,
    datetime(2026, 12, 7, tzinfo=UTC), "", "A", 1,
)  # fmt: skip
PEOPLE = People(
    Keyring([SecretStr(SECRET)]),
    by_link={},
    by_text={"one": Addressee(1, 1), "two": Addressee(2, 1)},
    by_address={("sms", "+1"): {1}, ("sms", "+2"): {2}},
)
HEARD = Heard({1: "good", 2: "fair"}, Counter({(1, "nice staff"): 1, (2, "hmm"): 1}), {2: 1}, 3)


def replied(phone: str, message: str, answer: str, text: str, comment: str = "", *, succeeded: bool = True) -> Act:
    return Act(
        phone, "sms", message, "", "replied", "sms_reply", answer, text, comment, succeeded=succeeded,
    )  # fmt: skip


ACTS = [
    replied("+1", "one", "good", "1 nice staff", "nice staff"),
    replied("+2", "two", "unclear", "hmm"),
    replied("+2", "two", "fair", "2"),
]


def broken(heard: Heard, acts: list[Act] | None = None) -> list[str]:
    finding = Finding("test")
    compare_answers(QUESTION, PEOPLE, ACTS if acts is None else acts, heard, finding)
    return finding.broken


def changed(**changes: Any) -> list[str]:
    return broken(replace(HEARD, **changes))


def test_nothing_is_reported_where_all_is_well() -> None:
    assert broken(HEARD) == []


def test_each_wrong_is_reported() -> None:
    assert changed(answers={1: "good"}) == ["1 answers were lost: [(2, 'fair')]"]
    assert changed(answers={1: "good", 2: "fair", 3: "good"}) == ["1 answers count that nobody gave: [(3, 'good')]"]
    assert changed(comments=Counter({(2, "hmm"): 1})) == ["1 comments were lost: [(1, 'nice staff')]"]
    assert changed(comments=Counter({(1, "nice staff"): 1})) == ["1 comments were lost: [(2, 'hmm')]"]
    assert changed(asked_back={2: 2}) == ["1 people were asked back more than once: [2]"]
    assert changed(replies=2) == ["2 texts were read; 3 were taken, of 3"]
    assert changed(replies=4) == ["4 texts were read; 3 were taken, of 3"]


def test_who_saw_an_error_may_have_been_heard_or_not() -> None:
    acts = [*ACTS[:2], replace(ACTS[2], succeeded=False)]
    assert broken(HEARD, acts) == []
    assert broken(replace(HEARD, answers={1: "good"}, replies=2), acts) == []
