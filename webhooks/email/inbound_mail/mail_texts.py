"""Texts of a mail in which an address may be named, in every encoding: folded, base64, quoted-printable or HTML."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from typing import Final, NamedTuple

from core.errors import InputError
from webhooks.email.inbound_mail.markup import read_html
from webhooks.email.inbound_mail.parsed_mail import (
    LOOKED_AT,
    MAX_PART_DEPTH,
    MAX_PARTS,
    UNREADABLE,
    ParsedMail,
    header,
    parse_mail,
    text_of,
)

_MAX_HEADERS: Final = 200


class MailText(NamedTuple):
    """Text of a mail that is searched for addresses.

    Attributes:
        by_writer: whether it says who wrote the mail: the owner of an address in it is the writer, in other texts only
            named.
        text: the text, decoded, without characters that the database refuses.
    """

    by_writer: bool
    text: str


def texts_of(raw: bytes) -> list[MailText]:
    """List the texts of a mail, in every encoding: as it came, its headers, its parts, its HTML as text.

    Args:
        raw: the mail as it came; nothing is read beyond the length that parsing uses.
    """
    raw = raw[:LOOKED_AT]
    as_it_came = MailText(by_writer=False, text=_storable(raw.decode("latin-1")))
    try:
        parsed = parse_mail(raw)
    except InputError:
        return [as_it_came]
    writer = MailText(by_writer=True, text=_storable(parsed.header("From")))
    return [writer, as_it_came, *(MailText(by_writer=False, text=_storable(text)) for text in _texts(parsed))]


def _storable(text: str) -> str:
    """Return a text without characters that PostgreSQL refuses."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _texts(parsed: ParsedMail) -> Iterator[str]:
    """Yield all text of a mail, decoded: its headers and parts, those of attached mails included."""
    for part in _parts(parsed.message):
        for name in dict.fromkeys(list(part.keys())[:_MAX_HEADERS]):
            yield header(part, name)
        if part.is_multipart():
            continue
        try:
            text = text_of(part, most=LOOKED_AT)
        except UNREADABLE:
            continue
        yield text
        if part.get_content_type() == "text/html":
            yield read_html(text).text


def _parts(message: Message) -> Iterator[Message]:
    level = [message]
    count = depth = 0
    while level and count < MAX_PARTS and depth <= MAX_PART_DEPTH:
        yield from level
        count, depth = count + len(level), depth + 1
        payloads = [part.get_payload() for part in level]
        level = [part for inner in payloads if isinstance(inner, list) for part in inner if isinstance(part, Message)]
