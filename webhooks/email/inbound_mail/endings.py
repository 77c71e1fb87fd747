"""Endings of a person's mail: notices, lists' footers, a signature.

Text that follows only a greeting is never an ending: it is what the person says. Of a person's own lines only the name
at the end is removed, with the farewell above and the job title below. Lines that read as an opt-out or a claim always
stay.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from campaigns.replies.classification import classify_reply
from webhooks.email.inbound_mail.added_lines import (
    ENDINGS,
    MAX_READ_LENGTH,
    is_greeting,
    is_personal,
    speaks_for_itself,
    speaks_of_writer,
)

MAX_NAME_LENGTH: Final = 60
"""Characters of a line with a name in it."""
MAX_SIGNED: Final = 12
"""Lines of a signature."""
MAX_GREETINGS: Final = 40
"""Lines of greetings before what a person says."""
MAX_BELOW: Final = 200
"""Lines below a notice that are read, because a person may have written there."""

_DASHES: Final = re.compile(r"--\s?")
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
    r"(?:\W{0,3}(?:t|m|e|w|f|tel|mob|mobile|phone|email|e-mail|web|fax|ext|ff[oô]n|direct|office|dd|teams)\b\W{0,3})?(?:\+?[\d()\s./-]{6,30}|\S{1,64}@\S{1,100}|(?:https?://|www\.)\S{1,200})(?:\W{1,5}(.{0,60}))?",
    re.IGNORECASE,
)
_ASIDE: Final = re.compile(r"\([^()]{1,30}\)")
_NEWSLETTERS: Final = re.compile(
    r"[|\u00b7\u2022]|\bnewsletters?\b|\bpreferences\b|\bmailing list\b|\bbecause you\b", re.IGNORECASE
)
_SENTENCE_END: Final = re.compile(r"[.!?]\s{1,3}")
_PRONOUNS: Final = re.compile(
    r"\W{0,2}(?:she|he|they|her|him|hers|his|them)(?:\s?/\s?(?:she|he|they|her|him|them|hers|his|theirs)){1,2}\W{0,2}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Compiled patterns of `endings.toml`."""

    notice: re.Pattern[str]
    list: re.Pattern[str]


def without_ending(text: str, names: Collection[str]) -> str:
    """Remove the ending below a person's words: notices, lists' footers, a signature.

    Args:
        text: their words, with the ending.
        names: the words of their name, in lower case.
    """
    lines = text.split("\n")
    greeted = has_words = False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if (has_words and _ends(line, following)) or (greeted and (_DASHES.fullmatch(line) or _is_newsletters(line))):
            lines = [*lines[:number], *_own_below(lines[number:])]
            break
        if (own := _before_footer(line)) is not None:
            lines = [*lines[:number], own, *_own_below(lines[number:])]
            break
        greeted = greeted or any(letter.isalnum() for letter in line)
        has_words = has_words or number >= MAX_GREETINGS or not is_greeting(line)
    return _without_signature("\n".join(_without_signature_above(lines, names)).strip(), names)


def _without_signature_above(lines: Sequence[str], names: Collection[str]) -> Sequence[str]:
    """Remove a signature with more below it: a farewell, a name, contact lines.

    An example is "PS: please stop" below a signature. An empty line or an opt-out has to follow the signature;
    otherwise the name may belong to the person's words.
    """
    has_words = False
    for number, line in enumerate(lines):
        if has_words and _FAREWELL.fullmatch(line.strip(" ,.!-")):
            end = _end_of_signature(lines, number + 1, names)
            if end is not None:
                return [*lines[:number], "", *lines[end:]]
        has_words = has_words or not is_greeting(line)
    return lines


def _end_of_signature(lines: Sequence[str], first: int, names: Collection[str]) -> int | None:
    """Return where the lines of a signature end, from the name on; None if it is no signature, or nothing is below."""
    name = next((number for number in range(first, len(lines)) if lines[number]), len(lines))
    if name == len(lines) or not (_is_name(lines[name], names) or _looks_like_name(lines[name])):
        return None
    end = name + 1
    while end < len(lines) and end - name < MAX_SIGNED and lines[end] and _is_post(lines[end]):
        end += 1
    if not any(lines[end:]) or (lines[end] and classify_reply(lines[end]).reading != "opt_out"):
        return None
    return end


