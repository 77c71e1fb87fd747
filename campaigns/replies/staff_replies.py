"""Staff replies: sent to whoever replied, by the channel and from the sender that the reply came to.

A staff reply closes the reply that it answers. Where it fails for good, that opens again and says why.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Final

import asyncpg

from core.access import Actor
from core.addresses import normalise_email
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import AddressError, Conflict, InputError, NotFound
from core.settings import Settings
from messaging import suppression
from messaging.content.segments import MAX_TEXT_LENGTH, sanitise
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import find_sender, use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from messaging.states import sentence

SQL: Final = load_queries(__file__)

_RE: Final = re.compile(r"\s*re\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MailThread:
    """Fields of the mail that is answered, by which mail programs show the staff reply in its thread.

    Attributes:
        message_id: the mail's own Message-ID; "" where it is not known.
        earlier: Message-IDs of its thread, oldest first.
        subject: its subject.
    """

    message_id: str = ""
    earlier: tuple[str, ...] = ()
    subject: str = ""

    def reply_subject(self, organisation: str) -> str:
        """Return the subject of a staff reply: with `Re:` once, or naming the organisation where there was none."""
        subject = " ".join(self.subject.split())[:200]
        if not subject:
            return f"Your message to {organisation or 'us'}"
        return subject if _RE.match(subject) else f"Re: {subject}"


@dataclass(frozen=True, slots=True)
class StaffReply:
    """Staff reply, and what became of it; its text is None where that is no longer kept."""

    message_id: int
    at: datetime
    by: str
    text: str | None
    state: str


async def send_staff_reply(
    db: Connection, settings: Settings, reply_id: int, text: str, *, thread: MailThread, actor: Actor, at: datetime
) -> StaffReply:
    """Queue a staff reply and close the reply that it answers. The same text twice is one staff reply.

    Args:
        db: in the caller's transaction.
        settings: has the sender of emails whose message is not known.
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
    if not text.strip():
        raise InputError("The answer is empty.", remedy=f'muster replies answer {reply_id} "Thank you for …"')
    reply = await db.fetchrow(SQL["lock_reply"], reply_id)
    if reply is None:
        raise NotFound(f"There is no reply {reply_id}.", remedy="See those that wait with: muster replies list")
    channel, address = reply["channel"], _address(reply)
    await _refuse_suppressed(db, reply, channel, address)
    if channel == "sms" and (length := len(sanitise(text.strip()).text)) > MAX_TEXT_LENGTH:
        raise InputError(
            f"This answer has {length:,} characters, and no provider takes a text of more than {MAX_TEXT_LENGTH:,}.",
            remedy="Shorten it, or send it in two answers.",
        )
    subject = thread.reply_subject(settings.named) if channel == "email" else ""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    message = NewMessage(
        MessageKind.STAFF_REPLY, channel, address, await _sender(db, settings, reply, channel),
        Contents(text.strip(), subject), actor.name, reply["person_id"],
        reference=f"reply {reply_id}: {digest}", in_reply_to=thread.message_id or None, thread=thread.earlier,
        about=reply["about"],
    )  # fmt: skip
    message_id = await send_to(db, message, at=at)
    await db.execute(SQL["close_reply"], reply_id, at, actor.name)
    await record(db, actor, AuditAction.REPLY_ANSWERED, f"reply {reply_id}", {"message_id": message_id}, at=at)
    return next(sent for sent in await staff_replies_to(db, reply_id) if sent.message_id == message_id)


async def reopen_unanswered(db: Connection) -> int:
    """Open the replies whose staff reply failed after it had closed them, with why; returns how many.

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


def _address(reply: asyncpg.Record) -> str:
    """Return where to answer.

    Raises:
        Conflict: the reply's sender is no address.
    """
    address: str = reply["address"] or ""
    if reply["channel"] == "sms" and address.startswith("+"):
        return address
    try:
        return normalise_email(address)
    except AddressError:
        raise Conflict(
            f"Nobody can answer “{address}”: that is no phone number or mailbox.",
            remedy=f"Answer in another way, and then: muster replies close {reply['reply_id']}",
        ) from None


async def _refuse_suppressed(db: Connection, reply: asyncpg.Record, channel: suppression.Medium, address: str) -> None:
    """Refuse to answer somebody to whom messages are stopped.

    Raises:
        Conflict: with why, and what can be done.
    """
    stops = await suppression.active_suppressions(db, channel=channel, address=address)
    if reply["person_id"] is not None:
        stops += await suppression.active_suppressions(db, channel="person", address=str(reply["person_id"]))
    for stop in stops:
        if stop.purpose == "all":
            raise Conflict(
                f"Nothing is sent to {address}. {sentence(stop.reason)}",
                remedy="If they want messages again, read their reply as such first: "
                f"muster replies read {reply['reply_id']} opt_in. Or answer in another way, such as by ringing them.",
            )


async def _sender(db: Connection, settings: Settings, reply: asyncpg.Record, channel: str) -> int:
    """Return the sender that the reply came to; for an email that of the message it answers, or the usual one."""
    if channel == "sms" and not reply["pressed"]:
        return await find_sender(db, "sms", [reply["sender"]])
    if reply["sender_id"] is not None:
        return int(reply["sender_id"])
    name, mailbox = parseaddr(settings.email_from)
    return await use_sender(db, "email", mailbox, name=name)
