"""A text made plain: lower case, no accents or apostrophes, misspellings mended, pictures named, clauses apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 4000
"""Characters looked at. Longer than any text message; an email's first 4,000 say what it wants or nobody can tell."""
LONGEST_WORD: Final = 30
"""Characters of a word looked at, so that no pattern meets a word it would go over again and again."""
LONGEST_NAME: Final = 5
"""Words a name below a message may have, with the branch."""

_JOINERS: Final = re.compile("['\u2018\u2019\u02bc`\u00b4\u200b-\u200d\u2060\ufeff\ufe0f\u20e3\u00ad]")
_CLAUSE_END: Final = re.compile(r"[.,;:!\n\r()\u2013\u2014\u2026|/]+|\s[-*]\s")
_WORDS: Final = re.compile(r"[^\W_]+|\?")
_GREETINGS: Final = frozenset({"hi", "hiya", "hello", "hey", "heya", "dear", "helo", "annwyl", "shwmae"})
_ADDRESSED: Final = frozenset({
    "all", "everyone", "everybody", "team", "folks", "guys", "sir", "sirs", "madam", "rep", "reps", "colleague",
    "colleagues", "friend", "friends", "comrades", "members", "office", "people", "there", "both", "your", "union",
    "the", "and", "or", "undeb", "yr", "may", "will",
})  # fmt: skip
"""Whom a greeting is for, where it is no name, and names that are words, too."""
_FOOTER: Final = re.compile(
    r"\n--[ \t]*\n(?s:.*)|\n(?:sent (?:from|via)|get outlook|wedi.i anfon o) [^\n]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Plain:
    """A text made plain.

    Attributes:
        clauses: its clauses: words without punctuation, but a question mark stays.
        names: the words below it that look like a name, and those it is addressed to: no rule takes them for strangers.
        greeted: they, in order, after "Hello" in a clause of its own.
    """

    clauses: tuple[str, ...]
    names: frozenset[str] = frozenset()
    greeted: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All of it."""
        return " ".join(self.clauses)

    @property
    def ungreeted(self) -> str:
        """All of it, without whom it greets."""
        return self._without(self.greeted)

    @property
    def guarded(self) -> str:
        """All of it, without the words for whom it greets that are no names, "Your Union": no guard is for them."""
        return self._without([word for word in self.greeted if word in _ADDRESSED])

    def _without(self, greeted: Sequence[str]) -> str:
        if not greeted:
            return self.words
        greeting = [word for word in self.clauses[0].split() if word not in greeted]
        return " ".join([*greeting, *self.clauses[1:]])


def make_plain(text: str, spellings: Mapping[str, str], pictures: Mapping[int, str]) -> Plain:
    """Make a text plain.

    Args:
        text: as it came.
        spellings: words as typed, and as they are meant.
        pictures: code points, and the words they stand for.
    """
    text = _FOOTER.sub("\n", unicodedata.normalize("NFKC", text[:LONGEST]))
    raw = _CLAUSE_END.split(_JOINERS.sub("", text))
    clauses = (" ".join(_words(clause.translate(pictures), spellings)) for clause in raw)
    said = [clause.split() for clause in raw]
    plain = tuple(clause for clause in clauses if clause)
    greeted = _greeted(said)
    return Plain(plain, _names(said) | frozenset(greeted), greeted)


def make_bare(words: str) -> str:
    """Make words comparable: lower case, no accents."""
    if words.isascii():
        return words.lower()
    apart = unicodedata.normalize("NFKD", words.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _words(clause: str, spellings: Mapping[str, str]) -> list[str]:
    return [spellings.get(word, word[:LONGEST_WORD]) for word in _WORDS.findall(make_bare(clause))]


def _greeted(clauses: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The words after "Hello" in a clause of its own, if they name somebody, and something is said after it."""
    said = [words for words in clauses if words]
    if len(said) < 2 or make_bare(said[0][0]) not in _GREETINGS or not 1 < len(said[0]) <= LONGEST_NAME:
        return ()
    bare = [make_bare(word) for word in said[0][1:]]
    fits = all(word[0].isupper() or plain in _ADDRESSED for word, plain in zip(said[0][1:], bare, strict=True))
    return tuple(bare) if fits else ()


def _names(clauses: Sequence[Sequence[str]]) -> frozenset[str]:
    """The words of the last clauses, if they are written as names are; never those of the first."""
    names: list[str] = []
    for words in reversed(clauses[1:]):
        if len(names) + len(words) > LONGEST_NAME or not all(word[0].isupper() for word in words):
            break
        names += words
    return frozenset(word.casefold() for word in names)
