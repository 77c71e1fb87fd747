"""Lines that programs and employers add around a person's words: banners, signatures, notices, lists' footers.

Of a person's own lines only the name at the end goes, with the farewell above it and the post below it; and only where
they say nothing that is read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from campaigns.reading import read_reply

PROGRAMS: Final = Path(__file__).with_name("quotes.toml")
ENDINGS: Final = Path(__file__).with_name("endings.toml")
LONGEST_BANNER: Final = 500
"""Characters of a line that a server adds."""
LONGEST_NAME: Final = 60
"""Characters of a line with a name in it."""
MOST_SENT_FROM: Final = 12
"""Words of "Sent from my telephone"."""
MOST_SIGNED: Final = 12
"""Lines of a signature."""

_DASHES: Final = re.compile(r"^--\s?$", re.MULTILINE)
_PROGRAMS: Final = re.compile(
    r"\W{0,4}(?:yahoo mail|aol mail|proton mail|sent (?:from|via|by)|get outlook for|anfonwyd (?:o|gan)"
    r"|wedi'?i anfon o)\b.{0,60}",
    re.IGNORECASE,
)
_FAREWELL: Final = re.compile(
    r"(?:(?:many|kind|best|warm|kindest|warmest|with)\s+){0,2}(?:regards|wishes|thanks|thank you|cheers|ta|sincerely"
    r"|rgds|yours(?: sincerely| faithfully)?|all the best|best|in solidarity|solidarity"
    r"|diolch(?: yn fawr)?|cofion(?: gorau| cynnes)?|hwyl|yn gywir|mewn undod)",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_SMALL: Final = frozenset(
    {"of", "and", "the", "for", "in", "at", "to", "on", "a", "an", "i", "o", "y", "yr", "ar", "de", "la", "von", "van"}
)
_CONTACT: Final = re.compile(
    r"(?:\W{0,3}(?:t|m|e|w|f|tel|mob|mobile|phone|email|e-mail|web|fax|ext|ff[oô]n|direct|office|dd|teams)\b\W{0,3})?(?:\+?[\d()\s./-]{6,30}|\S{1,64}@\S{1,100}|(?:https?://|www\.)\S{1,200})(?:\W{1,5}.{0,60})?",
    re.IGNORECASE,
)
_ASIDE: Final = re.compile(r"\([^()]{1,30}\)")
_PRONOUNS: Final = re.compile(
    r"\W{0,2}(?:she|he|they|her|him|hers|his|them)(?:\s?/\s?(?:she|he|they|her|him|them|hers|his|theirs)){1,2}\W{0,2}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Lines that are nobody's words: see `endings.toml`; and "Sent from" with the name of a program."""

    banner: re.Pattern[str]
    notice: re.Pattern[str]
    list: re.Pattern[str]
    sent_from: re.Pattern[str]
    brand: re.Pattern[str]


def without_banners(text: str) -> str:
    """Take out what servers put above a mail from elsewhere, and "Sent from my telephone"."""
    banner = _patterns().banner
    kept = [line for line in text.split("\n") if not (len(line) <= LONGEST_BANNER and banner.fullmatch(line))]
    return "\n".join(line for line in kept if not _is_sent_from(line)).strip()


def without_ending(text: str, names: Collection[str]) -> str:
    """Take off what stands below a person's words: notices, lists' footers, a signature.

    Args:
        text: their words, and what stands below.
        names: what they are called, in lower case.
    """
    for end in (_DASHES, _patterns().notice, _patterns().list):
        cut = end.search(text)
        if cut is not None and text[: cut.start()].strip():
            text = text[: cut.start()]
    return _without_signature(text.strip(), names)


def _is_sent_from(line: str) -> bool:
    if not line or len(line) > 120:
        return False
    if _PROGRAMS.fullmatch(line):
        return True
    said = _patterns()
    return len(line.split()) <= MOST_SENT_FROM and bool(said.sent_from.match(line) and said.brand.search(line))


def _without_signature(text: str, names: Collection[str]) -> str:
    """Without the name at the end, the farewell before it and the post after it; what may be an answer stays."""
    lines = text.split("\n")
    end = len(lines)
    start = next(
        (
            number
            for number in range(max(1, end - MOST_SIGNED), end)
            if _is_name(lines[number], names) and all(_is_post(line) for line in lines[number + 1 :])
        ),
        end,
    )
    while start > 1 and (not lines[start - 1] or _is_name(lines[start - 1], names)):
        start -= 1
    if start > 1 and _FAREWELL.fullmatch(lines[start - 1].strip(" ,.!-")):
        rest = lines[start:]
        start -= 1 if all(_is_post(line) for line in rest) else 0
    return "\n".join(lines[:start]).strip()


def _is_name(line: str, names: Collection[str]) -> bool:
    """Whether a line is the writer's name, with other parts of it that their From line may leave out."""
    line = _ASIDE.sub("", line).strip()
    words = _WORD.findall(line)
    if not words or len(line) > LONGEST_NAME or not {word.casefold() for word in words} & set(names):
        return False
    if {word.casefold() for word in words} <= set(names):
        return True
    line = line.strip(" ,.-")
    return (
        len(words) <= 4
        and all(word[0].isupper() for word in words)
        and not re.search(r"[?!:;]|\d", line)
        and _says_nothing(line)
    )


def _is_post(line: str) -> bool:
    """Whether a line below a name is what people do, where, and how to reach them; never what is read as an answer."""
    if not line or _CONTACT.fullmatch(line) or _PRONOUNS.fullmatch(line):
        return True
    words = _WORD.findall(line)
    titled = all(word[0].isupper() or word.casefold() in _SMALL for word in words)
    return len(line) <= 100 and titled and not line.rstrip().endswith(("?", "!")) and _says_nothing(line)


def _says_nothing(line: str) -> bool:
    return read_reply(line).reading == "unclear" and not re.search(
        r"\b(?:not|no|never|stop|ddim)\b", line, re.IGNORECASE
    )


@cache
def _patterns() -> _Patterns:
    programs = tomllib.loads(PROGRAMS.read_text(encoding="utf-8"))
    endings = tomllib.loads(ENDINGS.read_text(encoding="utf-8"))
    leave = f"(?:{'|'.join(endings['leave'])})"
    lists = [pattern.replace("{leave}", leave) for pattern in endings["list"]]
    return _Patterns(
        banner=re.compile("|".join(f"(?:{one})" for one in endings["banner"]), re.IGNORECASE),
        notice=_lines_of(endings["notice"]),
        list=_lines_of(lists),
        sent_from=re.compile(
            rf"\W{{0,4}}(?:{_any(programs['sent_from'])})(?!\w)|.{{0,40}}(?:から送信|gönderildi|küldve)", re.IGNORECASE
        ),
        brand=re.compile(rf"(?<!\w)(?:{_any(programs['brands'])})(?!\w)", re.IGNORECASE),
    )


def _lines_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"^\W{{0,4}}(?:{'|'.join(f'(?:{one})' for one in patterns)})", re.IGNORECASE | re.MULTILINE)


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))
