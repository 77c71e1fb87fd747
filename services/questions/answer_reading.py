"""Reading of an answer: the digit or words that count, and the rest, which is kept as a comment.

An answer stands at the beginning: "4", "4 nice staff", "1 - waited two hours", "good", "Very good thanks". A wrong
answer that counts is worse than an answer that is asked back, so everything else is unclear:
- a number that is no digit of the menu: "10 minutes late";
- a digit that counts something: "2 weeks ago" (`quantities`);
- two digits or two answers: "1 or 2", "good, poor";
- an answer that the words beside it take back: "1 not coming", "1 sorry I meant 3" (`contradiction`);
- a question: "good?".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from services.questions.clauses import CLAUSE_SIGNS, WORD
from services.questions.contradiction import contradicts
from services.questions.phrases import fold_phrase
from services.questions.quantities import is_quantity
from services.questions.questions import AnswerOption
from services.questions.reading_words import reading_words

MAX_LENGTH: Final = 4000
"""Most characters that are read."""

_KEYCAP: Final = re.compile("[\ufe0f\u20e3]")
_LETTER_APART: Final = re.compile(r"\s{1,3}(?P<letter>[a-z])\W*", re.IGNORECASE)
"""Letter behind a space: only if nothing follows, because the "a" of "1 a bit slow" is an article."""
_PHRASE_END: Final = re.compile(f"[{CLAUSE_SIGNS}-]+")
"""End of a phrase: here a hyphen ends a clause even without a space, because only a comment follows an answer in
words."""
_JOINED: Final = re.compile(r"^[\s.,;:!)\-\u2013\u2014\u2026/|=]+")


@dataclass(frozen=True, slots=True)
class DigitChoice:
    """Digit at the beginning of a reply.

    Attributes:
        digit: the digit.
        letter: the letter beside it, upper case; "" for none.
        rest: what follows.
    """

    digit: str
    letter: str
    rest: str


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """Answer that was read in a reply.

    Attributes:
        answer: its name.
        by: what decided, `digit` or `words`.
        comment: the rest of the reply; "" for none.
    """

    answer: str
    by: Literal["digit", "words"]
    comment: str


def find_choice(text: str) -> DigitChoice | None:
    """Find the digit at the beginning of a reply; None if it begins otherwise, or the digit counts something."""
    plain = _plain(text)
    match = reading_words().choice.match(plain)
    if match is None:
        first, _, rest = plain.strip().partition(" ")
        digit = reading_words().numbers.get(fold_phrase(first))
        return DigitChoice(digit, "", "") if digit is not None and _is_polite(rest) else None
    rest = plain[match.end() :]
    letter = match["letter"] or match["before"] or ""
    apart = _LETTER_APART.fullmatch(rest)
    if not letter and apart is not None and not _is_polite(apart["letter"]):  # "1 x" ends with a kiss
        letter, rest = apart["letter"], ""
    digit = match["digit"] or match["after"]
    is_bold = rest.startswith("*") and "*" in match[0]
    if not letter and is_quantity(digit, rest[1:] if is_bold else rest):
        return None
    return DigitChoice(digit, letter.upper(), rest)


def read_answer(
    text: str, answers: Iterable[AnswerOption], menu: Mapping[str, str], letters: str = ""
) -> ReadAnswer | None:
    """Read the answer in a person's own words; None if it is unclear.

    Args:
        text: the words.
        answers: those that the question offers.
        menu: the digits that the message offered, and the name of the answer of each.
        letters: the letters that may stand beside a digit.
    """
    known = {answer.name: answer for answer in answers}
    choice = find_choice(text)
    if choice is None:
        return _by_words(_plain(text), known, menu)
    answer, rest = known.get(menu.get(choice.digit, "")), choice.rest
    if answer is None or (choice.letter and choice.letter not in letters) or rest.lstrip().startswith("?"):
        return None
    several = reading_words().several.match(rest)
    beside = _begins_with(rest, known)
    if (several and several["digit"] != choice.digit) or (beside and beside[0] != answer.name):
        return None
    if contradicts(answer, rest, known, menu, by_digit=True):
        return None
    # "1 good" repeats the button, and says nothing more
    repeated = beside is not None and not _comment(beside[1])
    return ReadAnswer(answer.name, "digit", "" if repeated else _comment(rest))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", _KEYCAP.sub("", text[:MAX_LENGTH])).strip()


def _by_words(text: str, known: Mapping[str, AnswerOption], menu: Mapping[str, str]) -> ReadAnswer | None:
    beginning = _begins_with(text, known)
    if beginning is None:
        return None
    name, rest = beginning
    follows = rest.lstrip()
    if follows.startswith("?"):
        return None
    words = fold_phrase(rest).split()
    joined = bool(words) and words[0] in reading_words().joins
    if not _is_polite(rest) and not _PHRASE_END.match(follows) and not joined:
        return None
    tail = " ".join(words[1:] if joined else words)
    if any(tail == phrase or tail.startswith(f"{phrase} ") for answer in known.values() for phrase in answer.phrases):
        return None
    if contradicts(known[name], rest, known, menu, by_digit=False):
        return None
    return ReadAnswer(name, "words", _comment(rest))


def _begins_with(text: str, known: Mapping[str, AnswerOption]) -> tuple[str, str] | None:
    """Return the answer whose phrase a text begins with (the longest that fits), and the text behind the phrase."""
    spans = [(fold_phrase(word[0]), word.end()) for word in WORD.finditer(text)]
    spoken = [(word, end) for words, end in spans for word in words.split() or [""]]
    phrases = {tuple(phrase.split()): answer.name for answer in known.values() for phrase in answer.phrases}
    for first in range(len(spoken) + 1):
        for length in range(min(len(spoken) - first, max(map(len, phrases))), 0, -1):
            name = phrases.get(tuple(word for word, _ in spoken[first : first + length]))
            if name is not None:
                return name, text[spoken[first + length - 1][1] :]
        if first >= len(spoken) or spoken[first][0] not in reading_words().before:
            return None
    return None


def _is_polite(text: str) -> bool:
    return "?" not in text and all(word in reading_words().after for word in fold_phrase(text).split())


def _comment(rest: str) -> str:
    """Return the words behind an answer without the signs that join them to it; "" if they are only polite."""
    if _is_polite(rest):
        return ""
    return _JOINED.sub("", rest).strip()
