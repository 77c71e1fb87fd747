"""A mail, read with care: whoever can send us one chooses every byte of it.

The standard library parses; what is handed to it is cut to a size and tamed before, for some of its patterns take
seconds over a header made for that. Nothing is unpacked: no archive, no document, no XML is ever opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses
from typing import Final

from messaging.control_characters import without_controls
from messaging.errors import InputError
from webhooks.mailroom.markup import Shown, read_html

LOOKED_AT: Final = 256 * 1024
"""Bytes of a mail that are parsed: what a report or a person says comes before what is attached."""
LONGEST_TEXT: Final = 20_000
"""Characters of text taken from a mail."""
LONGEST_HEADER: Final = 2000
MOST_PARTS: Final = 100
DEEPEST: Final = 30
"""Parts inside parts; forwarded again and again, a mail has a dozen."""
MOST_SEMICOLONS: Final = 40
LONGEST_LINE: Final = 8000

_NAMED: Final = re.compile(rb"[!-9;-~]{1,76}:")
_CHARSETS: Final = re.compile(
    r"(?:utf-?8|utf-?7|utf-?16(?:le|be)?|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-?125\d|cp125\d|koi8-[ru]|mac-?roman"
    r"|gb2312|gbk|gb18030|big5|shift_jis|iso-2022-jp|euc-(?:jp|kr))",
    re.IGNORECASE,
)
"""Names Python knows that are ways to write text; it knows others, which are compression and worse."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail.

    Attributes:
        message: as the standard library read it.
        parts: everything in it that is no container, what is inside attached mails not included.
        size: bytes of it, as it came.
    """

    message: Message
    parts: tuple[Message, ...]
    size: int

    @property
    def cut(self) -> bool:
        """Whether it was longer than what is looked at."""
        return self.size > LOOKED_AT

    def header(self, name: str) -> str:
        """The first header of that name, decoded and on one line; "" where there is none."""
        return header(self.message, name)

    def addresses(self, name: str) -> list[str]:
        """The mailboxes in a header, in lower case."""
        found = getaddresses([header(self.message, name)[:LONGEST_HEADER]])
        return [address.lower() for _, address in found if "@" in address]

    def part(self, content_type: str) -> Message | None:
        """The first part of a type."""
        return next((part for part in self.parts if part.get_content_type() == content_type), None)

    @property
    def plain(self) -> str:
        """Its text part; "" where there is none."""
        return next((text_of(part) for part in self._shown("text/plain")), "")

    @property
    def html(self) -> Shown:
        """Its HTML part, as a person sees it."""
        html = next((text_of(part, most=4 * LONGEST_TEXT) for part in self._shown("text/html")), "")
        shown = read_html(html) if html else Shown("", marks=False)
        return replace(shown, text=shown.text[:LONGEST_TEXT])

    @property
    def text(self) -> str:
        """What it says: the text, or the HTML as text where there is no other."""
        return self.plain or self.html.text

    def _shown(self, content_type: str) -> Iterator[Message]:
        return (part for part in self.parts if part.get_content_type() == content_type and not _is_attached(part))

    @property
    def attachments(self) -> int:
        """How many things came with it that are not its text; pictures in its HTML too."""
        shown = {"text/plain", "text/html"}
        found = sum(_is_attached(part) or part.get_content_type() not in shown for part in self.parts)
        return found or int(self.cut)


def read_letter(raw: bytes) -> Letter:
    """Read a mail.

    Args:
        raw: as it came.

    Raises:
        InputError: it is nested without end, or not a mail at all.
    """
    try:
        message = BytesParser(policy=compat32).parsebytes(_tamed(raw[:LOOKED_AT]))
        parts = tuple(_leaves(message))
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError, MessageError) as error:
        raise InputError(f"A mail that cannot be read ({type(error).__name__}).") from None
    if _depth(message) > DEEPEST:
        raise InputError("A mail that cannot be read: it is nested too deeply.")
    return Letter(message, parts, len(raw))


def header(message: Message, name: str) -> str:
    """A header, decoded (RFC 2047) and on one line, cut where it is too long; "" where there is none."""
    said = str(message.get(name) or "")[:LONGEST_HEADER]
    try:
        words = "".join(
            part if isinstance(part, str) else _decoded(part, charset or "utf-8")
            for part, charset in decode_header(said)
        )
    except (ValueError, LookupError, MessageError):  # base64 that is none, a charset nobody knows
        words = said
    plain = without_controls(words.encode(errors="replace").decode(errors="replace"))
    return " ".join(plain.split())[:LONGEST_HEADER]


def text_of(part: Message, *, most: int = LONGEST_TEXT) -> str:
    """A part's text, whatever charset it claims."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    text = _decoded(content[: 4 * most], charset)
    return without_controls(text)[:most]


def _decoded(content: bytes, charset: str) -> str:
    if _CHARSETS.fullmatch(charset):
        try:
            return content.decode(charset, errors="replace").encode(errors="replace").decode()
        except (LookupError, UnicodeError):
            pass
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("windows-1252", errors="replace")


def _leaves(message: Message) -> list[Message]:
    """What is no container. A mail in a mail is one thing: what somebody else wrote is not what this one says."""
    found: list[Message] = []
    waiting = [message]
    while waiting and len(found) < MOST_PARTS:
        part = waiting.pop(0)
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting[:0] = [one for one in payload if isinstance(one, Message)]
        else:
            found.append(part)
    return found


def _depth(message: Message) -> int:
    """How deeply parts lie in parts, attached mails included."""
    depth, level = 0, [message]
    while level and depth <= DEEPEST:
        payloads = [part.get_payload() for part in level]
        level = [one for inner in payloads if isinstance(inner, list) for one in inner if isinstance(one, Message)]
        depth += 1
    return depth


def _is_attached(part: Message) -> bool:
    return str(part.get("Content-Disposition") or "").strip().lower().startswith("attachment")


def _tamed(raw: bytes) -> bytes:
    """The same without headers made to keep a parser busy: each is cut after so many bytes and semicolons.

    A header is a line that begins with a name, and the lines after it that begin with a space. Text that looks so loses
    the end of a paragraph longer than any header.
    """
    lines: list[bytes] = []
    room, semicolons = LONGEST_LINE, MOST_SEMICOLONS
    for line in raw.splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            named = _NAMED.match(line) is not None
            room, semicolons = LONGEST_LINE, MOST_SEMICOLONS if named else LONGEST_LINE
        room -= len(line)
        semicolons -= line.count(b";")
        if room >= 0 and semicolons >= 0:
            lines.append(line)
        elif room + len(line) == LONGEST_LINE:  # one line alone is too long: what stands first may be said
            lines.append(_cut(line))
    return b"".join(lines)


def _cut(line: bytes) -> bytes:
    kept = b";".join(line[:LONGEST_LINE].split(b";")[:MOST_SEMICOLONS]).rstrip(b"\r\n")
    return kept + b"\r\n"
