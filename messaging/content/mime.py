"""Build complete emails from a skeleton, which the emails of a step share.

An `EmailMessage` for each recipient would cost ten times the SMTP session. Each email is RFC 5322 bytes with CRLF line
ends in the smallest correct form: headers in ASCII (RFC 2047), parts unencoded (7bit or 8bit), quoted-printable only
where a line is too long. A relay without 8BITMIME gets the same email by `seven_bit`. The same arguments make the same
bytes, so a retry sends the same email.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, formataddr, getaddresses
from functools import lru_cache
from typing import Final

import idna

from core.errors import AddressError, SettingsError
from messaging.content.encoded_parts import CRLF, encoded_part
from messaging.content.render import EncodedEmail, RenderedEmail

_MAX_LINE_LENGTH: Final = 990
"""RFC 5322 allows 998 characters; servers add some of their own."""
_MAILBOX: Final = re.compile(
    r"""[^\s<>()\[\]:;,@\\"\x00-\x20\x7f-\x9f]+@[^\s<>()\[\]:;,@\\"\x00-\x20\x7f-\x9f]+|"[^"\\\x00-\x1f\x7f]+"@[\w.-]+"""
)
_PLAIN_HEADER: Final = re.compile(r"[ -~]*")
_UNSAFE: Final = re.compile(r"[^!-;=?-~]")
_BOUNDARY: Final = re.compile(rb'boundary="([^"]+)"')
_EIGHT_BIT: Final = b"Content-Transfer-Encoding: 8bit"
_SUBJECT_LINE: Final = 66
_NAME_LINE: Final = 60
_WORD_BYTES: Final = 45
"""UTF-8 bytes in one encoded word: with base64 and its delimiters a line of 73 characters; RFC 2047 allows 76."""
_FIRST_WORD_BYTES: Final = 39
"""… in the first encoded word, which follows `Subject: ` or `Reply-To: `."""
_FEEDBACK_FIELDS: Final = 4
_MAX_REFERENCES: Final = 10
"""Message-IDs of a thread that are named, beside its first."""


