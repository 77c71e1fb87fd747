"""Bytes of a mail as text, also where they name no charset, or another one than their own."""

from __future__ import annotations

import codecs
import re
from typing import Final

_KNOWN: Final = re.compile(
    r"(?:utf-?8|utf-?7|utf-?16(?:le|be)?|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-?125\d|cp125\d|koi8-[ru]|mac-?roman"
    r"|gb2312|gbk|gb18030|big5|shift_jis|iso-2022-jp|euc-(?:jp|kr))",
    re.IGNORECASE,
)
"""Names Python knows that are ways to write text; it knows others, which are compression and worse."""
_WINDOWS: Final = re.compile(r"(?:us-)?ascii|iso-?8859-1|latin-?1", re.IGNORECASE)
"""Names under which programs send windows-1252: in the charsets themselves its bytes are nothing, or controls."""


def decode(content: bytes, charset: str | None) -> str:
    """Decode text as the charset it claims where it fits, else as UTF-8, else as windows-1252.

    Args:
        content: the bytes; they may end in the middle of a character.
        charset: the one they claim; None where they claim none.
    """
    claimed = charset if charset and _KNOWN.fullmatch(charset) else "utf-8"
    claimed = "windows-1252" if _WINDOWS.fullmatch(claimed) else claimed
    for name in dict.fromkeys(("utf-8", claimed) if claimed == "windows-1252" else (claimed, "utf-8")):
        try:
            return codecs.getincrementaldecoder(name)("strict").decode(content).encode(errors="replace").decode()
        except (LookupError, UnicodeError):
            continue
    return _most_likely(content, claimed)


def _most_likely(content: bytes, claimed: str) -> str:
    """Decode text that is wrong in every charset it may be in: as the claimed one where most of it is right in that."""
    try:
        text = content.decode(claimed, errors="replace").encode(errors="replace").decode()
    except (LookupError, UnicodeError):
        text = content.decode(errors="replace")
    wrong = text.count("\ufffd")
    right = sum(not letter.isascii() for letter in text) - wrong
    return text if right >= wrong else content.decode("windows-1252", errors="replace")
