"""Answers by email: the person's own words, classified by the same rules as a text, and stored as a reply.

An answer is acted on only if it proves which message it answers: it came to the Reply-To made for one message, or names
that message's Message-ID. Nobody else has either. Anybody can write a From line, so an answer without proof waits for a
person, whatever it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from campaigns.replies.answers import AnswerResult, Inbound, answer_reply
from campaigns.replies.classification import Classification, OwnMail
from campaigns.replies.mail_classification import Doubt, reaction, read_mail, with_more_kept
from campaigns.replies.reply_inbox import note_reply
from core.addresses import normalise_email
from core.db import Connection
from core.errors import AddressError
from core.keyring import Keyring
from core.plurals import plural
from webhooks.email.events import find_message
from webhooks.email.inbound_mail.mail_store import delete_raw_mail, keep_raw_mail
from webhooks.email.inbound_mail.own_words import own_words
from webhooks.email.inbound_mail.parsed_mail import ParsedMail, mailboxes
from webhooks.email.inbound_mail.quoted_text import marks_quotation, names_in
from webhooks.email.inbound_mail.subjects import own_subject
from webhooks.inbound_log.inbound_log import Item

MAX_KEPT_LENGTH: Final = 4000
"""Characters of a mail that are kept if none of it is known to be the writer's own."""
MAX_IDS: Final = 20
"""Message-IDs of a thread that are looked at, from its beginning and from its end."""
_THREADS: Final = ("In-Reply-To", "References")


@dataclass(frozen=True, slots=True)
class MailReply:
    """Answer that somebody wrote by mail.

    Attributes:
        message_id: the message that it proves to answer; None without a proof.
        address: the mailbox they say they wrote from.
        names: the words of their name.
        subject: of the mail.
        text: the mail's text, in the form that best shows what it quotes.
        attachments: the number of its attachments.
        attached: the attachments in words, for staff.
        reacts: whether it is only an emoji that was put on the message it answers.
        doubt: why a machine may have written it, if it may: then only an opt-out is acted on.
    """

    message_id: int | None
    address: str
    names: frozenset[str]
    subject: str
    text: str
    attachments: int
    attached: str = ""
    reacts: bool = False
    doubt: Doubt | None = None

    def own(self, sent: Sequence[str]) -> OwnMail:
        """Extract the person's own words, and the part of the subject that they chose.

        Args:
            sent: the message that is answered, in each of its forms.
        """
        return OwnMail(own_words(self.text, self.names, sent), own_subject(self.subject, sent))

    def read(self, mail: OwnMail) -> tuple[Classification, str]:
        """Classify it; return the classification, and the text to store and show.

        The text is their own words, or the whole mail if none are known to be theirs.

        Args:
            mail: their own words; a subject that says what they want is enough.
        """
        read, whole = read_mail(mail, self.doubt), self.text[:MAX_KEPT_LENGTH].strip()
        if self.reacts:
            return reaction(), whole or mail.text
        if mail.words or not whole or (mail.subject and read.reading != "unclear"):
            return read, mail.text
        kept = OwnMail(whole, mail.subject).text
        return (read if kept.strip() == mail.text.strip() else with_more_kept(read)), kept


def read_reply(parsed: ParsedMail, keyring: Keyring, *, message_id: int | None, sender: str) -> MailReply:
    """Read an answer: what it answers, and who wrote it.

    Args:
        parsed: the mail.
        keyring: verifies signed ids.
        message_id: the message it was addressed to.
        sender: of the envelope.
    """
    if message_id is None:
        message_id = find_message(keyring, *(ids for name in _THREADS for ids in _ids(parsed, name)))
    address, name = _writer(parsed, sender)
    names = frozenset(names_in(name, address))
    return MailReply(
        message_id, address, names, parsed.header("Subject"), _text(parsed), parsed.attachments,
        parsed.attachment_names, parsed.is_reaction,
    )  # fmt: skip


def _text(parsed: ParsedMail) -> str:
    """Return a mail's text; or its HTML as text, if only that shows what is quoted, or there is no other text."""
    plain = parsed.plain
    if plain.strip() and marks_quotation(plain):
        return plain
    html = parsed.html
    return html.text if html.text and (html.marks or not plain.strip()) else plain


async def take_reply(db: Connection, item: Item, answer: MailReply, mail: OwnMail) -> int | None:
    """Act on an answer, or leave it for a person.

    Args:
        db: in the transaction of the inbound log.
        item: the row of the inbound log.
        answer: the answer.
        mail: the person's own words.

    Returns:
        The id of its reply, if it became one.
    """
    read, text = answer.read(mail)
    answered = await answer_reply(
        db,
        Inbound(
            inbound_id=item.inbound_id,
            channel="email",
            address=answer.address,
            senders=(item.payload["recipient"],),
            text=text,
            read=read,
            received_at=item.received_at,
            media=answer.attachments,
            message_id=answer.message_id,
            proven=answer.message_id is not None,
        ),
    )
    if answer.attachments:
        await _deal_with_attachments(db, item, answer, answered, readable=bool(mail.words))
    return answered.reply_id


async def _deal_with_attachments(
    db: Connection, item: Item, answer: MailReply, answered: AnswerResult, *, readable: bool
) -> None:
    """Delete a mail's attachments, with the raw mail, unless staff have to look into it for its meaning."""
    waits = answered.why_open is not None and not readable
    await (keep_raw_mail if waits else delete_raw_mail)(db, item.inbound_id)
    if answered.reply_id is None:
        return
    if waits:
        only = f", only {answer.attached}" if answer.attached else ""
        note = f"No words of their own can be read in it{only}. The whole mail is kept until this reply is closed."
    else:
        things = plural(answer.attachments, "attachment was", "attachments were")
        note = f"{things} not kept: Muster takes words only."
    await note_reply(db, answered.reply_id, note)


def _writer(parsed: ParsedMail, sender: str) -> tuple[str, str]:
    """Return the writer's mailbox and name, as the mail states them; empty for a From of several people, or none."""
    addresses = parsed.addresses("From")
    address = ", ".join(addresses)[:300] or f"unknown, by way of {sender}"[:300]
    if len(addresses) == 1:
        with suppress(AddressError):
            address = normalise_email(address)
    return address, next((name for name, _ in mailboxes(parsed.header("From"))), "")


def _ids(parsed: ParsedMail, name: str) -> list[str]:
    """Return the ids a mail says it answers, latest first; of a long thread only the last and the first."""
    ids = parsed.header(name).split()[::-1]
    return [*ids[:MAX_IDS], *ids[-MAX_IDS:]]
