"""Replies to a question with named answers: an opt-out wins beside any answer, and one with limits is for a person."""

from __future__ import annotations

import pytest

from campaigns.replies.classification.named_answers import read_named_answer
from campaigns.subjects.answer import NamedAnswer
from services.questions.answer_reading import read_answer
from services.questions.questions import answers_of
from tests.support.questions import question_spec

ANSWERS = answers_of(question_spec())
MENU = {answer.digit: answer.name for answer in ANSWERS if answer.digit is not None}


def reads(text: str) -> NamedAnswer | None:
    return read_answer(text, ANSWERS, MENU, "A")


def reading(text: str) -> tuple[str, str | None]:
    read = read_named_answer(text, (), reads)
    return read.reading, read.also


@pytest.mark.parametrize("text", ["STOP", "stop texting me", "no more texts please", "Peidiwch â thecstio fi"])
def test_an_opt_out_is_one_whatever_was_asked(text: str) -> None:
    assert reading(text) == ("opt_out", None)
    assert reading(f"1 {text}") == ("opt_out", MENU["1"])


@pytest.mark.parametrize("text", [
    "stop texting me at weekends", "no more texts before 9", "don't text me, email me", "stop texting me, at night",
])  # fmt: skip
def test_an_opt_out_with_limits_is_for_a_person(text: str) -> None:
    assert reading(text) == ("unclear", None)
