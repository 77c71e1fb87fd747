"""Replies about an answer that was given before: they take it back, correct it, or speak of something else.

The words are data (`answer_corrections.toml`, by language). Only a reply that says nothing else takes an answer back by
itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from campaigns.replies.classification.plain import Plain

TAKE_BACK: Final = "take_back"
"""Reading, and rule, of a reply that takes back the answer given before."""

_MIN_OTHER_WORDS: Final = 4
"""Fewest words, none of them an answer's, that make a reply no attempt at an answer."""
_WORDS: Final = re.compile(r"[^\W_]+(?:[:.]\d+)?")
_MARKS: Final = re.compile("['\u2018\u2019\u02bc`\u00b4]")
_LETTERED: Final = re.compile(r"(?P<words>.+) (?:\d ?)?(?P<letter>[a-z])")
"""Words with a letter, or a digit and a letter, behind them: "undo b", "undo 1b"."""
_OTHER_NUMBER: Final = re.compile(r"\d{2,}.*|\d+[:.]\d+|\d+(?:am|pm|st|nd|rd|th)")


@dataclass(frozen=True, slots=True)
class _Known:
    """Patterns by language: a whole reply, the beginning of a correction, and words that may mean either."""

    whole: re.Pattern[str]
    corrects: re.Pattern[str]
    maybe: re.Pattern[str]


@cache
def _known() -> _Known:
    languages = list(tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).values())

    def one_of(key: str) -> str:
        return f"(?:{'|'.join(phrase for data in languages for phrase in data[key])})"

    beside = f"(?:{one_of('beside')} )*"
    return _Known(
        whole=re.compile(rf"{beside}{one_of('takes_back')}(?: {one_of('beside')})*"),
        corrects=re.compile(rf"\W*(?:{one_of('before')}\W+)*(?:{one_of('corrects')})\W+", re.IGNORECASE),
        maybe=re.compile(rf"\b{one_of('maybe')}\b"),
    )


def takes_back(plain: Plain) -> bool:
    """Tell whether a normalised reply takes back an answer and says nothing else: "I take that back", "undo B"."""
    return taken_back_letter(plain) is not None


def taken_back_letter(plain: Plain) -> str | None:
    """Return the letter of the question whose answer a normalised reply takes back, "B" of "undo B".

    Returns:
        The letter, upper case; "" if it names none, and None if it takes no answer back, or says more.
    """
    whole = _known().whole
    if whole.fullmatch(plain.words):
        return ""
    lettered = _LETTERED.fullmatch(plain.words)
    return lettered["letter"].upper() if lettered is not None and whole.fullmatch(lettered["words"]) else None


def corrected(text: str) -> str:
    """Return the rest of a reply that begins with a correction, "1" of "Sorry, I meant 1"; "" if it does not."""
    match = _known().corrects.match(_MARKS.sub("", text))
    return "" if match is None else _MARKS.sub("", text)[match.end() :].strip()


def may_take_back(text: str) -> bool:
    """Tell whether a reply has words that may take back or correct an answer."""
    return _known().maybe.search(" ".join(_words(text))) is not None


def says_something_else(text: str, offered: Iterable[str]) -> bool:
    """Tell whether a reply clearly is no attempt at an answer: "I'll be 10 minutes late", "what time?".

    Args:
        text: the reply, which could not be read as an answer.
        offered: the phrases and digits that are answers.
    """
    words = _words(text)
    sentence = f" {' '.join(words)} "
    tries = any(f" {phrase} " in sentence for phrase in offered) or any(
        len(word) == 1 and word.isdigit() for word in words
    )
    if "?" in text:
        return not tries or len(words) >= _MIN_OTHER_WORDS
    return not tries and (len(words) >= _MIN_OTHER_WORDS or any(_OTHER_NUMBER.fullmatch(word) for word in words))


def _words(text: str) -> list[str]:
    return _WORDS.findall(_MARKS.sub("", text).casefold())
