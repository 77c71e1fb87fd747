"""Staff replies: sent to the author of a reply, by the channel and from the sender that the reply came to.

A staff reply closes the reply that it answers. If it fails for good, the reply opens again and says why.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Final

from campaigns.replies.answered_messages import ReplyChannel
from campaigns.replies.replies import StoredReply, lock_reply, mark_closed
from core.access import Actor
from core.addresses import normalise_email
from core.audit import AuditAction, record
from core.control_characters import is_blank
from core.db import Connection, load_queries
from core.errors import AddressError, Conflict, InputError
from core.settings import Settings
from messaging import suppression
from messaging.content.segments import MAX_TEXT_LENGTH, sanitise
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import find_sender, use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from messaging.reasons import sentence

SQL: Final = load_queries(__file__)

_RE: Final = re.compile(r"\s*re\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MailThread:
    """Fields of the answered mail that make mail programs show the staff reply in its thread.

    Attributes:
        message_id: the mail's own Message-ID; "" if it is not known.
        earlier: Message-IDs of its thread, oldest first.
        subject: its subject.
    """

    message_id: str = ""
    earlier: tuple[str, ...] = ()
    subject: str = ""

    def reply_subject(self, organisation: str) -> str:
        """Return the subject of a staff reply: the mail's with one `Re:`, or one that names the organisation."""
        subject = " ".join(self.subject.split())[:200]
        if not subject:
            return f"Your message to {organisation or 'us'}"
        return subject if _RE.match(subject) else f"Re: {subject}"


@dataclass(frozen=True, slots=True)
class StaffReply:
    """Staff reply, with the state of its message; its text is None if that is no longer kept."""

    message_id: int
    at: datetime
    by: str
    text: str | None
    state: str


@dataclass(frozen=True, slots=True)
class _Answered:
    """Message that a reply answers; each of its fields is None if that is not known or no longer kept.

    Attributes:
        channel: the channel by which it went.
        sender_id: the sender that it came from.
        about: the campaign's message with which the conversation began.
    """

    channel: ReplyChannel | None
    sender_id: int | None
    about: int | None


async def send_staff_reply(
    db: Connection, settings: Settings, reply_id: int, text: str, *, thread: MailThread, actor: Actor, at: datetime
) -> StaffReply:
    """Queue a staff reply and close the reply that it answers. The same text twice is one staff reply.

    Args:
        db: in the caller's transaction.
        settings: has the sender for replies to emails whose message is not known.
        reply_id: the reply.
        text: what it says, word for word.
        thread: of the mail that the reply was; empty for a text.
        actor: the member of staff.
        at: the time; aware.

    Raises:
        NotFound: no such reply.
        InputError: there is nothing to say, or more than a text can hold.
        Conflict: messages to them are stopped, or nobody knows where to send it.
    """
    if is_blank(text):
        raise InputError("The answer is empty.", remedy=f'muster replies answer {reply_id} "Thank you for …"')
    reply = await lock_reply(db, reply_id)
    answered = await _answered_by(db, reply)
    channel, address = _address(reply, answered)
    await _refuse_suppressed(db, reply, channel, address)
    if channel == "sms" and (length := len(sanitise(text.strip()).text)) > MAX_TEXT_LENGTH:
        raise InputError(
            f"This answer has {length:,} characters, and no provider takes a text of more than {MAX_TEXT_LENGTH:,}.",
            remedy="Shorten it, or send it in two answers.",
        )
    subject = thread.reply_subject(settings.organisation_name) if channel == "email" else ""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    message = NewMessage(
        MessageKind.STAFF_REPLY, channel, address, await _sender(db, settings, reply, answered),
        Contents(text.strip(), subject), actor.name, reply.person_id,
        reference=f"reply {reply_id}: {digest}", in_reply_to=thread.message_id or None, thread=thread.earlier,
        about=answered.about,
    )  # fmt: skip
    message_id = await send_to(db, message, at=at)
    await mark_closed(db, reply_id, actor=actor, at=at)
    await record(db, actor, AuditAction.REPLY_ANSWERED, reply.label, {"message_id": message_id}, at=at)
    return next(sent for sent in await staff_replies_to(db, reply_id) if sent.message_id == message_id)


async def reopen_unanswered(db: Connection) -> int:
    """Open the replies whose staff reply failed after it had closed them, with the reason; return how many.

    Args:
        db: a connection without a transaction.
    """
    failed = [
        (
            row["reply_id"],
            f"The staff reply to it, message {row['message_id']}, did not arrive. {sentence(row['reason'])}",
        )
        for row in await db.fetch(SQL["list_failed"])
    ]
    if failed:
        await db.executemany(SQL["reopen_reply"], failed)
    return len(failed)


async def staff_replies_to(db: Connection, reply_id: int) -> list[StaffReply]:
    """Return the staff replies to a reply, oldest first."""
    return [StaffReply(**row) for row in await db.fetch(SQL["list_staff_replies"], f"reply {reply_id}: ")]


async def _answered_by(db: Connection, reply: StoredReply) -> _Answered:
    """Return the message that a reply answers, as far as it is known."""
    row = None if reply.message_id is None else await db.fetchrow(SQL["find_thread"], reply.message_id)
    return _Answered(None, None, None) if row is None else _Answered(**row)


def _address(reply: StoredReply, answered: _Answered) -> tuple[ReplyChannel, str]:
    """Return the address to answer, and the channel; the answer to a button goes by the channel of its message.

    Raises:
        Conflict: the reply's sender is no address, or the message with its button is no longer kept.
    """
    channel = answered.channel if reply.channel == "link" else reply.channel
    elsewhere = f"Answer in another way, and then: muster replies close {reply.reply_id}"
    if channel is None:
        raise Conflict("The message with this button is no longer kept.", remedy=elsewhere)
    if channel == "sms" and reply.address.startswith("+"):
        return channel, reply.address
    try:
        return channel, normalise_email(reply.address)
    except AddressError:
        raise Conflict(
            f"Nobody can answer “{reply.address}”: that is no phone number or mailbox.", remedy=elsewhere
        ) from None


async def _refuse_suppressed(db: Connection, reply: StoredReply, channel: suppression.Medium, address: str) -> None:
    """Refuse to answer somebody to whom messages are stopped.

    Raises:
        Conflict: with why, and what can be done.
    """
    stops = await suppression.active_suppressions(db, channel=channel, address=address)
    if reply.person_id is not None:
        stops += await suppression.active_suppressions(db, channel="person", address=str(reply.person_id))
    for stop in stops:
        if stop.purpose == "all":
            raise Conflict(
                f"Nothing is sent to {address}. {sentence(stop.reason)}",
                remedy="If they want messages again, read their reply as such first: "
                f"muster replies read {reply.reply_id} opt_in. Or answer in another way, such as by ringing them.",
            )


async def _sender(db: Connection, settings: Settings, reply: StoredReply, answered: _Answered) -> int:
    """Return the sender that the reply came to; for an email, the sender of its message, or the usual sender."""
    if reply.channel == "sms":
        return await find_sender(db, "sms", [reply.sender])
    if answered.sender_id is not None:
        return answered.sender_id
    name, mailbox = parseaddr(settings.email_from)
    return await use_sender(db, "email", mailbox, name=name)
