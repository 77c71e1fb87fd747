"""Answers in people's own words: what counts, and what is kept of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.questions.answer_reading import ReadAnswer, find_choice, read_answer
from services.questions.questions import options_of
from tests.support.questions import question_spec

SCALE = options_of(
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
VISIT = options_of(question_spec())


def read(text: str, answers: object = SCALE, letters: str = "B") -> ReadAnswer | None:
    assert isinstance(answers, tuple)
    return read_answer(text, answers, {answer.digit: answer.name for answer in answers}, letters)


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
        ("4 x", "good", ""),
        ("4 10/10", "good", "10/10"),
        ("4 Dr Jones was kind", "good", "Dr Jones was kind"),
        ("4 parking was easy", "good", "parking was easy"),
        ("1 service was slow", "very_poor", "service was slow"),
        ("4, nurses were kind", "good", "nurses were kind"),
        ("1 call me", "very_poor", "call me"),
        ("2 call us back", "poor", "call us back"),
    ],
)
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


# ---- a digit that counts what stands behind it, or is part of a time


@pytest.mark.parametrize(
    "text",
    [
        "2 nurses were rude", "2 rude nurses", "3 letters sent", "2 phone calls and no answer", "1 complaint",
        "1 more complaint",
        "1 nurse was rude", "1 porter who shouted", "3 children", "1 star", "2 stars!", "1 \u2b50", "3*",
        "\u00a33 to park",
        "$3", "2\u00a3", "3%", "@2 please", "2 o'clock is fine", "2 o\u2019clock", "2 oclock", "2 o clock",
        "2 or'gloch",
        "2 o\u2019r gloch", "2 30 is fine", "2;30", "2-30", "3 p.m.", "3 a.m. please", "2 in the afternoon",
        "2 yn y prynhawn",
        "2 tomorrow is fine", "2 yfory", "1 Monday", "2 Nov was my visit", "2 h 30", "3-hour wait", "3 night stay",
        "2 and a half hours", "2 bloody hours", "2 awr", "3 diwrnod", "3 calls", "1 call",
        "2 Mill Lane has no bins",
        "1 of your nurses", "1 appointment or two?",
    ],
)  # fmt: skip
def test_a_digit_that_counts_is_no_answer(text: str) -> None:
    assert read(text) is None


_COUNTED = ("hour", "week", "star", "nurse", "letter", "visit", "form", "doctor", "complaint", "appointment")
_DESCRIBED = ("", "more ", "different ", "whole ")


@given(
    st.sampled_from("12345"),
    st.sampled_from(_DESCRIBED),
    st.sampled_from(_COUNTED),
    st.sampled_from(["", " later", " and no answer"]),
)
def test_what_can_be_counted_is_counted_by_any_digit(digit: str, how: str, noun: str, after: str) -> None:
    plural = noun if digit == "1" else f"{noun}s"
    assert read(f"{digit} {how}{plural}{after}") is None
    assert read(f"{digit}. {how}{plural}{after}") is not None, "punctuation keeps them apart"


# ---- words that take the answer back, correct it or say another one

_CHANGE = {"name": "change", "label": "I need to change it", "digit": 2, "words": ["cant come", "change"], "low": True}
_WELSH = {
    "title": "x", "asks": "y",
    "answers": {
        "will_attend": {"label": "Dof", "words": ["yn dod"]}, "change": {"label": "Newid", "words": ["methu dod"]},
    },
}  # fmt: skip
COMING = options_of(
    question_spec(
        answers=[{"name": "will_attend", "label": "I will come", "digit": 1, "words": ["coming"]}, _CHANGE],
        translations={"cy": _WELSH},
    )
)


@pytest.mark.parametrize("text", [
    "1 not coming", "1 won't be there", "1 sorry can't come", "1 sorry, I can't come", "1 but I can't come",
    "1 cancel my appointment",
    "1 I need to change it", "1 no longer coming", "1 unable to attend", "1 no sorry", "2 I will come",
    "2 no need to change it",
    "1 ddim yn dod", "1 methu dod", "1 sori, dwi ddim yn dod", "1 canslo plis", "2 byth yn newid",
])  # fmt: skip
def test_an_answer_that_is_taken_back_is_unclear(text: str) -> None:
    assert read(text, COMING) is None


@pytest.mark.parametrize("text", [
    "1 not good", "1 not very happy", "1 unhappy", "1 wasn't good", "3 wasn't bad", "3 not bad at all",
    "3 long wait, but not bad",
    "1 the lift was terrible", "good, not very good", "1 never again", "1 drwg", "1 ddim yn hapus",
])  # fmt: skip
def test_an_answer_that_is_denied_is_unclear(text: str) -> None:
    assert read(text, VISIT) is None


@pytest.mark.parametrize(("text", "answer", "comment"), [
    ("3 not good", "poor", "not good"),
    ("3 nobody rang back", "poor", "nobody rang back"),
    ("1 no complaints", "good", "no complaints"),
    ("1 couldn't be better", "good", "couldn't be better"),
    ("1 can't fault it", "good", "can't fault it"),
    ("1 no parking", "good", "no parking"),
    ("1 nice staff but they couldn't find me", "good", "nice staff but they couldn't find me"),
    ("1 not bad", "good", "not bad"),
    ("1 the staff could not stop helping", "good", "the staff could not stop helping"),
    ("1 sorry for the late reply", "good", "sorry for the late reply"),
    ("Fair, not good", "fair", "not good"),
    ("1 gwych, dim cwynion", "good", "gwych, dim cwynion"),
])  # fmt: skip
def test_what_is_missing_or_goes_with_an_answer_denies_nothing(text: str, answer: str, comment: str) -> None:
    found = read(text, VISIT)
    assert found is not None
    assert (found.answer, found.comment) == (answer, comment)


@pytest.mark.parametrize(
    "text", ["2 can't come", "2 not coming", "2 won't be there", "1 no need to change", "2 methu dod"]
)
def test_a_denial_of_the_other_answer_goes_with_one(text: str) -> None:
    found = read(text, COMING)
    assert found is not None
    assert found.answer == ("will_attend" if text[0] == "1" else "change")


_CORRECTED = (
    "sorry",
    "no",
    "oops",
    "not",
    "I mean",
    "sorry I meant",
    "... no,",
    "actually",
    "correction",
    "\n",
    "sori",
    "should be",
)


@given(
    st.sampled_from("123"),
    st.sampled_from("123"),
    st.sampled_from(_CORRECTED),
    st.sampled_from(["", "option ", "number "]),
)
def test_a_correction_counts_for_neither(first: str, second: str, how: str, announced: str) -> None:
    found = read(f"{first} {how} {announced}{second}", VISIT)
    assert found is None if first != second else found is None or found.answer == VISIT[int(first) - 1].name


@pytest.mark.parametrize("text", [
    "Good, sorry, poor", "good... no, bad", "Good. I mean poor", "Good, 3", "1 sorry I meant three",
    "1, no, poor", "1 sori tri",
    "Good, sorry 2",
])  # fmt: skip
def test_another_answer_further_on_counts_for_neither(text: str) -> None:
    assert read(text, VISIT) is None


@pytest.mark.parametrize("text", [
    "1 waited 2 hours", "1 seen at 3", "1 ward 3 was full", "1 with 2 children", "1 sorry, waited 2 hours",
    "1 no one helped", "1 sorry about 3pm",
])  # fmt: skip
def test_a_number_in_a_comment_is_no_correction(text: str) -> None:
    assert read(text) is not None


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
            assert found.answer in {answer.name for answer in SCALE}
            assert found.comment == found.comment.strip()
