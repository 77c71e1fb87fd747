"""Answers in people's own words: what counts, and what is kept of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.questions.answer_reading import ReadAnswer, find_choice, read_answer
from services.questions.questions import answers_of
from tests.support.questions import question_spec

SCALE = answers_of(
    question_spec(
        answers=[
            {"name": "very_good", "label": "Very good", "digit": 5},
            {"name": "good", "label": "Good", "digit": 4},
            {"name": "fair", "label": "Fair", "digit": 3, "words": ["ok"]},
            {"name": "poor", "label": "Poor", "digit": 2},
            {"name": "very_poor", "label": "Very poor", "digit": 1, "low": True},
        ],
        translations={},
    )
)
VISIT = answers_of(question_spec())


def read(text: str, answers: object = SCALE, letters: str = "B") -> ReadAnswer | None:
    assert isinstance(answers, tuple)
    return read_answer(text, answers, {one.digit: one.name for one in answers}, letters)


@pytest.mark.parametrize(
    ("text", "answer", "comment"),
    [
        ("4", "good", ""),
        (" 4. ", "good", ""),
        ("4️⃣", "good", ""),
        ("\uff14", "good", ""),
        ("Option 4", "good", ""),
        ("Number 4 please", "good", ""),
        ("four", "good", ""),
        ("Four, thanks", "good", ""),
        ("pedwar", "good", ""),
        ("4 nice staff", "good", "nice staff"),
        ("1 - waited two hours", "very_poor", "waited two hours"),
        ("1: Waited 2 hours, and the roof leaks.", "very_poor", "Waited 2 hours, and the roof leaks."),
        ("4 good", "good", ""),
        ("4 (good)", "good", ""),
        ("4=good thanks", "good", ""),
        ("4 good staff but a long wait", "good", "good staff but a long wait"),
        ("4 thank you", "good", ""),
        ("4 can somebody ring me?", "good", "can somebody ring me?"),
        ("4 4", "good", "4"),
        ("2B", "poor", ""),
        ("2b nice staff", "poor", "nice staff"),
        ("2 B", "poor", ""),
        ("B2", "poor", ""),
        ("2 a bit slow", "poor", "a bit slow"),
    ],
)  # fmt: skip
def test_a_digit_counts_and_the_rest_is_kept(text: str, answer: str, comment: str) -> None:
    assert read(text) == ReadAnswer(answer, "digit", comment)


@pytest.mark.parametrize(
    ("text", "answer", "comment"),
    [
        ("good", "good", ""),
        ("Good!", "good", ""),
        ("GOOD thanks", "good", ""),
        ("Very good thanks", "very_good", ""),
        ("It was very good thank you so much", "very_good", ""),
        ("really good", "good", ""),
        ("very  poor.", "very_poor", ""),
        ("Poor - nobody rang back", "poor", "nobody rang back"),
        ("Fair, I suppose", "fair", "I suppose"),
        ("ok but the wait was long", "fair", "but the wait was long"),
        ("Good \U0001f600", "good", ""),
    ],
)
def test_words_count_where_they_stand_at_the_beginning(text: str, answer: str, comment: str) -> None:
    assert read(text) == ReadAnswer(answer, "words", comment)


def test_words_of_every_language_count() -> None:
    assert read("Da iawn, diolch", VISIT) == ReadAnswer("good", "words", "")
    assert read("gwael", VISIT) == ReadAnswer("poor", "words", "")
    assert read("Very good thanks", VISIT) == ReadAnswer("good", "words", "")
    assert read("very fair", VISIT) == ReadAnswer("fair", "words", "")


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "what is this?", "9", "0", "44", "10 minutes late", "2 weeks ago", "3 times", "2nd time",
        "3rd class", "2.30", "1/2", "3:15", "5pm", "5 pm", "2 hours", "2 awr", "1 or 2", "1 and 2", "1 2",
        "1, 2", "3-4", "5 then 4", "2 good", "2 very good", "4 poor service", "4?", "good?", "not good",
        "good or poor", "good, poor", "good but poor parking", "Good grief what a wait", "good luck",
        "poor communication", "fairly", "2A", "A2", "2 A", "2AB", "very", "was it", "wasn't good", "half good",
        "No 1 spoke to me", "1 of the staff was rude", "2 out of 5",
    ],
)  # fmt: skip
def test_a_doubtful_answer_is_unclear(text: str) -> None:
    assert read(text) is None


def test_a_digit_that_the_message_did_not_offer_is_unclear() -> None:
    assert read_answer("3", VISIT, {"1": "good", "2": "poor"}) is None
    assert read_answer("2", VISIT, {"1": "good", "2": "poor"}) == ReadAnswer("poor", "digit", "")
    assert read_answer("2", VISIT, {}) is None


def test_a_letter_is_found_with_the_digit() -> None:
    found = find_choice("1c the door was locked")
    assert found is not None
    assert (found.digit, found.letter, found.rest) == ("1", "C", " the door was locked")
    assert find_choice("the door was locked 1c") is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_unclear_and_loses_no_word(text: str) -> None:
    for form in (text, f"4 {text}", f"good {text}", f"Good, {text}"):
        found = read(form)
        if found is not None:
            assert found.answer in {one.name for one in SCALE}
            assert found.comment == found.comment.strip()
