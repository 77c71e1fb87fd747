"""Words around an answer that decide how it is read: data in `reading_words.toml`, of all languages together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ReadingWords:
    """Words around an answer, folded.

    Those that are words, no patterns, are the keys of each language in `reading_words.toml`, where each has a comment.

    Attributes:
        choice: a digit that is chosen, at the beginning, maybe with a letter before or behind it: "2", "2b", "b2" and
            "option 2", but not "10", "2nd" and "1/2".
        several: another digit behind a chosen one, of which neither counts then: "or 3".
        counted: what makes any digit before it no choice, but a measure or part of a time: "more hours", "pm".
        before: words before an answer that change nothing: "very", "it was".
        after: words of politeness behind an answer, which are no comment: "thanks".
        joins: words that begin a comment behind an answer: "because" in "good because of the staff".
        contrasts: words that begin a clause of its own, so that a "no" there is not about the answer: "but".
        numbers: digits in words, and the digit of each: "two" and "2".
        announces: words that may stand before a chosen digit: "option".
        counting: words that may stand between 1 and what it counts: "other" in "1 other letter".
        singular: words that 1 counts, so that it is no choice: "letter" in "1 letter came".
        endings: endings of further words that 1 counts: "tion" of "operation".
        verbs: words before which 1 counts whatever word stands there: "was" in "1 porter was rude".
        uncounted: words that are not counted even there, so that 1 is a choice: "staff" in "1 staff was great".
        plain: words that are no nouns, so that a number counts nothing beyond them: "the" in "1 the nurse was kind".
        negations: words that deny an answer, where nothing but `speakers` stands before them: "not", "cannot".
        speakers: words before a negation that leave it about the answer: "I" in "1 I cannot come", but not "staff" in
            "4 the staff could not stop helping".
        no: "no" where it denies the answer, and does not only say what was missing: "1 no good", not "4 no parking".
        opposites: beginnings that make a word the opposite of an answer: "un" of "unhappy".
        harmless: phrases with a negation that deny no answer: "cannot complain".
        corrects: words before another answer, which then counts instead: "sorry", "I meant".
        ones: words before "one" that make it no number: "no" in "no one".
        glue: other words that may stand beside a correcting answer in its clause: "it", "should", "be".
    """

    choice: re.Pattern[str]
    several: re.Pattern[str]
    counted: re.Pattern[str]
    before: frozenset[str]
    after: frozenset[str]
    joins: frozenset[str]
    contrasts: frozenset[str]
    numbers: Mapping[str, str]
    announces: frozenset[str]
    counting: frozenset[str]
    singular: frozenset[str]
    endings: tuple[str, ...]
    verbs: frozenset[str]
    uncounted: frozenset[str]
    plain: frozenset[str]
    negations: frozenset[str]
    speakers: frozenset[str]
    no: re.Pattern[str]
    opposites: tuple[str, ...]
    harmless: re.Pattern[str]
    corrects: frozenset[str]
    ones: frozenset[str]
    glue: frozenset[str]


@cache
def reading_words() -> ReadingWords:
    """Return the words; the file is read once."""
    languages = list(tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).values())

    def words(key: str) -> list[str]:
        return [word for data in languages for word in data[key].split()]

    def any_of(key: str) -> str:
        return _any_of(pattern for data in languages for pattern in data[key])

    return ReadingWords(
        # before it no sign of money or of a time: "£3", "@2"
        choice=re.compile(
            rf"[^\w$£¢€¥₹@~]{{0,3}}(?:{_any_of(words('announces'))}\b\W{{0,3}})?"
            r"(?:(?P<digit>[0-9])(?P<letter>[a-z])?|(?P<before>[a-z])(?P<after>[0-9]))(?![^\W_]|[.,:;/\u2013-][0-9])",
            re.IGNORECASE,
        ),
        several=re.compile(
            rf"\W{{0,3}}(?:{_any_of(words('between'))}\b\W{{0,3}})?(?P<digit>[0-9])[a-z]?(?![^\W_])", re.IGNORECASE
        ),
        counted=re.compile(rf"(?:{any_of('counting')} )?{any_of('units')}\b"),
        before=frozenset(words("before")),
        after=frozenset(words("after")),
        joins=frozenset(words("joins")),
        contrasts=frozenset(words("contrasts")),
        numbers={word: digit for data in languages for word, digit in data["numbers"].items()},
        announces=frozenset(words("announces")),
        counting=frozenset(_counting(languages)),
        singular=frozenset(words("singular")),
        endings=tuple(words("endings")),
        verbs=frozenset(words("verbs")),
        uncounted=frozenset(words("uncounted")),
        plain=frozenset(words("plain")),
        negations=frozenset(words("negations")),
        speakers=frozenset(words("speakers")),
        no=re.compile(any_of("no")),
        opposites=tuple(words("opposites")),
        harmless=re.compile(rf"{any_of('harmless')}\b"),
        corrects=frozenset(words("corrects")),
        ones=frozenset(words("ones")),
        glue=frozenset(words("glue")),
    )


def _counting(languages: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (word for data in languages for word in data["counting"] if " " not in word)


def _any_of(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"
