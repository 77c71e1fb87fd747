"""Parser of inbound mail, safe against hostile input: its sender controls every byte.

The standard library parses, but its input is first cut to a size and stripped of extreme headers, because some of its
patterns take seconds over a crafted header. Nothing is unpacked: no archive, document or XML is ever opened. Only a
mail that stands inside its own signature is taken out of it (`signed_content`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses
from typing import Final

from core.control_characters import without_controls
from core.errors import InputError
from webhooks.email.inbound_mail.attachments import REACTION, SIGNED_OR_ENCRYPTED, name_attachments
from webhooks.email.inbound_mail.charsets import decode, decode_words
from webhooks.email.inbound_mail.markup import VisibleText, read_html
from webhooks.email.inbound_mail.signed_content import signed_content

LOOKED_AT: Final = 256 * 1024
"""Bytes of a mail that are parsed: reports and people's words come before attachments."""
MAX_TEXT_LENGTH: Final = 20_000
"""Characters of text taken from a mail."""
MAX_HEADER_LENGTH: Final = 2000
"""Characters of a header."""
MAX_PARTS: Final = 100
"""Parts of a mail that are looked at."""
MAX_PART_DEPTH: Final = 30
"""Levels of nested parts; a mail that was forwarded again and again has a dozen."""
MAX_SIGNATURES: Final = 2
"""Signatures around each other that are taken off."""
MAX_SEMICOLONS: Final = 40
"""Parameters of a header: parsing takes time by their square."""
MAX_LINE_LENGTH: Final = 8000
"""Bytes of a header, with its continued lines."""
MAX_PLACEHOLDER_LENGTH: Final = 600
"""Characters of a text that only says that the mail is HTML."""

_NAMED: Final = re.compile(rb"[!-9;-~]{1,76}:")
UNREADABLE: Final = (RecursionError, ValueError, LookupError, AttributeError, TypeError, MessageError)
"""Exceptions of the standard library for crafted mails. They recur every time."""

_OF_CONTENT: Final = ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition")
_COMMENT: Final = re.compile(r"\([^()]{0,200}\)")
_PLACEHOLDER: Final = re.compile(r"\bx?html\b|\bmime\b|\bmulti-?part\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+")
_ENCODING: Final = re.compile(r"\s{0,20}[\"']?([A-Za-z0-9-]{1,40})(?![A-Za-z0-9-])")


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """Parsed mail.

    Attributes:
        message: as the standard library parsed it.
        parts: all parts that are not containers, without parts inside attached mails.
        size: its bytes, as it came.
    """

    message: Message
    parts: tuple[Message, ...]
    size: int

    @property
    def cut(self) -> bool:
        """Tell whether it was longer than what is parsed."""
        return self.size > LOOKED_AT

    def header(self, name: str) -> str:
        """Return the first header of a name, decoded and on one line; "" if there is none."""
        return header(self.message, name)

    def addresses(self, name: str) -> list[str]:
        """Return the mailboxes in a header, in lower case."""
        return [address.lower() for _, address in mailboxes(header(self.message, name)) if "@" in address]

    def part(self, content_type: str) -> Message | None:
        """Return the first part of a type."""
        return next((part for part in self.parts if part.get_content_type() == content_type), None)

    @property
    def plain(self) -> str:
        """Plain text, around pictures too; "" if there is none, or only a note that the mail is HTML."""
        shown = _forms(self.message)
        if not any(part.get_content_type() == "text/plain" for part in shown.plain):
            return ""
        text = _joined([_text_shown(part) for part in shown.plain])
        return "" if len(text) <= MAX_PLACEHOLDER_LENGTH and _PLACEHOLDER.search(text) and self._lacks(text) else text

    @property
    def html(self) -> VisibleText:
        """HTML as a person sees it, with the text parts beside it; empty if there is none."""
        shown = _forms(self.message)
        if not any(part.get_content_type() == "text/html" for part in shown.html):
            return VisibleText("", marks=False)
        read = [_read(part) for part in shown.html]
        return VisibleText(_joined([form.text for form in read]), any(form.marks for form in read))

    @property
    def text(self) -> str:
        """Plain text, or else HTML as text."""
        return self.plain or self.html.text

    def _lacks(self, text: str) -> bool:
        """Tell whether the HTML has words but none of a text's: then the text is only a placeholder."""
        html = " ".join(_WORD.findall(self.html.text.casefold()))
        return bool(html) and " ".join(_WORD.findall(text.casefold())) not in html

    @property
    def is_reaction(self) -> bool:
        """Tell whether a mail program says that it is only an emoji, put on the message it answers."""
        return self.part(REACTION) is not None

    @property
    def attachments(self) -> int:
        """Number of parts that are not its text, including pictures in its HTML."""
        return len(self._attached) or int(self.cut)

    @property
    def attachment_names(self) -> str:
        """Attachments in words; "" if there are none."""
        return name_attachments(self.message, self._attached)

    @property
    def _attached(self) -> list[Message]:
        forms = _forms(self.message)
        shown = {id(part) for part in (*forms.plain, *forms.html)}
        return [part for part in self.parts if id(part) not in shown and part.get_content_type() != REACTION]


