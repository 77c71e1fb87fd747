"""What a person wrote in their answer, without the mail they answer, signatures and footers.

Where a quoted mail begins is known to `mail-parser-reply`, in English and what we add in Welsh. Nothing is cut that
might say something: of a mail's end only the writer's own name, and lines that programs and employers add.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final

from mailparser_reply import EmailMessage

LONGEST: Final = 6000
"""Characters in which a quoted mail's beginning is looked for; the reading looks at the first 4,000."""
LONGEST_LINE: Final = 160
"""Longer lines cannot be such a beginning, and patterns over them would take long."""

_QUOTED: Final = r"(?:> ?)*"
_WELSH: Final = (
    rf"^({_QUOTED}Ar\s(?:.+?\s?.+?)\s?(?:ysgrifennodd|ysgrifenodd)(?:\s[^\n]{{1,80}})?:)$",
    rf"^({_QUOTED}Ysgrifennodd\s[^\n]{{1,150}}:)$",
    rf"((?:(?:^|\n|\n{_QUOTED})[* ]*(?:Oddi wrth|Oddiwrth|O|Anfonwyd|At|Pwnc|Testun|Dyddiad|Cc):[ *]*.*){{2,}})",
    r"^(-{3,} ?(?:Neges Wreiddiol|Original Message|Forwarded message) ?-{3,})$",
    r"^(_{20,})$",  # the line Outlook draws
)
_DASHES: Final = re.compile(r"^--\s?$", re.MULTILINE)
_FOOTERS: Final = re.compile(
    r"^(?:\W{0,4}(?:sent from|sent via|sent by|get outlook for|anfonwyd o|anfonwyd gan|wedi'?i anfon o)\b.{0,60}"
    r"|\W{0,4}(?:yahoo mail|aol mail|proton mail)\b.{0,60})$",
    re.IGNORECASE,
)
_LEGAL: Final = re.compile(
    r"^\W{0,4}(?:(?:this|the information in this|the contents of this) (?:e-?mail|message|communication)\b.{0,90}"
    r"(?:confidential|privileged|intended|subject to)|(?:legal )?disclaimer\b|confidentiality (?:notice|note)\b"
    r"|mae'?r (?:e-?bost|neges) h(?:wn|on)\b.{0,90}(?:cyfrinachol|bwriadu))",
    re.IGNORECASE | re.MULTILINE,
)
_FAREWELL: Final = re.compile(
    r"(?:(?:many|kind|best|warm|kindest|with)\s+){0,2}(?:regards|wishes|thanks|thank you|cheers|ta|sincerely"
    r"|yours(?: sincerely| faithfully)?|all the best|best|in solidarity|solidarity"
    r"|diolch(?: yn fawr)?|cofion(?: gorau| cynnes)?|hwyl|yn gywir|mewn undod)",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"[^\W\d_]+")
_RE: Final = re.compile(r"(?:\s*(?:re|aw|sv|vs|atb|ateb|fw|fwd|wg)\s*(?:\[\d{1,3}\])?\s*[:\uff1a])+\s*", re.IGNORECASE)


class _Quoting(EmailMessage):  # type: ignore[misc]
    """The library's patterns of where a quoted mail begins, with ours."""

    @property
    def HEADER_REGEX(self) -> re.Pattern[str]:  # noqa: N802  # the library's name
        english: str = super().HEADER_REGEX.pattern
        return re.compile("|".join((english, *_WELSH)), re.MULTILINE | re.IGNORECASE)


def own_words(text: str, names: Collection[str] = ()) -> str:
    """What the person wrote themself.

    Args:
        text: a mail's text.
        names: what they are called: words of the From line, in any case.

    Returns:
        It, stripped; "" where all of it is quoted.
    """
    lines = [line.strip() for line in text[:LONGEST].replace("\u00a0", " ").split("\n")]
    text = "\n".join(lines)
    found = _beginnings().search(_shortened(lines))
    if found is not None and text[: found.start()].strip():
        text = text[: found.start()]
    elif found is not None:  # they write below what they quote
        text = text[found.end() :]
    kept = [line for line in text.split("\n") if not line.startswith(">") and not _FOOTERS.match(line)]
    text = "\n".join(kept)
    for end in (_DASHES, _LEGAL):
        cut = end.search(text)
        if cut is not None and text[: cut.start()].strip():
            text = text[: cut.start()]
    return _without_name(text.strip(), {name.casefold() for name in names})


def words_of_subject(subject: str) -> str:
    """What a subject says of its own; "" where it only repeats that of a mail."""
    return "" if _RE.match(subject) else subject.strip()


def without_re(subject: str) -> str:
    """A subject without the `Re:` before it, of which there may be several."""
    found = _RE.match(subject)
    return subject if found is None else subject[found.end() :]


def names_of(*said: str) -> set[str]:
    """The words of a name, or of what stands before the @ of an address."""
    return {word.casefold() for text in said for word in _WORDS.findall(text.partition("@")[0]) if len(word) > 1}


def _without_name(text: str, names: Collection[str]) -> str:
    """Without the name at the end, and the farewell before it; anything else at the end may be an answer."""
    lines = text.split("\n")
    end = len(lines)
    for _ in range(3):
        words = {word.casefold() for word in _WORDS.findall(lines[end - 1])} if end > 1 else set()
        if end > 1 and (not lines[end - 1] or (words and words <= set(names) and len(lines[end - 1]) <= 60)):
            end -= 1
    while end > 1 and not lines[end - 1]:
        end -= 1
    if end > 1 and _FAREWELL.fullmatch(lines[end - 1].strip(" ,.!-")):
        end -= 1
    return "\n".join(lines[:end]).strip()


def _shortened(lines: list[str]) -> str:
    """The same text, character for character, with nothing in lines that are too long to matter."""
    return "\n".join(line if len(line) <= LONGEST_LINE else "x" * len(line) for line in lines)


@cache
def _beginnings() -> re.Pattern[str]:
    return _Quoting("", ["en"]).HEADER_REGEX
