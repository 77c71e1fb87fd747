"""Replies to a question with named answers: an opt-out wins beside any answer, and one with limits is for a person."""

from __future__ import annotations

import pytest

from campaigns.replies.classification import OwnMail
from campaigns.replies.classification.answer_corrections import may_take_back, says_something_else
from campaigns.replies.classification.named_answers import (
    CANCEL,
    CONTRADICTION,
    WHICH,
    WHICH_ANSWER,
    as_unclear,
    letter_taken_back,
    read_named_answer,
    read_named_mail,
    read_words,
)
from campaigns.replies.classification.rules import load_rules
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


@pytest.mark.parametrize(("text", "language"), [("CANCEL", "en"), ("canslo", "cy"), ("END", "en"), ("diwedd", "cy")])
def test_cancel_alone_says_nothing_else_in_its_language(text: str, language: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.alone, read.language, read.also, read.version) == (True, language, None, load_rules().version)


@pytest.mark.parametrize("text", ["I have voted", "posted it", "not voted yet", "no ballot paper"])
def test_what_answers_a_ballot_answers_no_question(text: str) -> None:
    assert reading(text) == ("unclear", None)


@pytest.mark.parametrize(
    "text", ["2 please call me", "2 call me", "2, call us back", "2 ring me please", "2 ffoniwch fi"]
)
def test_a_wish_for_a_call_is_no_number_of_calls(text: str) -> None:
    assert reading(text) == (MENU["2"], "call_me")


@pytest.mark.parametrize("text", ["2 calls and no answer", "1 call"])
def test_a_number_of_calls_is_no_answer(text: str) -> None:
    assert reading(text)[0] == "unclear"


@pytest.mark.parametrize(("text", "answer", "rule", "comment"), [
    ("1", "good", "digit", ""), ("good", "good", "words", ""),
    ("1 nice staff", "good", "digit_and_comment", "nice staff"),
    ("sorry, I meant 1", "good", "digit", ""), ("No, I meant fair", "fair", "words", ""),
    ("Sorry, I meant 3 rude staff", "poor", "digit_and_comment", "rude staff"),
    ("it's 2, I don't know why", "unclear", "none", ""),
])  # fmt: skip
def test_an_answer_is_kept_with_the_words_beside_it(text: str, answer: str, rule: str, comment: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.also, read.rule, read.comment) == (answer, None, rule, comment)
    assert read.version == load_rules().version


@pytest.mark.parametrize(("text", "also", "alone", "language"), [
    ("good stop", "good", False, "en"), ("stop good", "good", False, "en"), ("poor stopiwch", "poor", False, "cy"),
    ("1 STOP", "good", False, "en"), ("fair, S.T.O.P", "fair", False, "en"), ("good please stop", "good", False, "en"),
    ("STOP thanks Dave", None, True, "en"), ("stop, I have moved house", None, False, "en"),
    ("plis stopiwch", None, True, "cy"),
])  # fmt: skip
def test_an_opt_out_beside_an_answer_counts_and_so_does_the_answer(
    text: str, also: str | None, alone: bool, language: str
) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.also, read.alone, read.language) == ("opt_out", also, alone, language)
    assert read.version == load_rules().version


@pytest.mark.parametrize("text", [
    "good at night stop", "Good. Dave Stop", "good and stop texting me at night", "halt good",
])  # fmt: skip
def test_a_word_of_opting_out_beside_an_answer_is_for_a_person_where_it_may_not_be_meant(text: str) -> None:
    assert reading(text) == ("unclear", None)


@pytest.mark.parametrize(("text", "expected", "alone", "language"), [
    ("wrong number", "wrong_number", True, "en"), ("ffoniwch fi", "call_me", True, "cy"),
    ("wrong number, this is a shop in Leeds", "wrong_number", False, "en"),
])  # fmt: skip
def test_what_means_the_same_everywhere_is_read_beside_no_answer(
    text: str, expected: str, alone: bool, language: str
) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.alone, read.language, read.version) == (expected, alone, language, load_rules().version)


