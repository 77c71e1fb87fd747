"""Confirmations by text: that an opt-out was understood, and that pictures cannot be seen; for every SMS provider.

One is chosen when a text comes, and queued in the transaction that processes the text, so that an opt-out and its
confirmation are committed together, and each is sent once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from campaigns.replies.answered_messages import AnsweredMessage
from campaigns.replies.auto_replies.sending import MAX_REPLY_AGE
from campaigns.replies.classification import Classification
from campaigns.replies.opt_outs import is_opted_out
from core.db import Connection, load_queries
from messaging.content.languages import DEFAULT
from messaging.content.translations import wording
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import find_sender
from messaging.outbox.transactional import MessageKind, NewMessage, confirm_opt_out, send_to
from people.search import only_holder

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Confirmation in reply to a text.

    Attributes:
        what: its key in words.toml.
        language: the one they wrote in, or else their own.
        organisation: the organisation that wrote to them last; "" if it is unknown.
    """

    what: Literal["sms_stopped", "sms_no_pictures"]
    language: str
    organisation: str

    @property
    def is_of_opt_out(self) -> bool:
        """Tell whether it confirms an opt-out; otherwise it is about pictures."""
        return self.what == "sms_stopped"

    def text(self) -> str:
        """Return its words."""
        words = str(wording(self.language)[self.what]).format(organisation=self.organisation)
        if self.organisation:
            return words
        words = words.lstrip(": ")
        return words[0].upper() + words[1:]  # no name is better than the default, “Your organisation”


async def choose_confirmation(
    db: Connection,
    read: Classification,
    answered: AnsweredMessage | None,
    *,
    phone: str,
    pictures: bool,
    organisation: str,
) -> Confirmation | None:
    """Choose the confirmation that a text gets; None for none.

    Choose it before the text is stored, because soon after that the phone may be opted out. A phone that is opted out
    already gets no confirmation: two machines must not answer each other for ever.

    Args:
        db: a connection.
        read: the text's classification.
        answered: the message that it answers; None if there is none.
        phone: the member's number, as E.164.
        pictures: whether pictures or the like came with it.
        organisation: the name of the organisation if the message has none.
    """
    what: Literal["sms_stopped", "sms_no_pictures"]
    if read.reading == "opt_out":
        what = "sms_stopped"
    elif pictures:
        what = "sms_no_pictures"
    else:
        return None
    if await is_opted_out(db, "sms", phone):
        return None
    # the organisation that the member was last written to by
    theirs = answered.subject.organisation if answered is not None and answered.subject is not None else ""
    language = read.language
    if language == DEFAULT:  # STOP is also, in any language
        language = await db.fetchval(SQL["find_language"], answered.person_id if answered else None, phone) or DEFAULT
    return Confirmation(what, language, theirs or organisation)


async def queue_confirmation(
    db: Connection, confirmation: Confirmation, *, phone: str, senders: Sequence[str], received_at: datetime
) -> None:
    """Queue a confirmation; an opt-out gets only one.

    Args:
        db: in the transaction that processes the text, after that.
        confirmation: the confirmation.
        phone: the member's number.
        senders: the numbers or services they wrote to, one of which sends it.
        received_at: when the text came; aware.
    """
    kind = MessageKind.OPT_OUT_CONFIRMED if confirmation.is_of_opt_out else MessageKind.AUTO_REPLY
    message = NewMessage(
        kind, "sms", phone, await find_sender(db, "sms", senders), Contents(confirmation.text()), "muster",
        await only_holder(db, "sms", phone), send_before=received_at + MAX_REPLY_AGE,
    )  # fmt: skip
    if confirmation.is_of_opt_out:
        await confirm_opt_out(db, message, at=received_at)
    else:
        await send_to(db, message, at=received_at)
