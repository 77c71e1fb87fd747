"""Replies of a mail server in the dialogue: of the recipient, of us or of the moment, by the phase they answer."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from messaging.channels.channel import Refused, Retry
from messaging.reports.diagnostics import Judged, Weight, judge_bounce
from messaging.states import OUR_FAULT, Reason

_LONGEST: Final = 200


class SmtpPhase(StrEnum):
    """How far the conversation had come."""

    CONNECT = "connect"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


_BARE: Final[Mapping[SmtpPhase, Reason]] = MappingProxyType(
    {
        SmtpPhase.CONNECT: Reason.SENDER_REFUSED,
        SmtpPhase.AUTH: Reason.ACCOUNT_REFUSED,
        SmtpPhase.MAIL: Reason.SENDER_REFUSED,
        SmtpPhase.RCPT: Reason.RECIPIENT_REFUSED,  # 550 alone may be policy, so the address is not suppressed for it
        SmtpPhase.DATA: Reason.CONTENT_REFUSED,
        SmtpPhase.BODY: Reason.CONTENT_REFUSED,
    }
)
"""Permanent refusals without an enhanced code, by how far we had come."""


def judge(code: int, reply: str, phase: SmtpPhase) -> Retry | Refused:
    """What a reply other than success means; in every case nothing was sent.

    Args:
        code: three digits.
        reply: the rest, lines parted by newlines; may begin with an enhanced code.
        phase: what it answers.
    """
    words = f"{code} {reply}".replace("\n", " ")
    judged = judge_bounce("", words, Judged(_BARE[phase], soft=phase is SmtpPhase.RCPT))
    name = judged.code or str(code)
    about_recipient = phase not in {SmtpPhase.CONNECT, SmtpPhase.AUTH, SmtpPhase.MAIL}
    if code < 500:
        # 421 closes for everybody, and before RCPT nobody's address is meant; a greylisted recipient slows nobody else
        slow = code == 421 or not about_recipient
        full = judged.weight is Weight.FULL or (not judged.code and code == 452 and phase is SmtpPhase.RCPT)
        reason = Reason.MAILBOX_FULL if full and about_recipient else Reason.BUSY
        return Retry(reason, name, words[:_LONGEST], slow=slow)
    if phase is SmtpPhase.AUTH or not (about_recipient or judged.reason in OUR_FAULT):
        return Refused(_BARE[phase], name, words[:_LONGEST])
    return Refused(judged.reason, name, words[:_LONGEST], soft=judged.soft)
