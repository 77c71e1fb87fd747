"""Control characters that command a terminal or reorder text: strangers' are removed, those in staff's files refused.

Anybody who can text or mail an organisation chooses what its staff see: an escape sequence clears lines, sets titles
and fills a clipboard (OSC 52), C1 characters do the same in one byte, and a bidirectional override shows words
backwards.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_REPLACED: Final = "\ufffd"
_SEQUENCE: Final = re.compile(
    "(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]{0,4000}(?:\x07|\x1b\\\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    "|(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI
    "|\x1b[ -/]{0,8}[0-~]"
)
"""Whole escape sequences (ECMA-48), with what they carry."""
_DANGEROUS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
_BECOMES: Final = dict.fromkeys("\x0b\x0c\x85\u2028\u2029", "\n") | dict.fromkeys(
    "\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""
)
_PLAIN_CONTROLS: Final = frozenset(map(ord, "\t\n\r"))
HIDDEN: Final = (
    frozenset(
        [
            *range(0x20), *range(0x7F, 0xA0), 0x061C, 0x180E, 0x200B, *range(0x2028, 0x202F),
            *range(0x2060, 0x2070), 0xFEFF,
            *range(0xFFF9, 0xFFFC), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B),
            0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0,  # letters and accents that are not seen
        ]
    )
    - _PLAIN_CONTROLS
)  # fmt: skip
"""Characters that nobody sees, or that turn other words over. Joiners and marks of direction are not among them, nor is
the soft hyphen: scripts, emojis and long words need them."""
_TAGS: Final = frozenset(range(0xE0000, 0xE0080))
_SURROGATES: Final = range(0xD800, 0xE000)
_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""Flags of Wales, Scotland and the like: invisible letters behind a black flag."""


def refused_control(text: str) -> str | None:
    """Find a character in words of staff that nobody sees or that turns other words over, and name it.

    Returns:
        For example `U+202E (right-to-left override)`; None if there is none. Tabs and line ends are allowed, and so are
        joiners and marks that scripts and emojis need.
    """
    if text.isprintable() and text.isascii():
        return None
    for sign in _FLAG.sub("", text):
        if ord(sign) in HIDDEN or ord(sign) in _TAGS or ord(sign) in _SURROGATES:
            name = unicodedata.name(sign, "control character").lower()
            return f"U+{ord(sign):04X} ({name})"
    return None


def is_blank(text: str) -> bool:
    """Tell whether nobody would see anything of a text: it has spaces and invisible characters alone."""
    return all(unicodedata.category(sign)[0] in {"C", "Z"} or ord(sign) in HIDDEN for sign in text)


def without_controls(text: str) -> str:
    """Take out escape sequences and bidirectional controls; any other control character is replaced by U+FFFD.

    So are the surrogates that stand for bytes that were not UTF-8: they cannot be encoded. Line feeds and tabs stay; a
    carriage return, with or without a line feed after it, becomes one line feed.
    """
    if text.isprintable() or not (_DANGEROUS.search(text)):
        return text
    text = _SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _DANGEROUS.sub(lambda match: _BECOMES.get(match[0], _REPLACED), text)


def escape_controls(json: str) -> str:
    """Escape the control characters that JSON leaves as they are; a program that reads it gets the same values."""
    if json.isprintable():
        return json
    return _DANGEROUS.sub(lambda match: f"\\u{ord(match[0]):04x}", json)