@pytest.mark.parametrize("text", ["1 wrong number", "good, wrong number"])
def test_an_answer_that_its_own_words_contradict_is_for_a_person(text: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.rule, read.version) == ("unclear", CONTRADICTION, load_rules().version)


@pytest.mark.parametrize("text", ["1 nice staff stop", "1 stop it hurts", "1 staff told me to halt", "1 enough"])
def test_a_comment_that_may_ask_to_opt_out_is_for_a_person(text: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.rule, read.version) == ("unclear", "maybe_opt_out", load_rules().version)


@pytest.mark.parametrize(("text", "letter"), [
    ("undo", ""), ("I take that back", ""), ("undo B", "B"), ("undo b", "B"), ("Undo 1b", "B"), ("please undo a", "A"),
])  # fmt: skip
def test_an_answer_is_taken_back_by_words_that_say_nothing_else(text: str, letter: str) -> None:
    read = read_named_answer(text, (), reads)
    assert (read.reading, read.rule, read.alone) == ("take_back", "take_back", True)
    assert letter_taken_back(text) == letter
    assert as_unclear(read).rule == WHICH_ANSWER


@pytest.mark.parametrize("text", ["undo the damage", "undo B and C", "undone", "B", "hello"])
def test_other_words_take_no_answer_back(text: str) -> None:
    assert reading(text)[0] != "take_back"
    assert letter_taken_back(text) == ""


def test_a_text_for_several_messages_is_an_opt_out_or_nothing() -> None:
    opted_out = as_unclear(read_named_answer("STOP 1", (), reads))
    assert (opted_out.reading, opted_out.also) == ("opt_out", None)
    other = as_unclear(read_named_answer("1", (), reads))
    assert (other.reading, other.rule, other.version) == ("unclear", WHICH, load_rules().version)


@pytest.mark.parametrize(("words", "subject", "expected"), [
    ("1", "", ("good", None, False)), ("1", "STOP", ("opt_out", "good", False)),
    ("hm", "STOP", ("opt_out", None, False)),
    ("call me", "STOP", ("opt_out", None, False)), ("STOP", "good", ("opt_out", None, True)),
    ("STOP 1", "STOP", ("opt_out", "good", False)),
    ("1 nice", "please stop", ("opt_out", "good", False)), ("", "good", ("good", None, False)),
    ("  ", "good", ("good", None, False)), ("hm", "good", ("unclear", None, False)),
    ("1", "poor", ("good", None, False)),
])  # fmt: skip
def test_a_subject_counts_where_the_words_say_nothing_or_where_it_opts_out(
    words: str, subject: str, expected: tuple[str, str | None, bool]
) -> None:
    read = read_named_mail(OwnMail(words, subject), reads)
    assert (read.reading, read.also, read.alone) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("please call me", "call_me"), ("nice staff", "unclear"), ("stop", "opt_out"), ("wrong number", "wrong_number"),
])  # fmt: skip
def test_words_beside_an_answer_mean_what_they_mean_everywhere(text: str, expected: str) -> None:
    assert read_words(text).reading == expected


OFFERED = ("good", "very good", "1")


@pytest.mark.parametrize("text", [
    "I'll be 10 minutes late", "what time?", "Where do I park please?", "is it good to bring somebody?", "10:30",
    "at 9.30", "3rd", "we are on our way",
    "running late, sorry all", "is it good now?",
])  # fmt: skip
def test_a_reply_about_something_else_is_no_attempt_at_an_answer(text: str) -> None:
    assert says_something_else(text, OFFERED)


@pytest.mark.parametrize("text", ["good?", "1?", "goodish", "not good at all", "very much so", "7", "fine thanks"])
def test_a_reply_that_may_be_an_answer_is_an_attempt(text: str) -> None:
    assert not says_something_else(text, OFFERED)


@pytest.mark.parametrize(("text", "maybe"), [
    ("I made a mistake", True), ("That was a mistake!", True), ("nice staff", False), ("1", False),
])  # fmt: skip
def test_words_that_may_take_an_answer_back_are_noticed(text: str, maybe: bool) -> None:
    assert may_take_back(text) is maybe
