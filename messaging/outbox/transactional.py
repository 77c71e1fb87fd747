"""Send a message to one person, or to an address alone, without a campaign: a code, a confirmation, a staff reply.

Such a message overtakes the messages of campaigns, and is claimed, sent, retried and reported on like them. Quiet hours
and frequency caps neither apply to it nor count it. It is sent word for word as it was queued. Secrets in a message (a
code, a sign-in link) are kept encrypted; see `concealment`.

A reply answers the last message that was sent to its author. A transactional message offers no digits, so after it the
digits of the campaign's message before it no longer count. Kinds in `KEEPS_MENU` ask nothing themselves, and after them
the digits still count.

Messages are not sent to suppressed addresses and people, with two exceptions by kind: messages to staff about their
accounts, and the confirmation of an opt-out, once, if nothing else stops messages to that address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import SecretStr

from core.access import Actor
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import InputError
from messaging.outbox.concealment import Contents, conceal
from messaging.states import ChannelName, MessagePurpose

SQL: Final = load_queries(__file__)


class MessageKind(StrEnum):
    """Kind of a transactional message; the values are the same as in the database's check."""

    SIGN_IN = "sign_in"
    ACCOUNT = "account"
    OPT_OUT_CONFIRMED = "opt_out_confirmed"
    AUTO_REPLY = "auto_reply"
    STAFF_REPLY = "staff_reply"
    TEST = "test"


KINDS: Final = {
    MessageKind.SIGN_IN: "a sign-in link for staff",
    MessageKind.ACCOUNT: "an invitation to the staff, or news of an account",
    MessageKind.OPT_OUT_CONFIRMED: "the confirmation of an opt-out",
    MessageKind.AUTO_REPLY: "an automatic answer",
    MessageKind.STAFF_REPLY: "a staff reply",
    MessageKind.TEST: "a test",
}
"""Phrase for a message of each kind."""
FOR_STAFF: Final = frozenset({MessageKind.SIGN_IN, MessageKind.ACCOUNT})
"""Kinds about accounts: no suppression stops them, and nobody answers them."""
BY_MACHINE: Final = FOR_STAFF | {MessageKind.OPT_OUT_CONFIRMED, MessageKind.AUTO_REPLY}
"""Kinds that no person writes: their emails are marked as automatic, which stops holiday notices."""

KEEPS_MENU: Final = frozenset({MessageKind.AUTO_REPLY, MessageKind.OPT_OUT_CONFIRMED})
"""Kinds that ask nothing of their own: a reply after one answers the message before it."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """Message to be sent.

    Attributes:
        kind: what it is for.
        channel: `sms` or `email`.
        address: normalised.
        sender_id: the sender it comes from.
        contents: what it says.
        asked_by: who or what wants it sent: a member of staff, `console` …
        person_id: whom it is for; None if only the address is known.
        purpose: the purpose, which says which suppressions stop it.
        send_before: its deadline; nothing leaves later.
        reference: natural key: using it twice makes one message. Not for `OPT_OUT_CONFIRMED`.
        in_reply_to: Message-ID of the email that it answers.
        thread: Message-IDs of the thread of that email, oldest first.
        about: the campaign's message that began the conversation, if any.
    """

    kind: MessageKind
    channel: ChannelName
    address: str
    sender_id: int
    contents: Contents
    asked_by: str
    person_id: int | None = None
    purpose: MessagePurpose = "service"
    send_before: datetime | None = None
    reference: str | None = None
    in_reply_to: str | None = None
    thread: tuple[str, ...] = ()
    about: int | None = None


async def send_to(db: Connection, message: NewMessage, *, at: datetime, keys: Sequence[SecretStr] = ()) -> int:
    """Queue a message in the caller's transaction. Call `runtime.wake("deliver")` after its commit.

    Args:
        db: in the caller's transaction, if there is one.
        message: the message; the confirmation of an opt-out is queued by `confirm_opt_out` instead.
        at: the time; aware.
        keys: MUSTER_SECRET_KEY; needed only for contents with secrets.

    Returns:
        Its id; if the reference has been used before, the id of the earlier message.

    Raises:
        InputError: an email without a subject, or contents that cannot be masked.
        SettingsError: the contents have secrets, and there is no key.
    """
    if message.kind is MessageKind.OPT_OUT_CONFIRMED:
        raise ValueError("Only confirm_opt_out queues the confirmation of an opt-out: once, and for what it is.")
    return await _add(db, message, message.reference, at, keys)


async def queue_test(db: Connection, message: NewMessage, template: str, *, actor: Actor, at: datetime) -> int:
    """Queue a preview of a template as a test message, and record who sent it.

    Args:
        db: in a transaction of the caller's.
        message: the message, of the kind `TEST`.
        template: the template's name, for the audit.
        actor: who sends it, for the audit.
        at: the time; aware.

    Returns:
        Its id.

    Raises:
        InputError: an email without a subject.
    """
    message_id = await send_to(db, message, at=at)
    await record(db, actor, AuditAction.TEST_SENT, f"message {message_id}", {"template": template}, at=at)
    return message_id


async def confirm_opt_out(db: Connection, message: NewMessage, *, at: datetime) -> int | None:
    """Queue the confirmation of the opt-out in force for an address: once, even if this is called again.

    Args:
        db: in the transaction that recorded the opt-out, or later.
        message: the confirmation.
        at: the time; aware.

    Returns:
        Its id; None if the address has not opted out.
    """
    opt_out = await db.fetchval(SQL["find_opt_out"], message.channel, message.address)
    return None if opt_out is None else await _add(db, message, str(opt_out), at, ())


async def _add(
    db: Connection, message: NewMessage, reference: str | None, at: datetime, keys: Sequence[SecretStr]
) -> int:
    if message.channel == "email" and not message.contents.subject.strip():
        raise InputError("An email needs a subject.")
    content, concealed = conceal(message.contents, keys)
    message_id: int = await db.fetchval(
        SQL["add_message"], message.kind, message.purpose, reference, content, bool(message.contents.secrets),
        concealed, message.in_reply_to, " ".join(message.thread) or None, message.send_before, message.asked_by,
        message.about,
        message.person_id, message.channel, message.address, message.sender_id, at,
    ) or await db.fetchval(SQL["find_by_reference"], message.kind, reference)  # fmt: skip
    return message_id
