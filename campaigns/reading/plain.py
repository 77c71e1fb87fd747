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
_FOOTER: Final = re.compile(
    r"\n--[ \t]*\n(?s:.*)|\n(?:sent (?:from|via)|get outlook|wedi.i anfon o) [^\n]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Plain:
    """A text made plain.

    Attributes:
        clauses: its clauses: words without punctuation, but a question mark stays.
        names: the words below it that look like a name, which no rule takes for strangers.
    """

    clauses: tuple[str, ...]
    names: frozenset[str] = frozenset()

    @property
    def words(self) -> str:
        """All of it."""
        return " ".join(self.clauses)


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
    return Plain(tuple(clause for clause in clauses if clause), _names([clause.split() for clause in raw]))


def make_bare(words: str) -> str:
    """Make words comparable: lower case, no accents."""
    if words.isascii():
        return words.lower()
    apart = unicodedata.normalize("NFKD", words.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _words(clause: str, spellings: Mapping[str, str]) -> list[str]:
    return [spellings.get(word, word[:LONGEST_WORD]) for word in _WORDS.findall(make_bare(clause))]


def _names(clauses: Sequence[Sequence[str]]) -> frozenset[str]:
    """The words of the last clauses, if they are written as names are; never those of the first."""
    names: list[str] = []
    for words in reversed(clauses[1:]):
        if len(names) + len(words) > LONGEST_NAME or not all(word[0].isupper() for word in words):
            break
        names += words
    return frozenset(word.casefold() for word in names)
