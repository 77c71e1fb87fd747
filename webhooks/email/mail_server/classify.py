"""Classification of a mail: a bounce, a complaint, a wish to get no more, a machine's answer, or a person's reply.

One judgement, for the mail server's worker and for `muster check mail`. It asks nobody: no database, no network.
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
from webhooks.email.mail_server.addresses import Purpose
from webhooks.email.mail_server.auto_responses import (
    is_automatic,
    is_distributed,
    is_mail_system,
    is_postmaster,
    sounds_automatic,
    sounds_returned,
)
from webhooks.email.mail_server.parsed_mail import UNREADABLE, ParsedMail, read_letter
from webhooks.email.mail_server.replies import MailAnswer, read_answer
from webhooks.email.mail_server.reports import read_bounce, read_complaint

BOUNCE: Final = "bounce"
COMPLAINT: Final = "complaint"
"""Who says so, in a message's history."""
AUTO_REPLY: Final = "auto_reply"
"""Code of an event that is a machine's answer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a mail came.

    Attributes:
        purpose: of the address it came to.
        message_id: the message that address was made for, if it was.
        sender: of the envelope; "" for a bounce.
        received_at: when; aware.
        recipient: where the message went, in lower case; "" where nobody knows.
    """

    purpose: Purpose
    message_id: int | None
    sender: str
    received_at: datetime
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """News of a message, as a machine tells it.

    Attributes:
        source: `BOUNCE` or `COMPLAINT`.
        message_id: the message; None where it is none of ours.
        event: what became of it.
    """

    source: str
    message_id: int | None
    event: EmailEvent


@dataclass(frozen=True, slots=True)
class UnsubscribeWish:
    """A wish for no more emails, sent to the address of a message's `List-Unsubscribe`.

    Attributes:
        message_id: the message.
        answer: the same as a mail that proves nothing, for a person to read where nobody knows any more where the
            message went.
    """

    message_id: int | None
    answer: MailAnswer


@dataclass(frozen=True, slots=True)
class DoubtfulMail:
    """A mail that a machine may have written: a note with the message it came for, or a person's answer.

    Attributes:
        note: of a machine's answer; None where there is no message to note it with, and where the subject is that of
            mail that comes back, which this is not: somebody has to see it.
        answer: what it is else.
        sounds: whether its subject, or where it came to, speaks for a machine. The headers of a list say nothing.
    """

    note: MessageEvent | None
    answer: MailAnswer
    sounds: bool = True

    def settle(self, mail: OwnMail) -> MessageEvent | MailAnswer:
        """Say which of the two it is: what asks for no more is never only noted.

        Args:
            mail: the words of the answer, without those of the message.
        """
        if self.note is None or asks_for_no_more(mail, self.answer.doubt):
            return self.answer
        says = mail.words or self.answer.attachments
        return self.answer if says and not self.sounds else self.note


def classify_mail(
    raw: bytes, origin: Origin, keyring: Keyring
) -> MessageEvent | UnsubscribeWish | DoubtfulMail | MailAnswer:
    """Read a mail to its last word, and say what it is. It takes long enough to be done in a thread.

    Args:
        raw: as it came.
        origin: how it came.
        keyring: knows our seals.

    Raises:
        InputError: it cannot be read.
    """
    letter = read_letter(raw)
    try:
        return _classified(letter, origin, keyring)
    except UNREADABLE as error:  # it would fail so whenever it is read
        raise InputError(f"A mail that cannot be read ({type(error).__name__}).") from None


def _classified(
    letter: ParsedMail, origin: Origin, keyring: Keyring
) -> MessageEvent | UnsubscribeWish | DoubtfulMail | MailAnswer:
    purpose, message_id = origin.purpose, origin.message_id
    certain = is_automatic(letter, origin.sender)
    machine = certain or is_distributed(letter, origin.sender)
    postmaster = is_postmaster(letter, origin.sender)
    told = _told(letter, origin, keyring, certain=certain, machine=machine or postmaster)
    if told is not None:
        return told
    note = MessageEvent(BOUNCE, message_id, EmailEvent("noted", origin.received_at, AUTO_REPLY))
    if certain:
        return note
    # also what a person sends to an address meant for machines: no words are lost
    answer = read_answer(letter, keyring, message_id=message_id, sender=origin.sender)
    sounds = sounds_automatic(letter)
    if machine:
        if answer.message_id is None and purpose != "reply":  # lists bring much that answers nothing of ours
            return note
        note = replace(note, message_id=answer.message_id)
        return DoubtfulMail(note, replace(answer, doubt=LIST), sounds=sounds or purpose == "bounce")
    if not sounds:
        return answer
    noted = purpose in {"reply", "bounce"} and not sounds_returned(letter, answered=False)
    return DoubtfulMail(note if noted else None, replace(answer, doubt=SUBJECT))


def _told(
    letter: ParsedMail, origin: Origin, keyring: Keyring, *, certain: bool, machine: bool
) -> MessageEvent | UnsubscribeWish | None:
    """What a machine tells of a message, or asks for somebody; None where a mail is none of its reports."""
    complaint = read_complaint(letter, keyring, origin.received_at) if _may_complain(origin.purpose, letter) else None
    if complaint is not None:
        about = origin.message_id if complaint.message_id is None else complaint.message_id
        return MessageEvent(COMPLAINT, about, complaint.event)
    if origin.purpose == "unsubscribe":  # mostly a program sends it for the person, and says so
        answer = read_answer(letter, keyring, message_id=None, sender=origin.sender)
        return UnsubscribeWish(origin.message_id, replace(answer, message_id=None))
    bounces = origin.purpose == "bounce"
    # some servers send bounces to Reply-To; a person's own answer is never searched for what looks like one
    if bounces or (origin.purpose == "reply" and (certain or is_mail_system(letter))):
        event = read_bounce(letter, origin.received_at, recipient=origin.recipient, expected=bounces and machine)
        return None if event is None else MessageEvent(BOUNCE, origin.message_id, event)
    return None


def _may_complain(purpose: Purpose, letter: ParsedMail) -> bool:
    """A report says what it is; a bare mail of ours sent back is a complaint only where complaints go."""
    return purpose == "complaint" or letter.header("Content-Type").lower().find("feedback-report") >= 0
