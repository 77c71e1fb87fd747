"""Contradiction: whether the words beside an answer take it back, or put another one in its place.

An answer does not count if the words beside it do one of these:

1. They deny it: "1 not coming", "3 wasn't bad", "1 unhappy".
2. They correct it: "1 sorry I meant 3", "Good, sorry, poor".
3. They give another answer: "1 the lift was poor".

It does count with a negation that is not about it:

1. Something was missing: "4 no parking".
2. The negation stands in another clause: "4 nice staff but they couldn't find me".
3. The answer is a low one, which people give with complaints: "3 nobody called back". Only a denial of its own words
denies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from services.questions.clauses import CLAUSE_SIGNS
from services.questions.phrases import fold_phrase
from services.questions.quantities import is_quantity
from services.questions.questions import AnswerOption
from services.questions.reading_words import reading_words

_CLAUSE_END: Final = re.compile(f'[{CLAUSE_SIGNS}="\u201c\u201d]+|\\s-+|-+\\s')
"""End of a clause: here also quotation marks, "=" and a hyphen beside a space, because nothing beyond them is about the
answer."""
_BARE_DIGIT: Final = re.compile(r"(?<![^\W_])(?<![$£€.:/])[0-9](?![^\W_]|[.,:/][0-9])")
_MAX_REACH_WORDS: Final = 4
"""Words behind a negation among which it denies a phrase: "not a very good"; and between a correction and its digit."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Phrase of an answer in a clause: the words from `start` up to `end`, and the answer that it means."""

    start: int
    end: int
    words: str
    answer: str


def contradicts(
    answer: AnswerOption, rest: str, known: Mapping[str, AnswerOption], menu: Mapping[str, str], *, by_digit: bool
) -> bool:
    """Tell whether the words beside an answer deny it, correct it or say another one.

    Args:
        answer: the answer that a reply begins with.
        rest: the text behind it.
        known: every answer of the question, by its name.
        menu: the digits that the message offered, and the name of the answer of each.
        by_digit: whether a digit gave it: words directly behind a digit are about the answer, words behind a phrase are
            a comment.
    """
    others = {digit for digit, name in menu.items() if name != answer.name}
    earlier = list[str]()
    for number, clause in enumerate(_clauses(rest)):
        words = fold_phrase(clause).split()
        phrases = list(_phrases(words, known))
        if (
            _is_another(words, phrases, answer)
            or _denies(words, phrases, answer, first=by_digit and number == 0)
            or _corrects(clause, earlier, others)
        ):
            return True
        earlier += words
    return False


def _clauses(text: str) -> Iterator[str]:
    """Yield the clauses of a text; "but" begins a new one, unless nothing stands before it."""
    for part in _CLAUSE_END.split(text):
        clause = list[str]()
        for word in part.split():
            if fold_phrase(word) in reading_words().contrasts:
                if clause:
                    yield " ".join(clause)
                    clause = []
            else:
                clause.append(word)
        if clause:
            yield " ".join(clause)


def _phrases(words: Sequence[str], known: Mapping[str, AnswerOption]) -> Iterator[_Phrase]:
    """Yield the phrases of answers in a clause, the longest at each place; not words that mostly add nothing."""
    meant = {tuple(phrase.split()): answer.name for answer in known.values() for phrase in answer.phrases}
    longest, idle = max(map(len, meant)), reading_words().before | reading_words().after
    start = 0
    while start < len(words):
        for end in range(min(start + longest, len(words)), start, -1):
            phrase = tuple(words[start:end])
            if phrase in meant and (not idle.issuperset(phrase) or end - start == len(words)):
                yield _Phrase(start, end, " ".join(phrase), meant[phrase])
                start = end - 1
                break
        start += 1


def _is_another(words: Sequence[str], phrases: Sequence[_Phrase], answer: AnswerOption) -> bool:
    """Tell whether a clause is another answer, and no more: "sorry, poor"."""
    known = reading_words()
    around = known.before | known.after | known.corrects
    return any(
        phrase.answer != answer.name and around.issuperset((*words[: phrase.start], *words[phrase.end :]))
        and not _is_denied(words, phrase)
        for phrase in phrases
    )  # fmt: skip


def _denies(words: Sequence[str], phrases: Sequence[_Phrase], answer: AnswerOption, *, first: bool) -> bool:
    """Tell whether a clause denies an answer.

    Args:
        words: of the clause.
        phrases: of answers in it.
        answer: the answer.
        first: whether it stands directly behind the answer, if it may also deny it in other words, or give another
            answer.
    """
    known = reading_words()
    own = {word for phrase in answer.phrases for word in phrase.split()}
    if any(word not in own and word.removeprefix(less) in own for less in known.opposites for word in words):
        return True
    about = {phrase: phrase.answer == answer.name or own.issuperset(phrase.words.split()) for phrase in phrases}
    if any(is_own and _is_denied(words, phrase) for phrase, is_own in about.items()):
        return True
    if not first:
        return False
    if any(phrase.answer != answer.name and not _is_denied(words, phrase) for phrase in phrases):
        return True
    taken = {
        place
        for phrase in phrases
        for place in range(phrase.start - (_MAX_REACH_WORDS if _is_denied(words, phrase) else 0), phrase.end)
    }
    beginning = list(takewhile(lambda place: place == 0 or words[place - 1] in known.speakers, range(len(words))))
    return not answer.low and any(_is_negation(words, place) for place in beginning if place not in taken)


def _is_negation(words: Sequence[str], place: int) -> bool:
    known, rest = reading_words(), " ".join(words[place:])
    if known.harmless.match(rest):
        return False
    return words[place] in known.negations or known.no.match(rest) is not None


def _is_denied(words: Sequence[str], phrase: _Phrase) -> bool:
    """Tell whether words before a phrase deny it: "1 no need to change" denies "change"."""
    places = range(max(0, phrase.start - _MAX_REACH_WORDS), phrase.start)
    harmless = reading_words().harmless
    return any(_is_negation(words, place) or harmless.match(" ".join(words[place:])) for place in places)


def _corrects(clause: str, earlier: Sequence[str], others: set[str]) -> bool:
    """Tell whether a clause has the digit of another answer: alone in it, or behind "sorry", "I meant" or the like.

    Args:
        clause: the clause, as it was typed.
        earlier: the words before it.
        others: the digits of other answers.
    """
    known = reading_words()
    around = known.before | known.after | known.corrects | known.announces | known.glue
    for digit, before, after in _digits(clause):
        words = (*earlier, *before)
        if digit in others and (
            around.issuperset((*before, *after)) or not known.corrects.isdisjoint(words[-_MAX_REACH_WORDS:])
        ):
            return True
    return False


def _digits(clause: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield the digits in a clause that count nothing, with the words before and behind; at its end also "three"."""
    for match in _BARE_DIGIT.finditer(clause):
        rest = clause[match.end() :]
        if not is_quantity(match[0], rest):
            yield match[0], fold_phrase(clause[: match.start()]).split(), fold_phrase(rest).split()
    words = fold_phrase(clause).split()
    spelt = reading_words().numbers.get(words[-1]) if words else None
    if spelt is not None and not reading_words().ones.intersection(words[-2:-1]):
        yield spelt, words[:-1], []