def parse_mail(raw: bytes) -> ParsedMail:
    """Parse a mail.

    Args:
        raw: the mail as it came.

    Raises:
        InputError: the mail is nested too deeply, or is no mail at all.
    """
    try:
        message = _parsed(raw[:LOOKED_AT])
        for _ in range(MAX_SIGNATURES):
            for first in _leaves(message)[:1]:
                _open_signed(first)
        parts = tuple(_leaves(message))
    except UNREADABLE as error:
        raise InputError(f"A mail that cannot be read ({type(error).__name__}).") from None
    if _depth(message) > MAX_PART_DEPTH:
        raise InputError("A mail that cannot be read: it is nested too deeply.")
    return ParsedMail(message, parts, len(raw))


def _parsed(raw: bytes) -> Message:
    return BytesParser(policy=compat32).parsebytes(_tamed(raw))


def _open_signed(part: Message) -> None:
    """Replace a mail's first part, if it is signed content, by the mail inside; a later one may be somebody else's."""
    if part.get_content_type() not in SIGNED_OR_ENCRYPTED and not (part.get_filename() or "").endswith(".p7m"):
        return
    content = part.get_payload(decode=True)
    content_signed = signed_content(content) if isinstance(content, bytes) else None
    if content_signed is None:
        return
    inside = _parsed(content_signed)
    for name in _OF_CONTENT:
        del part[name]
        if (value := inside.get(name)) is not None:
            part[name] = value
    part.set_payload(inside.get_payload())


def header(message: Message, name: str) -> str:
    """Return a header, decoded (RFC 2047) and on one line, cut if it is too long; "" if there is none."""
    raw = next((value for field, value in message.raw_items() if field.lower() == name.lower()), "")
    return decode_words(str(raw), most=MAX_HEADER_LENGTH)


def mailboxes(header_text: str) -> list[tuple[str, str]]:
    """Parse names and mailboxes in a header; none if comments are nested deeper than people and programs do.

    The standard library parses nested comments recursively.
    """
    header_text = header_text[:MAX_HEADER_LENGTH]
    rest = header_text
    for _ in range(MAX_PART_DEPTH):
        rest, removed = _COMMENT.subn(" ", rest)
        if not removed:
            break
    return [] if rest.count("(") > MAX_PART_DEPTH else getaddresses([header_text])


def text_of(part: Message, *, most: int = MAX_TEXT_LENGTH) -> str:
    """Decode a part's text, whatever charset it declares."""
    _mend_encoding(part)
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    return without_controls(decode(content[: 4 * most], part.get_content_charset()))[:most]


def _mend_encoding(part: Message) -> None:
    """Reduce a transfer encoding to its name: the standard library does not know "BASE64 " or "base64 (text)"."""
    encoding = str(part.get("Content-Transfer-Encoding") or "")
    named = _ENCODING.match(encoding)
    if named is not None and named[1] != encoding:
        part.replace_header("Content-Transfer-Encoding", named[1])


