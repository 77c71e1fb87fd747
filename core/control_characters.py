"""Control characters that command a terminal or reorder text, removed from what strangers write.

Anybody who can text or mail an organisation chooses what its staff see: an escape sequence clears lines, sets titles
and fills a clipboard (OSC 52), C1 characters do the same in one byte, and a bidirectional override shows words
backwards.
"""

from __future__ import annotations

import re
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
