"""Mailbox of the sandbox: every mail it took, and its fate."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from itertools import count
from typing import Final

BODIES_KEPT: Final = 20_000
"""Newest mails of which the bytes are kept: 120,000 would fill the memory of a small machine."""

_MESSAGE_ID: Final = re.compile(rb"^message-id:[ \t\r\n]*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Mail:
    """Mail that the sandbox answered with 250 (or stored before it hung up).

    Attributes:
        number: counts up from 1.
        at: when, in seconds since 1970.
        sender: envelope sender.
        recipients: envelope recipients.
        message_id: the Message-ID header, with its angle brackets; empty if it has none.
        size: bytes.
        raw: its bytes; None once dropped.
        fate: `delivered`, `bounced` or `complained` (later, by a mail of its own), or `unacknowledged`.
    """

    number: int
    at: float
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    size: int
    raw: bytes | None = field(repr=False)
    fate: str = "delivered"

    def parse(self) -> EmailMessage:
        """Parse its MIME structure; an empty message once its bytes were dropped."""
        return message_from_bytes(self.raw or b"", policy=modern)

    def to_json(self) -> dict[str, object]:
        """Return everything but the text as JSON values, for lists."""
        return {
            "number": self.number,
            "at": self.at,
            "sender": self.sender,
            "recipients": self.recipients,
            "message_id": self.message_id,
            "size": self.size,
            "fate": self.fate,
        }


Reader = Callable[[Mail], None]
"""Function called with every mail at once when it is taken; must not block."""


class Mailbox:
    """Mailbox with every mail, and counts of those refused.

    Args:
        bodies_kept: number of newest mails whose bytes are kept.
    """

    def __init__(self, *, bodies_kept: int = BODIES_KEPT) -> None:
        self._mails: list[Mail] = []
        self._with_body: deque[Mail] = deque()
        self._bodies_kept = bodies_kept
        self._numbers = count(1)
        self._copies: Counter[tuple[str, str]] = Counter()
        self.readers: list[Reader] = []
        self.refused: Counter[str] = Counter()
        """Count of replies other than 250, by their first words: `550 5.1.1`."""

    def __len__(self) -> int:
        return len(self._mails)

    def __iter__(self) -> Iterator[Mail]:
        return iter(self._mails)

    def take(self, sender: str, recipients: tuple[str, ...], raw: bytes, *, fate: str = "delivered") -> Mail:
        """Store a mail and pass it to the readers."""
        header, _, _ = raw.partition(b"\r\n\r\n")
        match = _MESSAGE_ID.search(header)
        message_id = match[1].decode("ascii", "replace") if match else ""
        mail = Mail(next(self._numbers), time.time(), sender, recipients, message_id, len(raw), raw, fate)
        self._mails.append(mail)
        for recipient in recipients:
            self._copies[message_id, recipient] += 1
        for reader in self.readers:
            reader(mail)
        self._let_go(mail)
        return mail

    def _let_go(self, newest: Mail) -> None:
        self._with_body.append(newest)
        if len(self._with_body) > self._bodies_kept:
            self._with_body.popleft().raw = None

    def get(self, number: int) -> Mail | None:
        """Return the mail with that number, or None."""
        return self._mails[number - 1] if 0 < number <= len(self._mails) else None

    def newest(self) -> Iterator[Mail]:
        """Iterate over all mails, newest first."""
        return reversed(self._mails)

    def to(self, address: str) -> list[Mail]:
        """List the mails to one address, oldest first."""
        wanted = address.lower()
        return [mail for mail in self._mails if any(wanted == recipient.lower() for recipient in mail.recipients)]

    def repeats(self) -> dict[tuple[str, str], int]:
        """Count the copies of each (Message-ID, recipient) that came more than once."""
        return {key: copies for key, copies in self._copies.items() if copies > 1 and key[0]}

    def counts(self) -> dict[str, object]:
        """Count mails in all and by fate, refusals by reply, and repeats."""
        return {
            "accepted": len(self._mails),
            "by_fate": dict(Counter(mail.fate for mail in self._mails)),
            "refused": dict(self.refused),
            "repeated": sum(copies - 1 for copies in self.repeats().values()),
        }
