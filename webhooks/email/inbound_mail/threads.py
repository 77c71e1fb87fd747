"""Thread of a mail that became a reply, so that an answer is shown below it."""

from __future__ import annotations

from typing import Final

from campaigns.replies.staff_replies import MailThread
from webhooks.email.inbound_mail.parsed_mail import parse_mail

_MAX_IDS: Final = 20
"""Message-IDs of a thread that are read."""


def thread_of(raw: bytes | None) -> MailThread:
    """Return the thread of a raw mail; an empty one if the mail is not kept.

    Raises:
        InputError: it cannot be read.
    """
    if raw is None:
        return MailThread()
    parsed = parse_mail(raw)
    own = parsed.header("Message-ID").split()
    earlier = parsed.header("References").split() or parsed.header("In-Reply-To").split()
    return MailThread(own[0] if own else "", tuple(earlier[-_MAX_IDS:]), parsed.header("Subject"))
