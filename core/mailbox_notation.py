"""Notations of a mailbox in mail programs, pages and lists: with a name, in brackets, as a link."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_NAMED_MAILBOX: Final = re.compile(r"([^<>]*)<([^<>]*)>|([^\[\]]*)\[mailto:([^\[\]]*)\]")
"""Mailboxes as mail programs copy them: `Amy Jones <amy@example.org>`, `Amy Jones [mailto:amy@example.org]`."""
_REMARKED_MAILBOX: Final = re.compile(r"([^\s<>()]+)\s*\([^()@]*\)")
"""`amy@example.org (Amy Jones)`."""
_MAILBOXES: Final = re.compile(r"[^\s\"'<>(),;]+@[^\s\"'<>(),;]+")
_QUOTES: Final = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}


def bare_mailbox(text: str) -> str:
    """Strip a mailbox of what mail programs and pages put around it: a name, brackets, a link, a delimiter at its end.

    Args:
        text: in lower case.
    """
    text = _without_delimiters(text)
    if match := _NAMED_MAILBOX.fullmatch(text):
        name, mailbox = (match[1], match[2]) if match[2] is not None else (match[3], match[4])
        mailbox = mailbox.strip()
        # a name may be the mailbox again, but not another one: then it is not certain which is meant
        if all(written == mailbox.removeprefix("mailto:") for written in _MAILBOXES.findall(name)):
            text = mailbox
    elif match := _REMARKED_MAILBOX.fullmatch(text):
        text = match[1]
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1]
    if text.startswith("mailto:"):
        text = unquote(text.removeprefix("mailto:").partition("?")[0])
    return _without_delimiters(text)


def _without_delimiters(text: str) -> str:
    """Strip commas and semicolons around a mailbox, and the full stop of the sentence or the domain after it."""
    return text.strip().strip(",;").strip().rstrip(".")
