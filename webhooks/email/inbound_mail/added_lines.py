"""Lines that mail programs and employers add to a person's mail: banners, and "Sent from my telephone".

A line counts as added only if it has such a form, and does not speak for the writer. A line that reads as an opt-out or
a claim by itself stays the writer's, unless it is clearly about links, attachments or confidentiality.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from campaigns.replies.classification import GENERAL, READINGS, classify_reply

ENDINGS: Final = Path(__file__).with_name("endings.toml")
MAX_BANNER_LENGTH: Final = 500
"""Characters of a line that a server adds."""
MAX_SENT_FROM_LENGTH: Final = 160
"""Characters of a line such as "Sent from my telephone"."""
MAX_READ_LENGTH: Final = 1000
"""Characters of a line that are classified."""

_OF_THE_WRITER: Final = re.compile(
    r"(?<![\w'\u2019-])(?:i|i['\u2019](?:m|ve|ll|d)|me|my|mine|myself|dwi|dw|rwyf|rwy|fi|fy)(?![\w-])"
    r"|\b(?:does|did|do|is|wo|wi|ca)(?:n['\u2019]?t|nnot| not| nothing) (?:work|help|open|load)|\bbroken\b",
    re.IGNORECASE,
)
"""Words by which people speak of themselves, or of a link that does not work; footers do neither."""
_FURNITURE: Final = re.compile(
    r"\b(?:external|outside|originat\w{1,4}|sender|links?|attachments?|click|phishing|confidential|privileged|addressee"
    r"|recipient|disclaimer|visit|cyfrinachol|subscribed|(?:un-?)?subscribe (?:here|below|link)"
    r"|opt[ -]?out (?:here|below)|newsletters?"
    r"|(?:manage|update|change|your) (?:e-?mail |subscription )?(?:preferences|settings)"
    r"|you(?:['\u2019]re| are)? (?:receiv|get)\w{0,4} th(?:is|ese))\b|https?:|www\.|@|\||[\u00b7\u2022]"
    r"|\?\s{0,3}(?:you can |please |then ){0,2}(?:un-?subscribe|opt[ -]?out)\b",
    re.IGNORECASE,
)
"""Words and characters of added lines that no answer has."""
_GREETING: Final = re.compile(
    r"\W{0,3}(?:hi|hello|hey|hiya|dear|good (?:morning|afternoon|evening)|morning|afternoon|helo|annwyl|bore da)"
    r"\b(?:[ ,!-]{1,3}[^\W\d_][\w'\u2019.-]{0,20}){0,4}\W{0,3}",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(r"\?(?=[\s\"'\u2019\u201d)]|$)")
"""A question mark that is not in a link."""
_HEAD: Final = re.compile(r"\W{0,4}[^\W\d_]{1,20}(?: [^\W\d_]{1,15}){0,2} ?:\s.*|.*[:\uff1a]", re.IGNORECASE)
_LINK: Final = re.compile(r"\s?[<(\[]?(?:https?://|www\.)[^\s<>\"]{1,200}[>)\]]?\.?$")
_IN_SENT_FROM: Final = ("sent_joined", "sent", "from", "my", "get", "for", "program", "device")
_IN_BRACES: Final = re.compile(r"\{([a-z_]+)\}")
_EXCUSE: Final = (
    r"(?:(?:please |so |and )?(?:excuse|forgive|pardon|ignore|sorry|apologies)\b.{0,60}|my (?:brevity|typos)\b.{0,30})?"
)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Compiled patterns of `endings.toml`."""

    banner: re.Pattern[str]
    warning: re.Pattern[str]
    tag: re.Pattern[str]
    sent_from: re.Pattern[str]


def without_added(lines: Sequence[str]) -> list[str]:
    """Remove the lines that servers put above mail from outside, and lines like "Sent from my telephone".

    Args:
        lines: the lines of a mail, stripped.
    """
    left, top = list[str](), True
    for line in map(_without_tag, lines):
        if _is_banner(line, top=top) or _is_sent_from(line):
            continue
        left.append(line)
        if line:
            top = _is_above(line)
    return left


