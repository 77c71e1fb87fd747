"""The demo's residents: Muster reads their words as they mean them, and what they expect follows from the record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from campaigns.replies.classification.named_answers import read_named_answer
from core.keyring import Keyring
from sandbox.demo.expected_answers import ExpectedAnswers
from sandbox.demo.question import APPOINTMENTS, VISIT
from sandbox.demo.reconcile import Addressee, People
from sandbox.demo.residents import RESIDENTS, residents
from sandbox.profile import Profile
from sandbox.record import Act
from services.questions.answer_reading import read_answer
from services.questions.questions import Question, QuestionWords, options_of
from services.questions.spec import load_question_spec

TEXT = "Hello, Leeds Council here. Reply 1{0} good, 2{0} fair, 3{0} poor, or tell us more: https://muster.test/x"
REMINDER = "Leeds Council: your appointment is soon. Reply 1{0} if you will come, 2{0} to change it."
WHICH = "About your visit: 1A Good, 2A Fair, 3A Poor. About your appointment: 1B I will come, 2B I need to change it."


def question(file: Path, number: int, letter: str) -> Question:
    spec = load_question_spec(file)
    words = {"en": QuestionWords(spec.title, spec.asks, "")}
    closes = datetime(2026, 12, 7, tzinfo=UTC)
    return Question(number, spec.name, "", words, options_of(spec), None, closes, "", letter, number)


QUESTIONS = [question(VISIT, 1, "A"), question(APPOINTMENTS, 2, "B")]


def wishes() -> Iterator[tuple[str, str]]:
    profile = residents(1, at_once=1, speed=1)
    for habits in (profile.sms, *profile.about.values()):
        for habit in habits:
            if habit.startswith("reply:"):
                yield from ((wish.partition("+")[0], wish) for wish in habit.removeprefix("reply:").split(">"))


@pytest.mark.parametrize("letter", ["", "A", "B"])
@pytest.mark.parametrize(("meaning", "wish"), sorted(set(wishes())))
def test_every_reply_is_read_as_it_is_meant(meaning: str, wish: str, letter: str) -> None:
    asked = next((question for question in QUESTIONS if question.option(meaning) is not None), QUESTIONS[0])
    text = (TEXT if asked is QUESTIONS[0] else REMINDER).format(asked.letter if letter else "")
    for number in range(40):
        reply = RESIDENTS.reply(wish, text, Profile().rng(f"r{number}", 1))
        read = read_named_answer(
            reply.text, [text], lambda own: read_answer(own, asked.options, asked.digits, asked.letter)
        )
        assert (read.reading, read.comment) == (meaning, reply.comment), reply.text


def test_a_text_that_asks_which_is_answered_with_the_letter() -> None:
    drawn = {RESIDENTS.reply("will_attend", WHICH, Profile().rng(f"r{n}", 1)).text for n in range(200)}
    assert {"1B", "1B.", " 1b ", "1"} < drawn
    assert not {"1A", "1A."} & drawn


KEYRING = Keyring([SecretStr("a secret for tests only")])
LINK, OTHER_LINK = "a" * 13, KEYRING.email_token(2, "confirm")


def expected(*acts: dict[str, Any]) -> ExpectedAnswers:
    people = People(
        KEYRING,
        by_link={KEYRING.read_link(LINK): Addressee(7, 1), KEYRING.read_link(OTHER_LINK): Addressee(7, 2)},
        by_text={"visit": Addressee(7, 1), "reminder": Addressee(7, 2), "asked": Addressee(7, None)},
        by_address={("sms", "+44"): {7}},
    )
    found = ExpectedAnswers(QUESTIONS, people)
    found.follow(Act(**({"address": "+44", "channel": "sms", "token": LINK} | act)) for act in acts)
    return found


def pressed(answer: str) -> dict[str, Any]:
    return {"message": "visit", "did": "answered", "route": "link", "answer": f"answer_{answer}"}


def texted(message: str, answer: str, text: str, comment: str = "") -> dict[str, Any]:
    return {
        "message": message, "did": "replied", "route": "sms_reply", "answer": answer, "text": text, "comment": comment,
    }  # fmt: skip


UNDONE = {"message": "visit", "did": "undone", "route": "link"}
IGNORED = {"message": "visit", "did": "ignored"}


def test_the_last_answer_counts_and_an_undo_brings_back_the_one_before() -> None:
    found = expected(pressed("poor"), pressed("good"))
    assert found.answers(QUESTIONS[0]) == {7: "good"}
    assert found.low == {(1, 7)}
    assert expected(pressed("poor"), pressed("good"), UNDONE).answers(QUESTIONS[0]) == {7: "poor"}
    assert expected(pressed("good"), UNDONE).answers(QUESTIONS[0]) == {}
    assert expected(pressed("good") | {"succeeded": False}).answers(QUESTIONS[0]) == {}


def test_a_bare_digit_that_either_could_mean_is_asked_back() -> None:
    found = expected(IGNORED, texted("reminder", "will_attend", "1"))
    assert found.answers(QUESTIONS[1]) == {}
    assert found.asked_back == {(2, 7): 1}
    assert expected(IGNORED, texted("reminder", "will_attend", "1B")).answers(QUESTIONS[1]) == {7: "will_attend"}
    assert expected(pressed("good"), texted("reminder", "will_attend", "1")).answers(QUESTIONS[1]) == {7: "will_attend"}
    assert expected(IGNORED, texted("reminder", "x", "3 dirty", "dirty")).answers(QUESTIONS[0]) == {7: "poor"}


def test_an_unclear_reply_is_asked_back_unless_they_have_answered() -> None:
    assert expected(texted("visit", "unclear", "hmm")).asked_back == {(1, 7): 1}
    assert expected(texted("visit", "unclear", "hmm"), texted("asked", "unclear", "hm")).asked_back == {(1, 7): 1}
    assert expected(pressed("good"), texted("visit", "unclear", "hmm")).asked_back == {}
    assert expected(texted("visit", "call_me", "ring me")).asked_back == {}


def test_the_words_of_a_reply_that_was_asked_back_are_kept_beside_the_answer() -> None:
    found = expected(
        IGNORED,
        texted("reminder", "x", "1 with my dog", "with my dog"),
        texted("asked", "will_attend", "1B late", "late"),
    )
    assert found.comments(QUESTIONS[1]) == {(7, "with my dog / late"): 1}
    found = expected(texted("visit", "unclear", "who is this"), pressed("good"), pressed("fair"))
    assert found.comments(QUESTIONS[0]) == {(7, "who is this"): 1}


def test_an_undo_takes_back_the_same_answer_given_twice() -> None:
    twice = (pressed("poor"), texted("visit", "good", "1A"), pressed("good"))
    assert expected(*twice, UNDONE).answers(QUESTIONS[0]) == {7: "poor"}
