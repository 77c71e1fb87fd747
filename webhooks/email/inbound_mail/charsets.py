"""Decoding of a mail's bytes, even if they declare no charset, or a wrong one."""

from __future__ import annotations

import codecs
import re
from email.errors import MessageError
from email.header import decode_header
from typing import Final

from core.control_characters import without_controls

_KNOWN: Final = re.compile(
    r"(?:utf-?8|utf-?7|utf-?16(?:le|be)?|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-?125\d|cp125\d|koi8-[ru]|mac-?roman"
    r"|gb2312|gbk|gb18030|big5(?:-?hkscs)?|shift_jis|sjis|iso-2022-(?:jp|kr)(?:-[123])?|euc-(?:jp|kr)|iso-?8859-1[0-6]|cp\d{3,4}|ibm\d{3,4}"
    r"|johab|hz-gb-2312|koi8-t|tis-?620|mac-?(?:cyrillic|greek|turkish|centeuro|latin2)|viscii|ptcp154|kz1048)",
    re.IGNORECASE,
)
"""Names of Python's codecs that are charsets; others are compression and worse."""
_ALIASES: Final = {
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "windows-949": "cp949",
    "euc-kr": "cp949",
    "x-windows-949": "cp949",
    "windows-31j": "cp932",
    "x-sjis": "cp932",
    "x-ms-cp932": "cp932",
    "ms_kanji": "cp932",
    "shift-jis": "cp932",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "x-euc-jp": "euc-jp",
    "windows-874": "cp874",
    "tis-620": "cp874",
    "tis620": "cp874",
    "iso-8859-11": "cp874",
    "x-windows-874": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-6-e": "iso-8859-6",
    "logical": "iso-8859-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "cn-gb": "gb18030",
    "windows-936": "gb18030",
    "x-x-big5": "big5",
    "cn-big5": "big5",
    "windows-950": "cp950",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-cp1250": "cp1250",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "dos-866": "cp866",
}
"""Names that mail programs use for charsets, mapped to what they really send: often a larger charset."""
_WINDOWS: Final = re.compile(r"(?:us-)?ascii|iso-?8859-1|latin-?1", re.IGNORECASE)
"""Charsets that programs declare for windows-1252; in these its additional bytes are invalid or control characters."""


def decode(content: bytes, charset: str | None) -> str:
    """Decode text as its declared charset if it fits, else as UTF-8, else as windows-1252.

    Args:
        content: the bytes; they may end in the middle of a character.
        charset: the declared one; None if none is.
    """
    named = charset.strip().lower() if charset else ""
    named = _ALIASES.get(named, named)
    claimed = named if _KNOWN.fullmatch(named) else "utf-8"
    claimed = "windows-1252" if _WINDOWS.fullmatch(claimed) else claimed
    for name in dict.fromkeys(("utf-8", claimed) if claimed == "windows-1252" else (claimed, "utf-8")):
        try:
            return codecs.getincrementaldecoder(name)("strict").decode(content).encode(errors="replace").decode()
        except (LookupError, UnicodeError):
            continue
    return _most_likely(content, claimed)


def _most_likely(content: bytes, claimed: str) -> str:
    """Decode text that fits no possible charset: as the declared one if most of it is right in that."""
    try:
        text = content.decode(claimed, errors="replace").encode(errors="replace").decode()
    except (LookupError, UnicodeError):
        text = content.decode(errors="replace")
    wrong = text.count("\ufffd")
    right = sum(not char.isascii() for char in text) - wrong
    return text if right >= wrong else content.decode("windows-1252", errors="replace")


def decode_words(raw: str, *, most: int) -> str:
    """Return a header's or a file's name as people read it (RFC 2047), on one line, without control characters.

    Args:
        raw: as the standard library parsed it; bytes beyond ASCII as surrogates.
        most: characters; what is longer is cut.
    """
    try:
        raw = decode(raw.encode("utf-8", "surrogateescape"), None)[:most]
        words = "".join(
            part if isinstance(part, str) else decode(part, charset) for part, charset in decode_header(raw)
        )
    except (ValueError, LookupError, MessageError):  # invalid base64, an unknown charset, or no such bytes
        words = raw[:most]
    plain = without_controls(words.encode(errors="replace").decode(errors="replace"))
    return " ".join(plain.split())[:most]