class Skeleton:
    """Skeleton of a step's emails, or of a single email: the parts that are the same in all of them.

    Args:
        from_: `Name <address>`, as in MUSTER_EMAIL_FROM.
        list_id: names the series for mail programs, as in `pay-2026.example.org`; "" for an email of no series.
        feedback_id: up to four fields separated by colons, for mailbox providers' reports; "" leaves it out.
        reply_to: where replies go, if not to `from_`.
        by_machine: marks it as written by no person (RFC 3834), which stops holiday notices.
        in_reply_to: Message-ID of the email it answers; left out if it cannot stand in a header.
        thread: Message-IDs of that email's thread, oldest first.

    Raises:
        SettingsError: the sender is not a mailbox.
        ValueError: an identifier of our own has a character that cannot stand in a header.
    """

    __slots__ = ("_between", "_boundary", "_end", "_head", "_name", "_parts")

    def __init__(
        self,
        from_: str,
        list_id: str = "",
        *,
        feedback_id: str = "",
        reply_to: str = "",
        by_machine: bool = False,
        in_reply_to: str = "",
        thread: Sequence[str] = (),
    ) -> None:
        if feedback_id.count(":") >= _FEEDBACK_FIELDS:
            raise ValueError(f"{feedback_id!r} has more than four fields.")
        reply = f"Reply-To: {_mailbox(reply_to)}\r\n" if reply_to else ""
        feedback = f"Feedback-ID: {_token(feedback_id)}\r\n" if feedback_id else ""
        series = f"List-ID: <{_token(list_id)}>\r\n" if list_id else ""
        automatic = "Auto-Submitted: auto-generated\r\n" if by_machine else ""
        sender = _mailbox(from_)
        self._name: Final = sender.rpartition("<")[0] if sender.endswith(">") else ""
        threaded = _threaded(in_reply_to, thread)
        self._head: Final = f"From: {sender}\r\n{reply}{series}{feedback}{automatic}{threaded}MIME-Version: 1.0\r\n"
        boundary = f"=_{hashlib.sha256(self._head.encode()).hexdigest()[:24]}"
        self._boundary: Final = boundary.encode()
        self._parts: Final = (
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
            f'--{boundary}\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: '
        )
        self._between: Final = (
            f'\r\n--{boundary}\r\nContent-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: '
        )
        self._end: Final = f"\r\n--{boundary}--\r\n".encode()

    def build(
        self,
        to: str,
        rendered: RenderedEmail,
        message_id: str,
        list_unsubscribe_url: str,
        date: datetime,
        *,
        reply_to: str = "",
        unsubscribe_mailbox: str = "",
    ) -> bytes:
        """Build one email.

        Args:
            to: a normalised address.
            rendered: its subject and parts.
            message_id: with or without its angle brackets; the same on every try.
            list_unsubscribe_url: URL for one-click unsubscribing by POST (RFC 8058); "" leaves the headers out.
            date: aware; written in UTC.
            reply_to: mailbox with the signed id of the message, for answers; written with the sender's name.
            unsubscribe_mailbox: mailbox for unsubscribing by mail; "" leaves it out.

        Raises:
            AddressError: `to` is not an address that can stand in a header.
            ValueError: an identifier or URL of our own has a character that cannot stand in a header.
        """
        encoded = EncodedEmail(rendered.subject, encoded_part(rendered.text), encoded_part(rendered.html))
        content, _ = self.build_encoded(
            to,
            encoded,
            message_id,
            list_unsubscribe_url,
            date,
            reply_to=reply_to,
            unsubscribe_mailbox=unsubscribe_mailbox,
        )
        return content

    def build_encoded(
        self,
        to: str,
        encoded: EncodedEmail,
        message_id: str,
        list_unsubscribe_url: str,
        date: datetime,
        *,
        reply_to: str = "",
        unsubscribe_mailbox: str = "",
    ) -> tuple[bytes, bool]:
        """Build one email from encoded parts.

        Args:
            to: as for `build`, like the rest.
            encoded: its subject and parts.
            message_id: …
            list_unsubscribe_url: …
            date: …
            reply_to: …
            unsubscribe_mailbox: …

        Returns:
            The email, and whether it certainly has no line that begins with a dot.

        Raises:
            AddressError: as from `build`.
            ValueError: as from `build`.
        """
        reply = f"Reply-To: {self._name}<{_token(reply_to)}>\r\n" if reply_to else ""
        mailto = f",\r\n <mailto:{_token(unsubscribe_mailbox)}?subject=unsubscribe>" if unsubscribe_mailbox else ""
        unsubscribe = (
            f"List-Unsubscribe: <{_token(list_unsubscribe_url)}>{mailto}\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            if list_unsubscribe_url
            else ""
        )
        text_encoding, text = _transferred(encoded.text.data, self._boundary)
        html_encoding, html = _transferred(encoded.html.data, self._boundary)
        head = (
            f"{self._head}To: {_recipient(to)}\r\nSubject: {_subject(encoded.subject)}\r\n"
            f"Date: {_date(int(date.timestamp()))}\r\nMessage-ID: <{_token(message_id.strip('<>'))}>\r\n"
            f"{reply}{unsubscribe}{self._parts}{text_encoding}\r\n\r\n"
        )
        between = f"{self._between}{html_encoding}\r\n\r\n"
        # the head is ASCII unless the recipient's mailbox is not (RFC 6532)
        content = b"".join((head.encode(), text, between.encode(), html, self._end))
        unchanged = text is encoded.text.data and html is encoded.html.data
        return content, unchanged and encoded.text.has_no_dots and encoded.html.has_no_dots


def seven_bit(content: bytes) -> bytes:
    """Convert an email for a relay without 8BITMIME: its parts in quoted-printable, its headers as they are.

    Args:
        content: as `Skeleton.build` made it.
    """
    if content.isascii():
        return content
    boundary = _BOUNDARY.search(content)
    mark = b"\r\n--" + boundary[1] if boundary else b"\r\n.\r\n"
    parts = content.split(mark)
    for number, part in enumerate(parts):
        header, gap, text = part.partition(b"\r\n\r\n")
        if header.endswith(_EIGHT_BIT):
            encoding = header.removesuffix(b"8bit") + b"quoted-printable"
            parts[number] = encoding + gap + _quoted(text.replace(b"\r\n", b"\n"))
    return mark.join(parts)


