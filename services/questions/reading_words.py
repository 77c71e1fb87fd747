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

    Attributes:
        choice: a digit at the beginning, with a letter behind it or, as some write, before it; no "10", "2nd", "1/2".
        several: another digit behind it.
        counted: the beginning of what a number counts or of a time that it is part of, whatever the number.
        before: words before an answer that change nothing.
        after: words of politeness behind it.
        joins: words with which a comment begins.
        contrasts: words that begin another clause.
        numbers: digits in words.
        announces: words before a digit.
        counting: words between a number and what it counts.
        singular: words that 1 counts.
        endings: endings of such words.
        verbs: words before which 1 counts any word.
        uncounted: words that no number counts.
        plain: words beyond which a number counts nothing.
        negations: words by which something is not meant.
        speakers: words before them that leave them about the answer.
        no: the same of "no", where it is more than a lack.
        opposites: beginnings of a word that make it the opposite.
        harmless: negations that take nothing back.
        corrects: words before the answer that counts instead.
        ones: words before "one" that make it no number.
        glue: other words in the clause of such an answer.
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