def _looks_like_name(line: str) -> bool:
    words = _WORD.findall(line)
    return 1 <= len(words) <= 4 and all(word[0].isupper() for word in words) and _is_post(line)


def _ends(line: str, following: str) -> bool:
    """Tell whether the ending begins with this line."""
    if _DASHES.fullmatch(line):
        return True
    if _patterns().notice.match(line):
        return not is_personal(line)
    return _is_footer(line, following)


def _is_footer(line: str, following: str = "") -> bool:
    """Tell whether a line begins to say how to leave a list, and is not the writer's own."""
    return (
        _patterns().list.match(f"{line}\n{following}") is not None
        and not speaks_of_writer(line)
        and not is_personal(line)
    )


def _is_newsletters(line: str) -> bool:
    """Tell whether a line is a newsletter's footer by its form alone, even with nothing above it."""
    return _NEWSLETTERS.search(line) is not None and _is_footer(line)


def _before_footer(line: str) -> str | None:
    """Return what stands before a footer on the same line; None if no footer follows a sentence there."""
    if len(line) > MAX_READ_LENGTH:
        return None
    ends = (match.end() for match in _SENTENCE_END.finditer(line))
    at = next((end for end in ends if _is_footer(line[end:])), None)
    return None if at is None else line[:at].rstrip()


def _own_below(lines: Sequence[str]) -> list[str]:
    """Return the lines of an ending that read as an opt-out or a claim, and belong to no footer."""
    below = [line for line in lines[1:] if line][:MAX_BELOW]
    return [line for line in below if is_personal(line) and not _ends(line, "")]


def _without_signature(text: str, names: Collection[str]) -> str:
    """Remove the name at the end, with the farewell before and the contact lines after it; possible answers stay."""
    lines = text.split("\n")
    end = len(lines)
    start = next(
        (
            number
            for number in range(max(1, end - MAX_SIGNED), end)
            if _is_name(lines[number], names) and all(_is_post(line) for line in lines[number + 1 :])
        ),
        end,
    )
    least = max(1, start - MAX_SIGNED)
    while start > least and (not lines[start - 1] or _is_name(lines[start - 1], names)):
        start -= 1
    if start > 1 and _FAREWELL.fullmatch(lines[start - 1].strip(" ,.!-")):
        rest = lines[start:]
        start -= 1 if all(_is_post(line) for line in rest) else 0
    return "\n".join(lines[:start]).strip()


def _is_name(line: str, names: Collection[str]) -> bool:
    """Tell whether a line is the writer's name, perhaps with further parts that their From line leaves out."""
    line = _ASIDE.sub("", line).strip()
    words = _WORD.findall(line)
    if not words or len(line) > MAX_NAME_LENGTH or not {word.casefold() for word in words} & set(names):
        return False
    if {word.casefold() for word in words} <= set(names):
        return not speaks_for_itself(line)  # the owner of stop@… may write STOP
    line = line.strip(" ,.-")
    return (
        len(words) <= 4
        and all(word[0].isupper() for word in words)
        and not re.search(r"[?!:;]|\d", line)
        and _says_nothing(line)
    )


def _is_post(line: str) -> bool:
    """Tell whether a line below a name is a job title, employer or contact detail, and does not read as an answer."""
    if not line or _PRONOUNS.fullmatch(line):
        return True
    contact = _CONTACT.fullmatch(line)
    if contact is not None:
        return not speaks_for_itself(contact[1] or "") and not speaks_for_itself(line)
    words = _WORD.findall(line)
    titled = all(word[0].isupper() or word.casefold() in _SMALL for word in words)
    return len(line) <= 100 and titled and not line.rstrip().endswith(("?", "!")) and _says_nothing(line)


def _says_nothing(line: str) -> bool:
    return classify_reply(line).reading == "unclear" and not re.search(
        r"\b(?:not|no|never|stop|ddim)\b", line, re.IGNORECASE
    )


@cache
def _patterns() -> _Patterns:
    endings = tomllib.loads(ENDINGS.read_text(encoding="utf-8"))
    leave = f"(?:{'|'.join(endings['leave'])})"
    lists = [pattern.replace("{leave}", leave) for pattern in endings["list"]]
    return _Patterns(notice=_lines_of(endings["notice"]), list=_lines_of(lists))


def _lines_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile(
        rf"^\W{{0,4}}(?:{'|'.join(f'(?:{pattern})' for pattern in patterns)})", re.IGNORECASE | re.MULTILINE
    )
