"""A mail, read with care: whoever can send us one chooses every byte of it.

The standard library parses; what is handed to it is cut to a size and tamed before, for some of its patterns take
seconds over a header made for that. Nothing is unpacked: no archive, no document, no XML is ever opened.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses
from typing import Final

from core.control_characters import without_controls
from core.errors import InputError
from webhooks.email.mail_server.charsets import decode
from webhooks.email.mail_server.markup import Shown, read_html

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
LONGEST_PLACEHOLDER: Final = 600
"""Characters of a text that only says that the mail is HTML."""

_NAMED: Final = re.compile(rb"[!-9;-~]{1,76}:")
UNREADABLE: Final = (RecursionError, ValueError, LookupError, AttributeError, TypeError, MessageError)
"""How the standard library fails at a mail that was made for that. It fails so every time."""

_COMMENT: Final = re.compile(r"\([^()]{0,200}\)")
_PLACEHOLDER: Final = re.compile(r"\bx?html\b|\bmime\b|\bmulti-?part\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class ParsedMail:
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
        return [address.lower() for _, address in mailboxes(header(self.message, name)) if "@" in address]

    def part(self, content_type: str) -> Message | None:
        """The first part of a type."""
        return next((part for part in self.parts if part.get_content_type() == content_type), None)

    @property
    def plain(self) -> str:
        """Its text, also where pictures stand between; "" where it has none, or one that only says that it is HTML."""
        shown = _forms(self.message)
        if not any(part.get_content_type() == "text/plain" for part in shown.plain):
            return ""
        text = _joined([_text_shown(part) for part in shown.plain])
        return "" if len(text) <= LONGEST_PLACEHOLDER and _PLACEHOLDER.search(text) and self._lacks(text) else text

    @property
    def html(self) -> Shown:
        """Its HTML, as a person sees it, with the text that stands beside it; nothing where there is none."""
        shown = _forms(self.message)
        if not any(part.get_content_type() == "text/html" for part in shown.html):
            return Shown("", marks=False)
        read = [_read(part) for part in shown.html]
        return Shown(_joined([one.text for one in read]), any(one.marks for one in read))

    @property
    def text(self) -> str:
        """What it says: the text, or the HTML as text where there is no other."""
        return self.plain or self.html.text

    def _lacks(self, text: str) -> bool:
        """Whether the HTML says something, and nothing of a text: that stands in for it, and is nobody's words."""
        html = " ".join(_WORD.findall(self.html.text.casefold()))
        return bool(html) and " ".join(_WORD.findall(text.casefold())) not in html

    @property
    def attachments(self) -> int:
        """How many things came with it that are not its text; pictures in its HTML too."""
        forms = _forms(self.message)
        shown = {id(part) for part in (*forms.plain, *forms.html)}
        found = sum(id(part) not in shown for part in self.parts)
        return found or int(self.cut)


def read_letter(raw: bytes) -> ParsedMail:
    """Read a mail.

    Args:
        raw: as it came.

    Raises:
        InputError: it is nested without end, or not a mail at all.
    """
    try:
        message = BytesParser(policy=compat32).parsebytes(_tamed(raw[:LOOKED_AT]))
        parts = tuple(_leaves(message))
    except UNREADABLE as error:
        raise InputError(f"A mail that cannot be read ({type(error).__name__}).") from None
    if _depth(message) > DEEPEST:
        raise InputError("A mail that cannot be read: it is nested too deeply.")
    return ParsedMail(message, parts, len(raw))


def header(message: Message, name: str) -> str:
    """A header, decoded (RFC 2047) and on one line, cut where it is too long; "" where there is none."""
    raw = next((value for one, value in message.raw_items() if one.lower() == name.lower()), "")
    said = decode(str(raw).encode("utf-8", "surrogateescape"), None)[:LONGEST_HEADER]
    try:
        words = "".join(
            part if isinstance(part, str) else decode(part, charset) for part, charset in decode_header(said)
        )
    except (ValueError, LookupError, MessageError):  # base64 that is none, a charset nobody knows
        words = said
    plain = without_controls(words.encode(errors="replace").decode(errors="replace"))
    return " ".join(plain.split())[:LONGEST_HEADER]


def mailboxes(said: str) -> list[tuple[str, str]]:
    """Names and mailboxes in a header; none where comments lie in comments deeper than people and programs write them.

    The standard library takes them apart by calling itself, once for each.
    """
    said = said[:LONGEST_HEADER]
    rest = said
    for _ in range(DEEPEST):
        rest, found = _COMMENT.subn(" ", rest)
        if not found:
            break
    return [] if rest.count("(") > DEEPEST else getaddresses([said])


def text_of(part: Message, *, most: int = LONGEST_TEXT) -> str:
    """A part's text, whatever charset it claims."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    return without_controls(decode(content[: 4 * most], part.get_content_charset()))[:most]


@dataclass(frozen=True, slots=True)
class _Forms:
    """The parts that a mail shows, in their order: where it has them in two forms, as text and as HTML."""

    plain: tuple[Message, ...] = ()
    html: tuple[Message, ...] = ()


def _forms(message: Message) -> _Forms:
    """What is shown of a part: of alternatives one, of anything else all; a named file after the first is attached."""
    payload = message.get_payload()
    if message.get_content_maintype() != "multipart" or not isinstance(payload, list):
        is_text = message.get_content_type() in {"text/plain", "text/html"} and not _is_attached(message)
        return _Forms((message,), (message,)) if is_text else _Forms()
    inner = [_forms(part) for part in payload[:MOST_PARTS] if isinstance(part, Message)]
    if message.get_content_type() == "multipart/alternative":
        shown = [one for one in inner if one.plain or one.html]
        if not shown:
            return _Forms()
        plain = next((one for one in shown if _has(one.plain, "text/plain")), shown[0])
        html = next((one for one in reversed(shown) if _has(one.html, "text/html")), shown[-1])
        return _Forms(plain.plain, html.html)
    return _Forms(
        _unnamed([part for one in inner for part in one.plain]), _unnamed([p for one in inner for p in one.html])
    )


def _has(parts: Sequence[Message], content_type: str) -> bool:
    return any(part.get_content_type() == content_type for part in parts)


def _unnamed(parts: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(part for number, part in enumerate(parts) if number == 0 or not part.get_filename())


def _read(part: Message) -> Shown:
    if part.get_content_type() == "text/html":
        return read_html(text_of(part, most=4 * LONGEST_TEXT))
    return Shown(text_of(part), marks=False)


def _text_shown(part: Message) -> str:
    return text_of(part) if part.get_content_type() == "text/plain" else _read(part).text


def _joined(texts: Sequence[str]) -> str:
    """Texts one below the other; one alone stays as it is."""
    said = [text for text in texts if text.strip()]
    return (
        (said[0] if len(said) == 1 else "\n\n".join(text.strip("\n") for text in said))[:LONGEST_TEXT] if said else ""
    )


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
