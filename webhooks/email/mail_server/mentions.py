"""Mentions of addresses in mails, however a mail writes them: folded, in base64, quoted-printable or HTML."""

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
    read_letter,
    text_of,
)

Mention = Literal["writer", "named"]
"""Whether somebody wrote a mail, or is named in it by another."""
_MOST_HEADERS: Final = 200


def find_mention(raw: bytes, pattern: re.Pattern[str]) -> Mention | None:
    """Look for addresses in a mail.

    Args:
        raw: as it came; what is longer than what is ever read of a mail is not looked at.
        pattern: finds them in a text.
    """
    raw = raw[:LOOKED_AT]
    try:
        letter = read_letter(raw)
    except InputError:  # nobody can read it, so that it says what its bytes say
        return "named" if pattern.search(raw.decode("latin-1")) else None
    if pattern.search(letter.header("From")):
        return "writer"
    named = pattern.search(raw.decode("latin-1")) or any(pattern.search(text) for text in _texts(letter))
    return "named" if named else None


def _texts(letter: ParsedMail) -> Iterator[str]:
    """Whatever a mail says, decoded: in its headers and its parts, those of mails inside it too."""
    for part in _parts(letter.message):
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
