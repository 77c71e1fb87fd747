"""Map SMTP replies to results: a refusal of the recipient, of the sender, or a temporary one, by the phase."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from messaging.channels.channel import Refused, Retry
from messaging.reasons import OUR_FAULT, Reason
from messaging.reports.bounce_classification import RefusalClass, Weight, judge_bounce

_MAX_LENGTH: Final = 200


class SmtpPhase(StrEnum):
    """Phase of the SMTP session that a reply answers."""

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
"""Reasons of permanent refusals without an enhanced code, by phase."""


def result_of(code: int, reply: str, phase: SmtpPhase) -> Retry | Refused:
    """Return the result for a reply other than success; in every case nothing was sent.

    Args:
        code: three digits.
        reply: the rest, its lines separated by newlines; may begin with an enhanced code.
        phase: the phase it answers.
    """
    words = f"{code} {reply}".replace("\n", " ")
    judged = judge_bounce("", words, RefusalClass(_BARE[phase], soft=phase is SmtpPhase.RCPT))
    name = judged.code or str(code)
    about_recipient = phase not in {SmtpPhase.CONNECT, SmtpPhase.AUTH, SmtpPhase.MAIL}
    if code < 500:
        # 421 closes the connection, and before RCPT no address is refused; greylisting of one recipient does not slow
        # others
        slow = code == 421 or not about_recipient
        full = judged.weight is Weight.FULL or (not judged.code and code == 452 and phase is SmtpPhase.RCPT)
        reason = Reason.MAILBOX_FULL if full and about_recipient else Reason.BUSY
        return Retry(reason, name, words[:_MAX_LENGTH], slow=slow)
    if phase is SmtpPhase.AUTH or not (about_recipient or judged.reason in OUR_FAULT):
        return Refused(_BARE[phase], name, words[:_MAX_LENGTH])
    return Refused(judged.reason, name, words[:_MAX_LENGTH], soft=judged.soft)