def ascii_domain(address: str) -> str:
    """Convert the domain of an address, or a domain alone, to ASCII as in DNS (IDNA 2008, RFC 5891).

    Raises:
        AddressError: it is not a valid domain.
    """
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}{at}{idna.encode(domain, uts46=True).decode()}"
    except UnicodeError as error:
        raise AddressError("bad_domain", "The part after the @ cannot be a domain.") from error


def _transferred(data: bytes, boundary: bytes) -> tuple[str, bytes]:
    """Return a part as mail can carry it, with its encoding's name: unchanged if possible, else quoted-printable."""
    if _has_long_line(data) or boundary in data or b"\0" in data:
        # quoted-printable writes "=" as "=3D", so no boundary (which starts with "=_") can appear in it
        return "quoted-printable", _quoted(data.replace(CRLF, b"\n"))
    return "7bit" if data.isascii() else "8bit", data


def _quoted(data: bytes) -> bytes:
    return binascii.b2a_qp(data, istext=True).replace(b"\n", CRLF)


def _has_long_line(data: bytes) -> bool:
    start = 0
    while len(data) - start > _MAX_LINE_LENGTH:
        end = data.rfind(b"\n", start, start + _MAX_LINE_LENGTH + 2)
        if end < 0:
            return True
        start = end + 1
    return False


def _mailbox(text: str) -> str:
    """Format a sender for a header: its name quoted if need be, in encoded words if it is not ASCII or is long."""
    (name, address), *more = getaddresses([text]) or [("", "")]
    if more or not _MAILBOX.fullmatch(address) or "\n" in name or "\r" in name:
        raise _no_sender(text)
    try:
        address = ascii_domain(address)
    except AddressError as error:
        raise _no_sender(text) from error
    if not address.isascii():
        raise _no_sender(text)
    if _PLAIN_HEADER.fullmatch(name) and "=?" not in name and len(name) <= _NAME_LINE:
        return formataddr((name, address))
    return f"{_encoded_words(name)}\r\n <{address}>"


def _no_sender(text: str) -> SettingsError:
    return SettingsError(f"“{text}” is not a sender.", remedy="MUSTER_EMAIL_FROM looks like: Name <address@domain>.")


def _recipient(to: str) -> str:
    if not _MAILBOX.fullmatch(to):
        raise AddressError("not_an_address", "That is not an email address.")
    return ascii_domain(to)


def _threaded(answered: str, thread: Sequence[str]) -> str:
    """Write the headers that put an email into the thread of another (RFC 5322, 3.6.4)."""
    last = answered.strip("<>")
    if not last or _UNSAFE.search(last):
        return ""
    names = (name.strip("<>") for name in thread)
    before = [name for name in names if name and name != last and not _UNSAFE.search(name)]
    references = "\r\n ".join(f"<{name}>" for name in dict.fromkeys([*before[:1], *before[-_MAX_REFERENCES:], last]))
    return f"In-Reply-To: <{last}>\r\nReferences: {references}\r\n"


def _token(text: str) -> str:
    """Return an identifier or address of our own; raise ValueError if it could end a header or its brackets."""
    if not text or _UNSAFE.search(text):
        raise ValueError(f"{text!r} cannot stand in a header.")
    return text


@lru_cache(maxsize=8)
def _date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _subject(text: str) -> str:
    """Format a subject for a header: folded if long, in encoded words if it is not plain ASCII (RFC 2047)."""
    if _PLAIN_HEADER.fullmatch(text) and "=?" not in text and "  " not in text and text == text.strip():
        if len(text) <= _SUBJECT_LINE:
            return text
        if all(len(word) < _SUBJECT_LINE for word in text.split(" ")):
            return "\r\n ".join(_folded(text))
    return _encoded_words(text)


def _encoded_words(text: str) -> str:
    """Write text as encoded words (UTF-8, base64), one a line, never splitting a character; drop control characters."""
    if not text.isprintable():
        text = "".join(char for char in text if unicodedata.category(char) != "Cc")
    data = text.encode("utf-8", "replace")
    words: list[str] = []
    start, room = 0, _FIRST_WORD_BYTES
    while start < len(data):
        end = min(start + room, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{binascii.b2a_base64(data[start:end], newline=False).decode()}?=")
        start, room = end, _WORD_BYTES
    return "\r\n ".join(words)


def _folded(text: str) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + len(word) >= _SUBJECT_LINE:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
