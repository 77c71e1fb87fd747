"""What a mail server's replies mean, in our words: RFC 5321 codes, RFC 3463 enhanced codes and the IANA registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from messaging.channels.base import Refused, Retry
from messaging.outbox.states import Reason

_ENHANCED: Final = re.compile(r"(?P<class>[245])\.(?P<subject>\d{1,3})\.(?P<detail>\d{1,3})(?!\d)")
_LONGEST: Final = 200


class Phase(StrEnum):
    """How far the conversation had come."""

    CONNECT = "connect"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


PERMANENT: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        # 1: the address
        "1": Reason.HARD_BOUNCED,  # 5.1.x: anything about the destination address
        "1.7": Reason.SENDER_REFUSED,  # the sender's mailbox syntax is bad
        "1.8": Reason.SENDER_REFUSED,  # the sender's system is bad
        "1.9": Reason.SENDER_REFUSED,  # relayed to a system that does not speak SMTP
        # 2: the mailbox
        "2": Reason.RECIPIENT_REFUSED,  # 5.2.x: anything else about the mailbox
        "2.1": Reason.HARD_BOUNCED,  # disabled
        "2.2": Reason.MAILBOX_FULL,
        "2.3": Reason.CONTENT_REFUSED,  # too large for this mailbox
        # 3: the mail system speaks of itself and of us, never of the recipient
        "3": Reason.SENDER_REFUSED,
        "3.4": Reason.CONTENT_REFUSED,  # too large for the system
        # 4: the network and routing
        "4": Reason.RECIPIENT_REFUSED,
        # 5: the protocol: our mistake or theirs
        "5": Reason.SENDER_REFUSED,
        # 6: the content
        "6": Reason.CONTENT_REFUSED,
        # 7: policy and security: reputation, authentication, relaying
        "7": Reason.SENDER_REFUSED,
    }
)
"""Permanent refusals by subject, then by subject and detail."""

_BARE: Final[Mapping[Phase, Reason]] = MappingProxyType(
    {
        Phase.CONNECT: Reason.SENDER_REFUSED,
        Phase.AUTH: Reason.ACCOUNT_REFUSED,
        Phase.MAIL: Reason.SENDER_REFUSED,
        Phase.RCPT: Reason.RECIPIENT_REFUSED,  # 550 alone may be policy, so the address is not suppressed for it
        Phase.DATA: Reason.CONTENT_REFUSED,
        Phase.BODY: Reason.CONTENT_REFUSED,
    }
)
"""Permanent refusals without an enhanced code, by how far we had come."""


def judge(code: int, reply: str, phase: Phase) -> Retry | Refused:
    """What a reply other than success means; in every case nothing was sent.

    Args:
        code: three digits.
        reply: the rest, lines parted by newlines; may begin with an enhanced code.
        phase: what it answers.
    """
    words = f"{code} {reply}".replace("\n", " ")[:_LONGEST]
    found = _ENHANCED.match(reply)
    name = found.group(0) if found else str(code)
    if code < 500:
        # 421 closes for everybody, and before RCPT nobody's address is meant; a greylisted recipient slows nobody else
        slow = code == 421 or phase in {Phase.CONNECT, Phase.AUTH, Phase.MAIL}
        full = name == "4.2.2" or (found is None and code == 452 and phase is Phase.RCPT)
        return Retry(Reason.MAILBOX_FULL if full else Reason.BUSY, name, words, slow=slow)
    if found is None or phase is Phase.AUTH:
        return Refused(_BARE[phase], name, words)
    subject, detail = found["subject"], found["detail"]
    reason = PERMANENT.get(f"{subject}.{detail}") or PERMANENT.get(subject) or _BARE[phase]
    return Refused(reason, name, words)
