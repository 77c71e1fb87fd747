"""Members' pages in each language: every line is there, with the same placeholders."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from string import Formatter

import pytest

from core.settings import TEMPLATES
from messaging.content.translations import languages, wording
from webhooks.members.page_languages import local_time

TABLES = tomllib.loads((TEMPLATES / "words.toml").read_text(encoding="utf-8"))


def fields(line: object) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(str(line)) if name is not None}


@pytest.mark.parametrize("language", sorted(TABLES))
def test_every_language_says_everything_english_says(language: str) -> None:
    assert set(TABLES[language]) == set(TABLES["en"])
    for key, line in TABLES["en"].items():
        assert fields(TABLES[language][key]) == fields(line), key
    assert (len(TABLES[language]["days"]), len(TABLES[language]["months"])) == (7, 12)


@pytest.mark.parametrize("language", sorted(set(TABLES) - {"en"}))
def test_no_line_is_left_in_english(language: str) -> None:
    same = {key for key, line in TABLES[language].items() if line == TABLES["en"][key]}
    assert same == set(), f"{language} still says these in English"


def test_a_language_is_found_by_its_first_part_or_else_english() -> None:
    assert wording("cy-GB") is wording("CY") is wording("cy")
    assert wording("pl") is wording("") is wording("en")
    assert languages() == ("en", "cy")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2026, 12, 7, 12, tzinfo=UTC), "Monday 7 December at midday"),
        (datetime(2026, 7, 1, 16, 5, tzinfo=UTC), "Wednesday 1 July at 17:05"),
        (datetime(2026, 7, 1, 23, 30, tzinfo=UTC), "Thursday 2 July at 00:30"),
    ],
)
def test_times_are_written_in_the_words_of_the_language(at: datetime, said: str) -> None:
    assert local_time(at, "Europe/London", wording("en")) == said
    assert (
        local_time(datetime(2026, 12, 7, 12, tzinfo=UTC), "Europe/London", wording("cy"))
        == "dydd Llun 7 Rhagfyr am hanner dydd"
    )
