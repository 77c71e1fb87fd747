"""Count the segments of an SMS, split it as networks do, and sanitise its characters.

GSM 03.38 packs 160 septets into one SMS, 153 into each part of a longer one; a text with any other character is UCS-2:
70 and 67 UTF-16 code units (3GPP TS 23.038 and 23.040). Count *after* personalisation and `sanitise`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["gsm7", "ucs2"]

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Characters that are sent as an escape and a character: two septets."""
GSM7: Final = _BASIC | _EXTENDED
MAX_TEXT_LENGTH: Final = 1600
"""Most characters of a text that providers take, after `sanitise`."""
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")

_ALONE: Final[dict[Encoding, int]] = {"gsm7": 160, "ucs2": 70}
_IN_PARTS: Final[dict[Encoding, int]] = {"gsm7": 153, "ucs2": 67}


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of a text.

    Attributes:
        encoding: its encoding on the network.
        segments: how many SMS it is billed as; an empty text counts as one.
        units: its length: septets in GSM-7, UTF-16 code units in UCS-2.
    """

    encoding: Encoding
    segments: int
    units: int


def count(text: str) -> Segments:
    """Count the segments of a text, without changing it."""
    chars = set(text)
    encoding: Encoding = "gsm7" if chars <= GSM7 else "ucs2"
    doubles = chars & _EXTENDED if encoding == "gsm7" else _ASTRAL.search(text) and set(_ASTRAL.findall(text))
    units = len(text) + sum(map(text.count, doubles or ()))
    if units <= _ALONE[encoding]:
        return Segments(encoding, 1, units)
    if doubles:  # a pair that would straddle two parts moves to the next, and leaves a unit unused
        return Segments(encoding, _parts(text, encoding), units)
    return Segments(encoding, -(-units // _IN_PARTS[encoding]), units)


def beyond_gsm7(text: str) -> str:
    """Return the characters that make a text UCS-2, each once, in order; "" if there are none."""
    return "".join(dict.fromkeys(char for char in text if char not in GSM7))


def _parts(text: str, encoding: Encoding) -> int:
    room = _IN_PARTS[encoding]
    parts, used = 1, 0
    for char in text:
        size = 2 if (char in _EXTENDED if encoding == "gsm7" else char > "\uffff") else 1
        if used + size > room:
            parts, used = parts + 1, 0
        used += size
    return parts


# Characters that word processors, spreadsheets and chat programs put in place of the typed ones. No letters are here: a
# name is sent as it is spelt, and a text with ŵ or ŷ is counted as UCS-2. Signs that look like one of GSM-7 are here
# where they mean the same; ½ is not: after a number, 1/2 would make another number.
_TYPED: Final[dict[str, str]] = (
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\u00b4`", "'")
    # O\u02bcBrien is an O'Brien typed on a telephone; other modifier letters (the \u02bbokina) are letters of names
    | dict.fromkeys("\u02bc\u275b\u275c\uff07\uff40", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb", '"')
    | dict.fromkeys("\u02dd\u275d\u275e\u301d\u301e\u301f\uff02", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d", "-")
    | dict.fromkeys("\u2044\u2215\u29f8", "/")
    | dict.fromkeys("\u2216\u29f5\u29f9", "\\")
    | dict.fromkeys("\u2223\u23d0", "|")
    | dict.fromkeys("\u204e\u2217", "*")
    | dict.fromkeys("\u02dc\u223c", "~")
    | dict.fromkeys("\u2236", ":")
    | {"\u02c6": "^", "\u2024": ".", "\u2025": ".."}
    | dict.fromkeys("\u2022\u2023\u25aa\u25cf\u25e6\uf0b7", "-")  # U+F0B7 is the bullet of Word's Symbol font
    | dict.fromkeys(
        "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
    )
    | dict.fromkeys("\v\u2028\u2029", "\n")
    | dict.fromkeys("\u00ad\u034f\u061c\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff\ufff9\ufffa\ufffb", "")
    | {"\u2026": "...", "\u00a9": "(c)", "\u00ae": "(R)", "\u2122": "(TM)"}
    | {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"}
    # Windows-1252 that was read as Latin-1 on its way here
    | {
        "\x80": "€",
        "\x85": "...",
        "\x91": "'",
        "\x92": "'",
        "\x93": '"',
        "\x94": '"',
        "\x95": "-",
        "\x96": "-",
        "\x97": "-",
    }
)
_CONTROLS: Final = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - set("\n\r\f") - _TYPED.keys()
_DIRECTION: Final = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS: Final = set("\u200c\u200d")
_CLASS: Final = "".join(map(re.escape, sorted(_TYPED.keys() | _CONTROLS | _DIRECTION | _JOINERS))) + "\ud800-\udfff"
_SUSPECT: Final = re.compile(f"\r\n?|[{_CLASS}]")
_SUSPECT_ASCII: Final = re.compile(r"[\x00-\x09\x0b\x0d-\x1f`\x7f]")
_CLUSTER: Final = re.compile(r".[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]*", re.DOTALL)
"""Matches a letter and the combining accents that follow it."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """Replacement of one kind of character.

    Attributes:
        original: the characters that were there.
        put: its replacement; empty if it was removed.
        times: how often.
    """

    original: str
    put: str
    times: int

    @property
    def name(self) -> str:
        """Unicode name of the original, for staff."""
        names = (unicodedata.name(char, "").lower() or f"control character U+{ord(char):04X}" for char in self.original)
        return " with ".join(names)


@dataclass(frozen=True, slots=True)
class SanitisedText:
    """Sanitised text, and the replacements that were made."""

    text: str
    replaced: tuple[Replacement, ...]


def sanitise(text: str) -> SanitisedText:
    """Replace the characters that word processors put into a text, and no others.

    Curly quotes, dashes, ellipses, odd spaces, tabs, bullets and ligatures become the typed characters; invisible
    characters are removed, except where a script or an emoji needs them; decomposed accents are composed. Names keep
    every letter.
    """
    if text.isascii():
        if not _SUSPECT_ASCII.search(text):
            return SanitisedText(text, ())
    elif unicodedata.is_normalized("NFC", text) and not _SUSPECT.search(text):
        return SanitisedText(text, ())
    seen: Counter[tuple[str, str]] = Counter()
    cleaned, before = _clean(_compose(text, seen), seen), text
    while cleaned != before:  # removing a character may join an accent with its letter
        cleaned, before = _clean(_compose(cleaned, seen), seen), cleaned
    return SanitisedText(cleaned, tuple(Replacement(original, put, times) for (original, put), times in seen.items()))


def _clean(text: str, seen: Counter[tuple[str, str]]) -> str:
    def put(match: re.Match[str]) -> str:
        new = _in_place_of(match)
        if new != match[0]:
            seen[match[0], new] += 1
        return new

    return _SUSPECT.sub(put, text)


def _compose(text: str, seen: Counter[tuple[str, str]]) -> str:
    """Compose a text to NFC: the same to a reader, in fewer characters (an é of two is not GSM-7, an é of one is)."""
    composed = unicodedata.normalize("NFC", text)
    if composed != text:
        counted = seen.total()
        for original in _CLUSTER.findall(text):
            if (put := unicodedata.normalize("NFC", original)) != original:
                seen[original, put] += 1
        if seen.total() == counted:  # it composed across clusters: counted as one replacement of the whole text
            seen[text, composed] += 1
    return composed


def _in_place_of(match: re.Match[str]) -> str:
    char = match[0]
    if char in _JOINERS:
        # ZWJ and ZWNJ shape Arabic and Indic scripts and join emoji; elsewhere they were pasted by accident
        before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
        return char if before > "\u036f" and after > "\u036f" and before not in _TYPED and after not in _TYPED else ""
    if char in _DIRECTION:
        return char if _has_right_to_left(match.string) else ""
    if char[0] == "\r":
        return "\n"
    return _TYPED.get(char, "")


def _has_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(char) in {"R", "AL"} for char in text)
