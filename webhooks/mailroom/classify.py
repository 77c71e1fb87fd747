"""Classification of a mail: a bounce, a complaint, a wish to get no more, a machine's answer, or a person's reply.

One judgement, for the mail server's worker and for `muster check mail`. It asks nobody: no database, no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from campaigns.answers import read_mail
from messaging.content.tokens import Keyring
from webhooks.email.events import Event
from webhooks.mailroom.addresses import Purpose
from webhooks.mailroom.letter import Letter, read_letter
from webhooks.mailroom.machines import is_automatic, is_mail_system, sounds_automatic, sounds_returned
from webhooks.mailroom.replies import Answer, read_answer
from webhooks.mailroom.reports import has_status, read_bounce, read_complaint

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
    """

    purpose: Purpose
    message_id: int | None
    sender: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class News:
    """News of a message, as a machine tells it.

    Attributes:
        source: `BOUNCE` or `COMPLAINT`.
        message_id: the message; None where it is none of ours.
        event: what became of it.
    """

    source: str
    message_id: int | None
    event: Event


@dataclass(frozen=True, slots=True)
class Farewell:
    """A wish for no more emails, sent to the address of a message's `List-Unsubscribe`."""

    message_id: int | None


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A mail whose subject alone speaks for a machine: a note with the message it came for, or a person's answer.

    Attributes:
        note: of a machine's answer; None where there is no message to note it with, and where the subject is that of
            mail that comes back, which this is not: somebody has to see it.
        answer: what it is else.
    """

    note: News | None
    answer: Answer

    def settle(self, words: str) -> News | Answer:
        """Say which of the two it is: no machine writes STOP, whatever its subject.

        Args:
            words: of the answer, without those of the message.
        """
        return self.answer if self.note is None or read_mail(words, doubtful=True).reading == "opt_out" else self.note


def classify_mail(raw: bytes, origin: Origin, keyring: Keyring) -> News | Farewell | Doubtful | Answer:
    """Read a mail to its last word, and say what it is. It takes long enough to be done in a thread.

    Args:
        raw: as it came.
        origin: how it came.
        keyring: knows our seals.

    Raises:
        InputError: it cannot be read.
    """
    letter = read_letter(raw)
    purpose, message_id = origin.purpose, origin.message_id
    complaint = read_complaint(letter, keyring, origin.received_at) if _may_complain(purpose, letter) else None
    if complaint is not None:
        about = message_id if complaint.message_id is None else complaint.message_id
        return News(COMPLAINT, about, complaint.event)
    if purpose == "unsubscribe":  # mostly a program sends it for the person, and says so
        return Farewell(message_id)
    certain = is_automatic(letter, origin.sender)
    # some servers send bounces to Reply-To; a person's own answer is never searched for what looks like one
    if purpose == "bounce" or (purpose == "reply" and (certain or is_mail_system(letter) or has_status(letter))):
        event = read_bounce(letter, origin.received_at, expected=certain and purpose == "bounce")
        if event is not None:
            return News(BOUNCE, message_id, event)
    note = News(BOUNCE, message_id, Event("noted", origin.received_at, AUTO_REPLY))
    if certain:
        return note
    # also what a person sends to an address meant for machines: no words are lost
    answer = read_answer(letter, keyring, message_id=message_id, sender=origin.sender)
    if not sounds_automatic(letter):
        return answer
    noted = purpose in {"reply", "bounce"} and not sounds_returned(letter, answered=False)
    return Doubtful(note if noted else None, replace(answer, doubtful=True))


def _may_complain(purpose: Purpose, letter: Letter) -> bool:
    """A report says what it is; a bare mail of ours sent back is a complaint only where complaints go."""
    return purpose == "complaint" or letter.header("Content-Type").lower().find("feedback-report") >= 0
