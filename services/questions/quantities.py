"""Quantities: whether a digit at the beginning of a reply counts things, or is part of a time, and so no answer.

"2 nurses were rude", "1 complaint", "3 o'clock" and "1 star" are no answers; "4 nice staff", "1 waited two hours" and
"3 call me" are. Only words directly behind the digit can be counted, not words behind punctuation: "2, nurses were
rude". Measures and times are a list. Any number but 1 counts a word in the plural; 1 counts a singular word before
"was", or one of a few listed words. In doubt the digit is taken to count something, so the reply is unclear.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from services.questions.clauses import CLAUSE_END, WORD
from services.questions.phrases import fold_phrase
from services.questions.reading_words import reading_words

_APART: Final = re.compile(r"\s*[.,;:!?()=|/\"\u2013\u2014\u2026\r\n\u201c\u201d>]|\s+-|-\s")
_MEASURE: Final = re.compile("[*+]|\\s*[$£¢€¥₹%‰°★☆⭐🌟]")
_MARK: Final = re.compile(r"\s*[0-9]{2,3}\s?[/%]")
_MAX_DISTANCE_WORDS: Final = 3
"""Number of words behind a digit in which a plural is counted: "2 very rude nurses"."""


def is_quantity(digit: str, rest: str) -> bool:
    """Tell whether a digit is the quantity of what follows it, or part of a time.

    Args:
        digit: the digit.
        rest: the text behind it, as it was typed.
    """
    if _MEASURE.match(rest):
        return True
    if _APART.match(rest):
        return False
    if reading_words().counted.match(fold_phrase(rest)):
        return True
    words = [word[0] for word in WORD.finditer(CLAUSE_END.split(rest, maxsplit=1)[0])]
    first = words[0] if words else ""
    if first.isdigit():  # "2 30 is fine", but not "1 10/10" and "1 100%"
        return first != digit and not _MARK.match(rest)
    return _counts_one(words) if digit == "1" else _counts_several(words)


def _counts_several(words: Sequence[str]) -> bool:
    """Tell whether one of the first words is in the plural, and all before it may describe it."""
    for number, spelt in enumerate(words[:_MAX_DISTANCE_WORDS]):
        word = fold_phrase(spelt)
        if _is_no_noun(word, spelt, number) or word.endswith(("ed", "ing")):
            return False
        if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
            return True
    return False


def _counts_one(words: Sequence[str]) -> bool:
    """Tell whether the first word is one that 1 counts, or one of the first two stands before a verb."""
    known = reading_words()
    described = list(words)
    while described and fold_phrase(described[0]) in known.counting:
        described.pop(0)
    first = fold_phrase(described[0]) if described else ""
    if first in known.singular or first.endswith(known.endings):
        return True
    for number, (spelt, behind) in enumerate(pairwise(described[:_MAX_DISTANCE_WORDS])):
        word = fold_phrase(spelt)
        if _is_no_noun(word, spelt, number) or word in known.uncounted or word.endswith(("ed", "ing", "ly")):
            return False
        if fold_phrase(behind) in known.verbs:
            return True
    return False


def _is_no_noun(word: str, spelt: str, number: int) -> bool:
    """Tell whether a digit certainly does not count the word behind it: "4 Dr Jones was kind" names somebody."""
    known = reading_words()
    return word in known.plain or word in known.after or word.isdigit() or (number > 0 and spelt.istitle())
