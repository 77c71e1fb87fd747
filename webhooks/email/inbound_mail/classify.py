"""Classification of a mail: a bounce, a complaint, an unsubscribe request, an automatic answer, or a person's reply.

Used by the mail server's worker and by `muster check mail`. It needs no database and no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from campaigns.replies.classification import OwnMail
from campaigns.replies.mail_classification import LIST, SUBJECT, asks_for_no_more
from core.errors import InputError
from core.keyring import Keyring
from webhooks.email.events import EmailEvent
from webhooks.email.inbound_mail.addresses import Purpose
from webhooks.email.inbound_mail.auto_responses import (
    is_automatic,
    is_distributed,
    is_mail_system,
    is_postmaster,
    sounds_automatic,
    sounds_returned,
)
from webhooks.email.inbound_mail.parsed_mail import UNREADABLE, ParsedMail, parse_mail
from webhooks.email.inbound_mail.replies import MailReply, read_reply
from webhooks.email.inbound_mail.reports import is_feedback, read_bounce, read_complaint

BOUNCE: Final = "bounce"
COMPLAINT: Final = "complaint"
"""Source of complaints in a message's history."""
AUTO_RESPONSE: Final = "auto_response"
"""Code of an event that is an automatic answer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a mail.

    Attributes:
        purpose: the purpose of the address it was sent to.
        message_id: the message that address was made for, if it was.
        sender: of the envelope; "" for a bounce.
        received_at: when it came; aware.
        recipient: address to which our message had been sent, in lower case; "" if it is unknown.
    """

    purpose: Purpose
    message_id: int | None
    sender: str
    received_at: datetime
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """Event of a message, as reported by mail.

    Attributes:
        source: `BOUNCE` or `COMPLAINT`.
        message_id: the message; None if it is not one of ours.
        event: the fate of the message.
    """

    source: str
    message_id: int | None
    event: EmailEvent


@dataclass(frozen=True, slots=True)
class UnsubscribeWish:
    """Unsubscribe request, sent to the address in a message's `List-Unsubscribe`.

    Attributes:
        message_id: the message.
        answer: the same mail without proof of what it answers, for a person to read if the message's address is no
            longer known.
    """

    message_id: int | None
    answer: MailReply


@dataclass(frozen=True, slots=True)
class DoubtfulMail:
    """Mail that a machine may have written: an automatic answer, to be noted with the message, or a person's answer.

    Attributes:
        note: the event if it is automatic. None if there is no message to record it with, or if it has a bounce's
            subject but is no bounce: a person has to see it.
        answer: the answer if it is a person's.
        sounds: whether its subject suggests a machine. The headers of a list do not.
    """

    note: MessageEvent | None
    answer: MailReply
    sounds: bool = True

    def decide(self, mail: OwnMail) -> MessageEvent | MailReply:
        """Decide between the two; a request to unsubscribe is never only noted.

        Args:
            mail: the writer's own words, without the message's.
        """
        if self.note is None or asks_for_no_more(mail, self.answer.doubt):
            return self.answer
        says = mail.words or self.answer.attachments
        return self.answer if says and not self.sounds else self.note


def classify_mail(
    raw: bytes, origin: Origin, keyring: Keyring
) -> MessageEvent | UnsubscribeWish | DoubtfulMail | MailReply:
    """Parse a whole mail and classify it. Run it in a thread: it may take long.

    Args:
        raw: the mail as it came.
        origin: its way in.
        keyring: verifies signed ids.

    Raises:
        InputError: the mail cannot be read.
    """
    parsed = parse_mail(raw)
    try:
        return _classified(parsed, origin, keyring)
    except UNREADABLE as error:  # it would fail every time
        raise InputError(f"A mail that cannot be read ({type(error).__name__}).") from None


def _classified(
    parsed: ParsedMail, origin: Origin, keyring: Keyring
) -> MessageEvent | UnsubscribeWish | DoubtfulMail | MailReply:
    purpose, message_id = origin.purpose, origin.message_id
    certain = is_automatic(parsed, origin.sender)
    machine = certain or is_distributed(parsed, origin.sender)
    postmaster = is_postmaster(parsed, origin.sender)
    reported = _reported(parsed, origin, keyring, certain=certain, machine=machine or postmaster)
    if reported is not None:
        return reported
    note = MessageEvent(BOUNCE, message_id, EmailEvent("noted", origin.received_at, AUTO_RESPONSE))
    if certain:
        return note
    # at an automatic address too: a person's words are never lost
    answer = read_reply(parsed, keyring, message_id=message_id, sender=origin.sender)
    sounds = sounds_automatic(parsed)
    if machine:
        # lists forward much that does not answer our messages, but know none of the addresses made for one
        if answer.message_id is None and purpose not in {"reply", "bounce"}:
            return note
        note = replace(note, message_id=answer.message_id)
        # a bounce in unknown words, or a person's mail
        returned = sounds_returned(parsed, answered=purpose == "bounce")
        return DoubtfulMail(None if returned else note, replace(answer, doubt=LIST), sounds=sounds)
    if not sounds:
        return answer
    noted = purpose in {"reply", "bounce"} and not sounds_returned(parsed, answered=False)
    return DoubtfulMail(note if noted else None, replace(answer, doubt=SUBJECT))


def _reported(
    parsed: ParsedMail, origin: Origin, keyring: Keyring, *, certain: bool, machine: bool
) -> MessageEvent | UnsubscribeWish | None:
    """Read a mail as a complaint, an unsubscribe request or a bounce; None if it is none of these."""
    complaint = read_complaint(parsed, keyring, origin.received_at) if _may_complain(origin.purpose, parsed) else None
    if complaint is not None:
        about = origin.message_id if complaint.message_id is None else complaint.message_id
        return MessageEvent(COMPLAINT, about, complaint.event)
    if origin.purpose == "unsubscribe":  # usually sent by a program for the person, and marked as automatic
        answer = read_reply(parsed, keyring, message_id=None, sender=origin.sender)
        return UnsubscribeWish(origin.message_id, replace(answer, message_id=None))
    bounces = origin.purpose == "bounce"
    # some servers send bounces to Reply-To; a person's own answer is never searched for signs of a bounce
    by_machine = certain or is_mail_system(parsed) or (bounces and machine)
    if by_machine and origin.purpose in {"bounce", "reply"}:
        event = read_bounce(parsed, origin.received_at, recipient=origin.recipient, expected=bounces, certain=certain)
        return None if event is None else MessageEvent(BOUNCE, origin.message_id, event)
    return None


def _may_complain(purpose: Purpose, parsed: ParsedMail) -> bool:
    """Tell whether a mail may be a complaint: a feedback report anywhere, a bare copy of ours at that address only."""
    return purpose == "complaint" or is_feedback(parsed)
