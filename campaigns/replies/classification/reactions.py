"""Reactions: emoji put on our message, which phones and mail programs turn into a text or mail of its own.

Such a text names the action and repeats our message: `Liked “Have you voted? Reply STOP to opt out”`. The words for
the action come from the program, in the language of the phone (`reactions.toml`); an emoji may stand for them. It is no
reaction if a member has written anything else beside it, or if the text in quotation marks is theirs (`classify`).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from core.folding import fold

WORDS: Final = Path(__file__).with_name("rules") / "reactions.toml"
MAX_WORDS_AROUND: Final = 10
"""Most words around the repeated message."""
MAX_TEXT_LENGTH: Final = 4000
"""Characters of a text that are looked at."""

OPENING: Final = '"“„‟«»\u2039「『❝'
CLOSING: Final = '"”“»«\u203a«」』❞‟'
_REPEATED: Final = re.compile(rf"[{OPENING}](?:.*[{CLOSING}]|.*)", re.DOTALL)
_WORD: Final = re.compile("(?:[^\\W\\d_]|[\u064b-\u0652\u0900-\u0dff\u0e00-\u0eff])+")  # with combining vowels
_JOINED: Final = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{2}")
_BY_GMAIL: Final = re.compile(
    r"((?P<sign>\S{1,12})\s+[^\n<>]{1,160}?)\s*<?https://www\.google\.com/gmail/about/\?\S{0,300}emojireaction\S{0,60}"
)
"""Reaction by Gmail in any language: an emoji, a line that says who reacted, and a link that only such mails have."""
_JOINERS: Final = re.compile("[\u200a-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufe0f]")
_APOSTROPHES: Final = re.compile("['\u2019\u02bc]")


@dataclass(frozen=True, slots=True)
class _Words:
    """Vocabulary of reactions.

    Attributes:
        verbs: words for the action.
        joined: words for the action in scripts without spaces between words.
        beside: words that may stand with them.
        whole: pattern for reactions that repeat no message.
    """

    verbs: frozenset[str]
    joined: frozenset[str]
    beside: frozenset[str]
    whole: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Reaction:
    """Text that has the form of a reaction.

    Attributes:
        repeated: the part that repeats a message; the whole text if it repeats none.
        named: whether words name the action, as only programs write, not just an emoji.
    """

    repeated: str
    named: bool


def find_reaction(text: str) -> Reaction | None:
    """Parse a text, or a mail's own words, that has the form of a reaction and nothing else; None for any other.

    A member may write in that form, too (`"STOP" 🙏`), so the repeated part has to be checked.

    Args:
        text: as received.
    """
    text = _JOINERS.sub("", text[:MAX_TEXT_LENGTH]).strip()
    words = _load()
    if words.whole.fullmatch(" ".join(text.split())):
        return Reaction(text, named=True)
    if (by_gmail := _BY_GMAIL.fullmatch(text)) and _has_picture(by_gmail["sign"]):
        return Reaction(by_gmail[1], named=True)
    repeated = _REPEATED.search(text)
    if repeated is None or len(_WORD.findall(repeated[0])) == 0:
        return None
    around = f"{text[: repeated.start()]} {text[repeated.end() :]}"
    beside = [fold(word) for word in _WORD.findall(_APOSTROPHES.sub("", around))]
    if len(beside) > MAX_WORDS_AROUND or "?" in around:
        return None
    done = [any(verb in word for verb in words.joined) or word in words.verbs for word in beside]
    known = all(verb or word in words.beside for verb, word in zip(done, beside, strict=True))
    if not known or not (any(done) or _has_picture(around)):
        return None
    return Reaction(repeated[0], named=any(done))


def _has_picture(text: str) -> bool:
    return any(unicodedata.category(letter) == "So" for letter in text)


@cache
def _load() -> _Words:
    data = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    verbs, beside = (frozenset(fold(word) for word in data[key].split()) for key in ("verbs", "beside"))
    joined = frozenset(word for word in verbs if _JOINED.match(word))
    return _Words(
        verbs, joined, beside, re.compile("|".join(f"(?:{pattern})" for pattern in data["whole"]), re.IGNORECASE)
    )
