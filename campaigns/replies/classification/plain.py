"""Normalisation of a text: lower case, no accents or apostrophes, spelling corrected, emoji named, clauses split."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from core.folding import fold

MAX_LENGTH: Final = 4000
"""Most characters read: longer than any text message, and enough to tell what an email wants."""
MAX_WORD_LENGTH: Final = 30
"""Most characters of a word that are read, so that no pattern backtracks over a long word."""
MAX_NAME_LENGTH: Final = 5
"""Most words of a name below a message, with the branch."""
MAX_SIGNED_LENGTH: Final = 3
"""Most words of a name behind a farewell on the same line."""

_JOINERS: Final = re.compile("['\u2018\u2019\u02bc`\u00b4\u200b-\u200d\u2060\ufeff\ufe0f\u20e3\u00ad]")
_CLAUSE_END: Final = re.compile(r"[.,;:!\n\r()\u2013\u2014\u2026|/]+|\s[-*]\s")
_WORDS: Final = re.compile(r"[^\W_]+|\?")
_NAMED: Final = re.compile(r"[^\W\d_xX]")
"""A word with a letter other than those of kisses."""
_GREETINGS: Final = frozenset({"hi", "hiya", "hello", "hey", "heya", "dear", "helo", "annwyl", "shwmae"})
_ADDRESSED: Final = frozenset({
    "all", "everyone", "everybody", "team", "folks", "guys", "sir", "sirs", "madam", "rep", "reps", "colleague",
    "colleagues", "friend", "friends", "comrades", "members", "office", "people", "there", "both", "your", "union",
    "the", "and", "or", "undeb", "yr", "may", "will",
})  # fmt: skip
"""Words after a greeting that are no names, and names that are also common words."""
_FAREWELLS: Final = frozenset({
    "kind", "kindest", "best", "warm", "warmest", "many", "with", "regards", "rgds", "wishes", "thanks", "thank", "you",
    "cheers", "ta", "yours", "sincerely", "faithfully", "all", "the", "in", "solidarity", "love", "from", "diolch",
    "yn", "fawr", "cofion", "gorau", "cynnes", "gywir", "hwyl", "mewn", "undod",
})  # fmt: skip
"""Words of farewells, with a name on the line below."""
_SIGNS: Final = frozenset({
    "thanks", "thank", "cheers", "ta", "regards", "rgds", "wishes", "sincerely", "faithfully", "diolch", "cofion",
    "hwyl",
})  # fmt: skip
"""Farewells that a name follows on the same line: "thanks Dave"."""
_NO_FIRST: Final = frozenset({"all", "the", "in", "from", "you"})
"""Words that belong to the line above if they come first: "stop all thanks Dave"."""
_TAKE_THANKS: Final = frozenset({
    "sent", "send", "posted", "mailed", "returned", "said", "say", "gave", "give", "got", "no", "my", "our", "of",
})  # fmt: skip
"""Words before "thanks" after which a lower-case word behind "thanks" is no name: "I sent thanks cards"."""
_SPELT_OUT: Final = re.compile(
    r"(?<![^\W_])(?<![^\W_][.*/\u00b7_-])s([.*/\u00b7-] ?|_)t\1o\1p(?:\1i\1o)?(?!\1?[^\W_](?![^\W_])|[^\W_])",
    re.IGNORECASE,
)
"""A wish whose letters are set apart by signs that would end a clause: "S.T.O.P", "s-t-o-p-i-o"."""
_POSTSCRIPT: Final = re.compile(r"\bp\.\s?(?:p\.\s?)?s\b\.?", re.IGNORECASE)
_FOOTER: Final = re.compile(
    r"\n--[ \t]*\n(?s:.*)|\n(?:sent (?:from|via)|get outlook|wedi.i anfon o) [^\n]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Plain:
    """Normalised text.

    Attributes:
        clauses: its clauses: words without punctuation, except question marks.
        names: words of a signature and of a greeting; rules do not count them as unfamiliar words.
        greeted: the words after "Hello" in a clause of its own, in order.
        signed: the name at the end of the last clause, behind a farewell: "thanks Dave". Its clause begins with that.
    """

    clauses: tuple[str, ...]
    names: frozenset[str] = frozenset()
    greeted: tuple[str, ...] = ()
    signed: str = ""

    @property
    def words(self) -> str:
        """Return all of it as one string."""
        return " ".join(self.clauses)

    @property
    def ungreeted(self) -> str:
        """Return all of it without the words it greets."""
        return self._without(self.greeted)

    @property
    def unsigned(self) -> str:
        """Return all of it without the name at its end."""
        words = self.words.split()
        while len(words) > 1 and words[-1] in self.names:
            words.pop()
        return " ".join(words)

    @property
    def guarded(self) -> str:
        """Return all of it without greeted words that are no name, such as "Your Union", which guards must not see."""
        return self._without([word for word in self.greeted if word in _ADDRESSED])

    @property
    def anonymous(self) -> Plain:
        """Return the same text without the words that were taken for its signature."""
        return Plain(self.clauses, self.names - frozenset(self.signed.split()), self.greeted)

    def part(self, clauses: Sequence[str]) -> Plain:
        """Return a part of it, which has the same names."""
        return Plain(tuple(clauses), self.names)

    def _without(self, greeted: Sequence[str]) -> str:
        if not greeted:
            return self.words
        greeting = [word for word in self.clauses[0].split() if word not in greeted]
        return " ".join([*greeting, *self.clauses[1:]])


def make_plain(text: str, spellings: Mapping[str, str], pictures: Mapping[int, str]) -> Plain:
    """Normalise a text.

    Args:
        text: as received.
        spellings: words as typed, and as they are meant.
        pictures: code points of emoji, and the words they stand for.
    """
    text = _FOOTER.sub("\n", unicodedata.normalize("NFKC", text[:MAX_LENGTH]))
    joined = _SPELT_OUT.sub(lambda spelt: "".join(filter(str.isalpha, spelt[0])), _JOINERS.sub("", text))
    raw = _CLAUSE_END.split(_POSTSCRIPT.sub("ps", joined))
    parts = [_signed([clause]) for clause in raw if clause.strip()]
    raw, signed = [clause for split, _ in parts for clause in split], [name for _, names in parts for name in names]
    clauses = (" ".join(_words(clause.translate(pictures), spellings)) for clause in raw)
    written = [clause.split() for clause in raw]
    plain = tuple(clause for clause in clauses if clause)
    greeted = _greeted(written)
    return Plain(plain, _names(written) | frozenset(greeted) | frozenset(signed), greeted, " ".join(signed))


def _words(clause: str, spellings: Mapping[str, str]) -> list[str]:
    return [spellings.get(word, word[:MAX_WORD_LENGTH]) for word in _WORDS.findall(fold(clause))]


def _signed(clauses: list[str]) -> tuple[list[str], list[str]]:
    """Make a clause of its own of a farewell with a name at the end of a text, and return the words of the name."""
    words = clauses[-1].split() if clauses else []
    while words and not _NAMED.search(words[-1]):
        words.pop()
    bare = [fold(word) for word in words]
    name = first = max((at + 1 for at, word in enumerate(bare) if word in _FAREWELLS), default=0)
    while first and bare[first - 1] in _FAREWELLS:
        first -= 1
    while first < name and bare[first] in _NO_FIRST:
        first += 1
    if not _SIGNS.intersection(bare[first:name]) or not _is_name(words[name:]):
        return clauses, []
    if words[name].islower() and first and bare[first - 1] in _TAKE_THANKS:
        return clauses, []
    last = clauses[-1].split()
    split = [" ".join(last[:first]), " ".join(last[first:])] if first else clauses[-1:]
    return [*clauses[:-1], *split], bare[name:]


def _is_name(words: Sequence[str]) -> bool:
    """Tell whether words behind a farewell may be a name: capitalised ones, or a single one of small letters."""
    if not 0 < len(words) <= MAX_SIGNED_LENGTH or not all(word.isalpha() for word in words):
        return False
    return len(words) == 1 or all(word[0].isupper() for word in words)


def _greeted(clauses: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the words after "Hello" in a clause of its own, if they name somebody and more text follows."""
    filled = [words for words in clauses if words]
    if len(filled) < 2 or fold(filled[0][0]) not in _GREETINGS or not 1 < len(filled[0]) <= MAX_NAME_LENGTH:
        return ()
    bare = [fold(word) for word in filled[0][1:]]
    fits = all(word[0].isupper() or plain in _ADDRESSED for word, plain in zip(filled[0][1:], bare, strict=True))
    return tuple(bare) if fits else ()


def _names(clauses: Sequence[Sequence[str]]) -> frozenset[str]:
    """Return the words of the last clauses that are capitalised like names; never words of the first clause."""
    names: list[str] = []
    for words in reversed(clauses[1:]):
        if len(names) + len(words) > MAX_NAME_LENGTH or not all(word[0].isupper() for word in words):
            break
        names += words
    return frozenset(word.casefold() for word in (*names, *_names_below_farewells(clauses)))


def _names_below_farewells(clauses: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the words of names with more text below them: "Kind regards", "Ann Lee", and then a postscript."""
    filled = [words for words in clauses if words]
    for above, words in pairwise(filled):
        is_farewell = all(fold(word) in _FAREWELLS for word in above)
        if is_farewell and len(words) <= MAX_NAME_LENGTH and all(word[0].isupper() for word in words):
            yield from words
