"""Replies to a question with named answers: an opt-out wins beside any answer, and one with limits is for a person."""

from __future__ import annotations

import pytest

from campaigns.replies.classification.named_answers import CANCEL, read_named_answer
from campaigns.replies.open_reasons import why_open
from campaigns.subjects.answer import NamedAnswer
from services.questions.answer_reading import read_answer
from services.questions.questions import options_of
from tests.support.questions import question_spec

ANSWERS = options_of(question_spec())
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


@pytest.mark.parametrize("text", ["CANCEL", "Cancel!", "canslo", "cancel\nThanks\nDave"])
def test_cancel_alone_stops_messages_and_is_for_a_person(text: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.rule, why_open(read, None, None, "sms")) == ("opt_out", CANCEL, CANCEL)


@pytest.mark.parametrize("text", ["STOP", "END", "quit", "diwedd", "stop please", "cancel all texts", "unsubscribe me"])
def test_any_other_word_that_networks_act_on_is_obeyed_and_done(text: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, why_open(read, None, None, "sms")) == ("opt_out", None)


@pytest.mark.parametrize("text", [
    "please cancel", "cancel please", "cancel it", "end please", "quit please", "plis canslo", "cancel my appointment",
    "1 cancel", "1 please cancel it", "dwi angen canslo", "they cancelled it",
])  # fmt: skip
def test_a_word_to_cancel_beside_any_other_stops_nothing_and_is_for_a_person(text: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.rule, why_open(read, None, None, "sms")) == ("unclear", CANCEL, CANCEL)


def test_a_question_may_offer_words_to_cancel() -> None:
    offered = [
        {"name": "keep", "label": "Keep it", "digit": 1},
        {"name": "drop", "label": "Cancel my visit", "digit": 2},
    ]
    answers = options_of(question_spec(answers=offered, translations={}))
    read = read_named_answer("cancel my visit", (), lambda text: read_answer(text, answers, {}, ""))
    assert read.reading == "drop"


@pytest.mark.parametrize(
    "text", ["2 please call me", "2 call me", "2, call us back", "2 ring me please", "2 ffoniwch fi"]
)
def test_a_wish_for_a_call_is_no_number_of_calls(text: str) -> None:
    assert reading(text) == (MENU["2"], "call_me")


@pytest.mark.parametrize("text", ["2 calls and no answer", "1 call"])
def test_a_number_of_calls_is_no_answer(text: str) -> None:
    assert reading(text)[0] == "unclear"
