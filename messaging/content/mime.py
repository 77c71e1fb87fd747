"""Complete emails from a per-step skeleton: an `EmailMessage` per recipient would cost ten times the SMTP exchange.

Each build is RFC 5322 bytes with CRLF line ends, ASCII throughout (RFC 2045 7bit or quoted-printable, RFC 2047
headers), the same bytes for the same arguments: a retry sends what was sent before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime, formataddr, getaddresses
from functools import lru_cache
from typing import Final

from messaging.content.render import RenderedEmail
from messaging.errors import AddressError, SettingsError

_LONGEST_LINE: Final = 990
"""RFC 5322 allows 998 characters; servers add some of their own."""
_MAILBOX: Final = re.compile(
    r"""[^\s<>()\[\]:;,@\\"\x00-\x20\x7f]+@[^\s<>()\[\]:;,@\\"\x00-\x20\x7f]+|"[^"\\\r\n\x00]+"@[\w.-]+"""
)
_PLAIN_HEADER: Final = re.compile(r"[ -~]*")
_UNSAFE: Final = re.compile(r"[^!-~]|[<>]")
_SUBJECT_LINE: Final = 66
_WORD_BYTES: Final = 45
"""UTF-8 bytes in one encoded word: 60 characters of base64 and 12 of frame stay under RFC 2047's 75."""


class Skeleton:
    """What is the same in every email of a step.

    Args:
        from_: `Name <address>`, as in MUSTER_EMAIL_FROM.
        list_id: names the series for mail programs, as in `pay-2026.example.org`.
        reply_to: where replies go, if not to `from_`.

    Raises:
        SettingsError: the sender is not a mailbox.
    """

    __slots__ = ("_head", "_seed")

    def __init__(self, from_: str, list_id: str, *, reply_to: str = "") -> None:
        reply = f"Reply-To: {_mailbox(reply_to)}\r\n" if reply_to else ""
        self._head: Final = f"From: {_mailbox(from_)}\r\n{reply}List-ID: <{_token(list_id)}>\r\nMIME-Version: 1.0\r\n"
        self._seed: Final = hashlib.sha256(self._head.encode()).hexdigest()

    def build(
        self,
        to: str,
        rendered: RenderedEmail,
        message_id: str,
        list_unsubscribe_url: str,
        feedback_id: str,
        date: datetime,
    ) -> bytes:
        """One email.

        Args:
            to: a normalised address.
            rendered: what it says.
            message_id: with or without its angle brackets; the same on every try.
            list_unsubscribe_url: where one-click unsubscribing is posted to (RFC 8058); "" leaves the headers out.
            feedback_id: up to four fields with colons between, for mailbox providers' reports; "" leaves it out.
            date: aware; written in UTC.

        Raises:
            AddressError: `to` is not an address that can stand in a header.
            ValueError: an identifier or URL of our own has a character that cannot stand in a header.
        """
        identifier = _token(message_id.strip("<>"))
        unsubscribe = (
            f"List-Unsubscribe: <{_token(list_unsubscribe_url)}>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            if list_unsubscribe_url
            else ""
        )
        feedback = f"Feedback-ID: {_token(feedback_id)}\r\n" if feedback_id else ""
        boundary = f"=_{hashlib.sha256(f'{self._seed}{identifier}'.encode()).hexdigest()[:24]}"
        text_encoding, text = _encoded(rendered.text, boundary)
        html_encoding, html = _encoded(rendered.html, boundary)
        head = (
            f"{self._head}To: {_recipient(to)}\r\nSubject: {_subject(rendered.subject)}\r\n"
            f"Date: {_date(date.astimezone(UTC).replace(microsecond=0))}\r\nMessage-ID: <{identifier}>\r\n{unsubscribe}"
            f"{feedback}"
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
            f'--{boundary}\r\nContent-Type: text/plain; charset="utf-8"\r\n'
            f"Content-Transfer-Encoding: {text_encoding}\r\n\r\n"
        )
        between = (
            f'\r\n--{boundary}\r\nContent-Type: text/html; charset="utf-8"\r\n'
            f"Content-Transfer-Encoding: {html_encoding}\r\n\r\n"
        )
        return b"".join((head.encode(), text, between.encode(), html, f"\r\n--{boundary}--\r\n".encode()))


def _encoded(text: str, boundary: str) -> tuple[str, bytes]:
    """A part as it is sent: as it stands where SMTP lets it through, else quoted-printable."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if text.isascii() and max(map(len, lines)) <= _LONGEST_LINE and boundary not in text and "\0" not in text:
        return "7bit", "\r\n".join(lines).encode()
    # quoted-printable writes "=" as "=3D", so no boundary (which starts with "=_") can appear in it
    quoted = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True)
    return "quoted-printable", quoted.replace(b"\n", b"\r\n")


def _mailbox(text: str) -> str:
    """A sender as a header: its name quoted where it must be, in encoded words where it is not ASCII."""
    (name, address), *more = getaddresses([text]) or [("", "")]
    if more or not _MAILBOX.fullmatch(address) or not _PLAIN_HEADER.fullmatch(address) or "\n" in name or "\r" in name:
        raise SettingsError(f"“{text}” is not a sender.", remedy="MUSTER_EMAIL_FROM looks like: Name <address@domain>.")
    if _PLAIN_HEADER.fullmatch(name) and "=?" not in name:
        return formataddr((name, address))
    return f"{_encoded_words(name)}\r\n <{address}>"


def _recipient(to: str) -> str:
    if not _MAILBOX.fullmatch(to):
        raise AddressError("not_an_address", "That is not an email address.")
    if to.isascii():
        return to
    local, _, domain = to.rpartition("@")
    if not local.isascii():
        raise AddressError("not_ascii", "Email addresses with letters beyond ASCII before the @ cannot be sent to.")
    return f"{local}@{domain.encode('idna').decode()}"


def _token(text: str) -> str:
    """An identifier or address of our own, refused where it could end a header or its angle brackets."""
    if not text or _UNSAFE.search(text):
        raise ValueError(f"{text!r} cannot stand in a header.")
    return text


@lru_cache(maxsize=8)
def _date(at: datetime) -> str:
    return format_datetime(at)


def _subject(text: str) -> str:
    """A subject as a header: folded if long, in encoded words where it is not plain ASCII (RFC 2047)."""
    if _PLAIN_HEADER.fullmatch(text) and "=?" not in text and "  " not in text and text == text.strip():
        if len(text) <= _SUBJECT_LINE:
            return text
        if all(len(word) < _SUBJECT_LINE for word in text.split(" ")):
            return "\r\n ".join(_folded(text))
    return _encoded_words(text)


def _encoded_words(text: str) -> str:
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(chunk).decode()}?=" for chunk in _chunks(text))


def _folded(text: str) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + len(word) >= _SUBJECT_LINE:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _chunks(text: str) -> Iterator[bytes]:
    """The text in UTF-8, in pieces that never part a character."""
    piece = b""
    for char in text:
        encoded = char.encode("utf-8", "replace")
        if len(piece) + len(encoded) > _WORD_BYTES:
            yield piece
            piece = b""
        piece += encoded
    if piece:
        yield piece