@dataclass(frozen=True, slots=True)
class _Forms:
    """Visible parts of a mail, in order: as plain text and, if it has both, as HTML."""

    plain: tuple[Message, ...] = ()
    html: tuple[Message, ...] = ()


def _forms(message: Message) -> _Forms:
    """Collect the visible parts: one of alternatives, all others; named files after the first are attachments."""
    payload = message.get_payload()
    if message.get_content_maintype() != "multipart" or not isinstance(payload, list):
        is_text = message.get_content_type() in {"text/plain", "text/html"} and not _is_attached(message)
        return _Forms((message,), (message,)) if is_text else _Forms()
    inner = [_forms(part) for part in payload[:MAX_PARTS] if isinstance(part, Message)]
    if message.get_content_type() == "multipart/alternative":
        shown = [form for form in inner if form.plain or form.html]
        if not shown:
            return _Forms()
        plain = next((form for form in shown if _has(form.plain, "text/plain")), shown[0])
        html = next((form for form in reversed(shown) if _has(form.html, "text/html")), shown[-1])
        return _Forms(plain.plain, html.html)
    return _Forms(
        _unnamed([part for form in inner for part in form.plain]), _unnamed([p for form in inner for p in form.html])
    )


def _has(parts: Sequence[Message], content_type: str) -> bool:
    return any(part.get_content_type() == content_type for part in parts)


def _unnamed(parts: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(part for number, part in enumerate(parts) if number == 0 or not part.get_filename())


def _read(part: Message) -> VisibleText:
    if part.get_content_type() == "text/html":
        return read_html(text_of(part, most=4 * MAX_TEXT_LENGTH))
    return VisibleText(text_of(part), marks=False)


def _text_shown(part: Message) -> str:
    return text_of(part) if part.get_content_type() == "text/plain" else _read(part).text


def _joined(texts: Sequence[str]) -> str:
    """Join texts one below the other; a single one is not changed."""
    filled = [text for text in texts if text.strip()]
    return (
        (filled[0] if len(filled) == 1 else "\n\n".join(text.strip("\n") for text in filled))[:MAX_TEXT_LENGTH]
        if filled
        else ""
    )


def _leaves(message: Message) -> list[Message]:
    """Return all parts that are not containers. An attached mail counts as one part: its words are not this mail's."""
    leaves: list[Message] = []
    waiting = [message]
    while waiting and len(leaves) < MAX_PARTS:
        part = waiting.pop(0)
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting[:0] = [child for child in payload if isinstance(child, Message)]
        else:
            leaves.append(part)
    return leaves


def _depth(message: Message) -> int:
    """Return how deeply parts are nested, attached mails included."""
    depth, level = 0, [message]
    while level and depth <= MAX_PART_DEPTH:
        payloads = [part.get_payload() for part in level]
        level = [part for inner in payloads if isinstance(inner, list) for part in inner if isinstance(part, Message)]
        depth += 1
    return depth


def _is_attached(part: Message) -> bool:
    return str(part.get("Content-Disposition") or "").strip().lower().startswith("attachment")


def _tamed(raw: bytes) -> bytes:
    """Shorten headers that would keep a parser busy: each is cut after a number of bytes and semicolons.

    A header is a line that begins with a name, and the lines after it that begin with a space. Text of that form loses
    the end of a paragraph longer than any header.
    """
    lines: list[bytes] = []
    room, semicolons = MAX_LINE_LENGTH, MAX_SEMICOLONS
    for line in raw.splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            named = _NAMED.match(line) is not None
            room, semicolons = MAX_LINE_LENGTH, MAX_SEMICOLONS if named else MAX_LINE_LENGTH
        room -= len(line)
        semicolons -= line.count(b";")
        if room >= 0 and semicolons >= 0:
            lines.append(line)
        elif room + len(line) == MAX_LINE_LENGTH:  # a single line that is too long: keep its beginning
            lines.append(_cut(line))
    return b"".join(lines)


def _cut(line: bytes) -> bytes:
    kept = b";".join(line[:MAX_LINE_LENGTH].split(b";")[:MAX_SEMICOLONS]).rstrip(b"\r\n")
    return kept + b"\r\n"