def is_greeting(text: str) -> bool:
    """Tell whether a text is only a greeting, or empty."""
    if not any(char.isalnum() for char in text):
        return True
    return _GREETING.fullmatch(text.strip()) is not None and not speaks_for_itself(text)


def speaks_for_itself(line: str) -> bool:
    """Tell whether a line, by itself, reads as an opt-out or an answer."""
    return classify_reply(line.strip()[:MAX_READ_LENGTH]).reading in {"opt_out", *(READINGS - GENERAL)}


def is_personal(line: str) -> bool:
    """Tell whether a line that looks added still speaks for the writer: they want, or say, something in it."""
    return speaks_for_itself(line) and (speaks_of_writer(line) or not _FURNITURE.search(line))


def speaks_of_writer(line: str) -> bool:
    """Tell whether a line has a word for "I" or "me", or says that something does not work."""
    return _OF_THE_WRITER.search(line) is not None


def any_of(words: Iterable[str]) -> str:
    """Build a pattern that matches any of these words, the longest first."""
    return "|".join(sorted(words, key=len, reverse=True))


def _is_banner(line: str, *, top: bool) -> bool:
    """Tell whether a server added a line: it asks nothing; and if people may write it too, it is at the top."""
    if not line or len(line) > MAX_BANNER_LENGTH or _ASKS.search(line):
        return False
    if not (_patterns().banner.fullmatch(line) or (top and _patterns().warning.fullmatch(line))):
        return False
    return not speaks_of_writer(line) and not is_personal(line)


def _without_tag(line: str) -> str:
    """Remove what a server put before a person's words on the same line: "[EXTERNAL] STOP"."""
    tag = _patterns().tag.match(line) if len(line) <= MAX_BANNER_LENGTH else None
    rest = line[tag.end() :] if tag is not None else ""
    if tag is None or not any(char.isalnum() for char in rest):
        return line
    return rest if "]" in tag[0] or speaks_for_itself(rest) else line


def _is_above(line: str) -> bool:
    """Tell whether the line after this one is still at the mail's top: after a greeting, a drawn line or a header."""
    return line.startswith(">") or is_greeting(line) or _HEAD.fullmatch(line) is not None


def _is_sent_from(line: str) -> bool:
    if not line or len(line) > MAX_SENT_FROM_LENGTH:
        return False
    sent_from = _patterns().sent_from
    bare = _LINK.sub("", line).rstrip()
    return bool(sent_from.fullmatch(bare) or sent_from.fullmatch(line)) and not speaks_for_itself(bare)


@cache
def _patterns() -> _Patterns:
    data = tomllib.loads(ENDINGS.read_text(encoding="utf-8"))
    more = any_of([*data["after"], *data["device"], *data["program"]])
    words = {name: f"(?:{any_of(data[name])})" for name in _IN_SENT_FROM}
    words["inflected"] = f"(?<![a-z]){words['program']}"
    words["program"] = rf"(?<![a-z]){words['program']}(?:['\u2019-][^\W\d_]{{1,8}})?(?![a-z])"
    words["link"] = r"\s?[<(\[](?:https?://|www\.)[^\s<>\"]{1,200}[>)\]]?"
    words["end"] = rf"(?:,? (?:{more}|[a-z]{{0,2}}\d[\w.+]{{0,5}}(?: \d\w?)?)(?!\w)){{0,8}}\W{{0,3}}{_EXCUSE}"
    sent_from = [_IN_BRACES.sub(lambda brace: words[brace[1]], pattern) for pattern in data["sent_from"]]
    return _Patterns(
        banner=_any_pattern(data["banner"]),
        warning=_any_pattern(data["warning"]),
        tag=_any_pattern(data["tag"]),
        sent_from=_any_pattern(sent_from),
    )


def _any_pattern(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
