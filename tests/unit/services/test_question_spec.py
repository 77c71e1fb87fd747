"""Question files: each mistake is said in words, by its key."""

from pathlib import Path

import pytest

from core.errors import SpecError
from services.questions.spec import load_question_spec

FILE = """
[question]
name = "visit"
title = "your visit"
asks = "How did we do?"
closes = 2026-12-07
{more}

[[question.answers]]
name = "good"
label = "Good"
digit = 1
words = ["very good"]

[[question.answers]]
name = "poor"
label = "Poor"
{digit}
{words}
low = true
{translations}
"""


def written(folder: Path, *, more: str = "", digit: str = "digit = 3", words: str = "", translations: str = "") -> Path:
    path = folder / "visit.toml"
    path.write_text(FILE.format(more=more, digit=digit, words=words, translations=translations), encoding="utf-8")
    return path


def test_a_file_is_read_with_its_answers_in_order(tmp_path: Path) -> None:
    spec = load_question_spec(written(tmp_path))
    assert [(answer.name, answer.label, answer.digit, answer.words, answer.low) for answer in spec.answers] == [
        ("good", "Good", "1", ("very good",), False), ("poor", "Poor", "3", (), True),
    ]  # fmt: skip
    assert spec.comment is True


WELSH = """
[question.translations.cy]
title = "eich ymweliad"
asks = "Sut wnaethom ni?"
answers.good = {{ label = "Da" }}
answers.poor = {{ label = "{poor}" }}
"""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"digit": "digit = 1"}, "question.answers[2].digit: 1 is the digit of good, too"),
        ({"digit": "digit = 12"}, "question.answers[2].digit: “12” is not one digit"),
        ({"digit": 'digit = "A"'}, "question.answers[2].digit: “A” is not one digit"),
        ({"words": 'words = ["Very  good!"]'}, "question.answers[2].words: “Very  good!” means the answer good, too"),
        ({"words": 'words = ["good"]'}, "question.answers[2].words: “good” means the answer good, too"),
        ({"words": 'words = ["STOP"]'}, "question.answers[2].words: “STOP” is a word that mobile networks act on"),
        (
            {"words": 'words = ["Cancel."]'},
            "question.answers[2].words: “Cancel.” is a word that mobile networks act on",
        ),
        ({"words": 'words = ["yes"]'}, "question.answers[2].words: “yes” is a word that mobile networks act on"),
        ({"words": 'words = ["help"]'}, "question.answers[2].words: “help” is a word that mobile networks act on"),
        ({"words": 'words = ["start"]'}, "question.answers[2].words: “start” is a word that mobile networks act on"),
        ({"words": 'words = ["quit\u00ad"]'}, "question.answers[2].words: “quit\u00ad” is a word that mobile networks"),
        *(
            (
                {"words": f'words = ["{words}"]'},
                f"question.answers[2].words: “{words}” is easily sent as “{sent}”, a word that mobile networks act on",
            )
            for words, sent in (
                ("CANCEL please", "cancel"),
                ("START now", "start"),
                ("please stop", "stop"),
                ("Yes, thank you", "yes"),
                ("ok end it", "end"),
                ("ＳＴＯＰ now", "stop"),
            )
        ),
        *(
            (
                {"words": f'words = ["{words}"]'},
                f"question.answers[2].words[1]: has a control character that nobody sees, {sign}",
            )
            for words, sign in (
                ("y\u200bes", "U+200B (zero width space)"),
                ("\u202eoops", "U+202E (right-to-left override)"),
                ("a\u2066b", "U+2066 (left-to-right isolate)"),
                ("a\u2060b", "U+2060 (word joiner)"),
                ("a\u3164b", "U+3164 (hangul filler)"),
            )
        ),
        ({"words": 'words = ["4"]'}, "question.answers[2].words: “4” is a number"),
        ({"words": 'words = ["!!"]'}, "question.answers[2].words: “!!” has no letters or digits"),
        ({"more": "opens = 2026-12-09"}, "question.closes: the question closes before it opens"),
        ({"more": 'time_zone = "Leeds"'}, "question.time_zone: Leeds is not a time zone such as Europe/London"),
        ({"more": 'ask = "?"'}, "question.ask: is not a key here; did you mean asks?"),
        (
            {"translations": WELSH.format(poor="Da")},
            "question.translations.cy.answers.poor.label: “Da” means the answer good, too",
        ),
        (
            {"translations": WELSH.format(poor="End")},
            "question.translations.cy.answers.poor.label: “End” is a word that mobile networks act on",
        ),
        (
            {"translations": WELSH.format(poor="Gwael").replace("answers.poor", "answers.bad")},
            "question.translations.cy.answers: there is no answer bad",
        ),
        (
            {"translations": WELSH.format(poor="Gwael").replace('answers.poor = { label = "Gwael" }', "")},
            "question.translations.cy.answers: poor must be translated, too",
        ),
    ],
)
def test_a_mistake_is_named_by_its_key(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError) as error:
        load_question_spec(written(tmp_path, **changes))
    assert any(line.startswith(said) for line in error.value.problems), error.value.problems


def test_two_answers_of_one_name_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"poor"', '"good"'), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        load_question_spec(path)
    assert error.value.problems == ("question.answers[2].name: there are two answers good",)


def test_a_name_that_a_menu_could_not_hold_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('name = "poor"', 'name = "Poor 1"'), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        load_question_spec(path)
    assert error.value.problems[0].startswith("question.answers[2].name: “Poor 1” is not lower-case letters")


def test_a_file_without_a_question_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("", encoding="utf-8")
    with pytest.raises(SpecError, match=r"has no \[question\]"):
        load_question_spec(path)


@pytest.mark.parametrize("words", ["cancel my appointment", "end of the month", "help at home", "thank you", "stopped"])
def test_a_word_that_networks_know_may_begin_an_answer_with_a_meaning_of_its_own(tmp_path: Path, words: str) -> None:
    spec = load_question_spec(written(tmp_path, words=f'words = ["{words}"]'))
    assert spec.answers[1].words == (words,)
