"""Mentions of addresses in mails, in every encoding: folded, base64, quoted-printable or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from typing import Final, Literal

from core.errors import InputError
from webhooks.email.mail_server.markup import read_html
from webhooks.email.mail_server.parsed_mail import (
    DEEPEST,
    LOOKED_AT,
    MOST_PARTS,
    UNREADABLE,
    ParsedMail,
    header,
    parse_mail,
    text_of,
)

Mention = Literal["writer", "named"]
"""Whether the person with the address wrote the mail, or somebody else names them in it."""
_MOST_HEADERS: Final = 200


def find_mention(raw: bytes, pattern: re.Pattern[str]) -> Mention | None:
    """Search a mail for addresses.

    Args:
        raw: the mail as it came; nothing beyond the length that is ever read is searched.
        pattern: finds the addresses in a text.
    """
    raw = raw[:LOOKED_AT]
    try:
        parsed = parse_mail(raw)
    except InputError:  # unreadable: search its bytes
        return "named" if pattern.search(raw.decode("latin-1")) else None
    if pattern.search(parsed.header("From")):
        return "writer"
    named = pattern.search(raw.decode("latin-1")) or any(pattern.search(text) for text in _texts(parsed))
    return "named" if named else None


def _texts(parsed: ParsedMail) -> Iterator[str]:
    """Yield all text of a mail, decoded: its headers and parts, those of attached mails included."""
    for part in _parts(parsed.message):
        for name in dict.fromkeys(list(part.keys())[:_MOST_HEADERS]):
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
    found = depth = 0
    while level and found < MOST_PARTS and depth <= DEEPEST:
        yield from level
        found, depth = found + len(level), depth + 1
        payloads = [part.get_payload() for part in level]
        level = [one for inner in payloads if isinstance(inner, list) for one in inner if isinstance(one, Message)]
