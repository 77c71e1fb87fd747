"""Send a message to one person, or to an address alone, without a campaign: a code, a confirmation, an answer by hand.

Such a message overtakes the messages of campaigns; it is claimed, sent, retried and reported on as they are. No quiet
hours and no frequency caps apply to it, and it counts in neither. It says what it was given, word for word.

What opens something (a code, a sign-in link) is kept encrypted and only until a provider has accepted the message, or
nobody will; everywhere else, and from the beginning, `MASK` stands in its place. It is wiped in the transaction that
records an outcome, and by `reconcile` where a message ends in another way.

What a reply answers is the last message that was sent to its author. A transactional message offers nothing to be
answered by a digit, so it takes away what the campaign's message before it offered; but those of `KEEPS_MENU` ask
nothing themselves, and leave it.

Messages are not sent to suppressed addresses and people, with two exceptions by kind: a sign-in link or code for staff,
and the confirmation of an opt-out, once, as long as nothing else stops messages to that address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Any, Final

import orjson
from pydantic import SecretStr

from core.credentials import MASK, mask_credentials, pieces_of
from core.db import Connection, load_queries
from core.errors import InputError, SettingsError
from messaging.states import ChannelName, MessagePurpose

SQL: Final = load_queries(__file__)

_USE: Final = "muster transactional messages"


class MessageKind(StrEnum):
    """Kind of a transactional message; the values are those of the database's check."""

    SIGN_IN = "sign_in"
    OPT_OUT_CONFIRMED = "opt_out_confirmed"
    AUTO_REPLY = "auto_reply"
    ANSWER = "answer"
    TEST = "test"


KINDS: Final = {
    MessageKind.SIGN_IN: "a sign-in link for staff",
    MessageKind.OPT_OUT_CONFIRMED: "the confirmation of an opt-out",
    MessageKind.AUTO_REPLY: "an automatic answer",
    MessageKind.ANSWER: "an answer by a member of staff",
    MessageKind.TEST: "a test",
}
"""Phrase for a message of each kind."""
BY_MACHINE: Final = frozenset({MessageKind.SIGN_IN, MessageKind.OPT_OUT_CONFIRMED, MessageKind.AUTO_REPLY})
"""Kinds that no person writes: their emails say so, which stops holiday notices."""

KEEPS_MENU: Final = frozenset({MessageKind.AUTO_REPLY, MessageKind.OPT_OUT_CONFIRMED})
"""Kinds that ask nothing of their own: a reply after one answers what the person had been asked before."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a message.

    Attributes:
        text: the text, or the text part of an email.
        subject: of an email.
        html: the HTML part of an email; "" to make it of the text.
        opens: the parts of it that open something, in clear; each is replaced by `MASK` wherever it stands.
    """

    text: str
    subject: str = ""
    html: str = ""
    opens: tuple[str, ...] = ()


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
        person_id: whom it is for; None where only the address is known.
        purpose: which suppressions stop it.
        send_before: its deadline; nothing leaves later.
        reference: natural key: the same one twice is one message. Not for `OPT_OUT_CONFIRMED`.
        in_reply_to: Message-ID of the email that it answers.
        thread: Message-IDs of the thread of that email, oldest first.
        about: the message of a campaign that the conversation began with, if it did.
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
        keys: MUSTER_SECRET_KEY; needed only for contents that open something.

    Returns:
        Its id; where the reference has been used before, that of the earlier message.

    Raises:
        InputError: an email without a subject, or contents that cannot be masked.
        SettingsError: the contents open something, and there is no key.
    """
    if message.kind is MessageKind.OPT_OUT_CONFIRMED:
        raise ValueError("Only confirm_opt_out queues the confirmation of an opt-out: once, and for what it is.")
    return await _add(db, message, message.reference, at, keys)


async def confirm_opt_out(db: Connection, message: NewMessage, *, at: datetime) -> int | None:
    """Queue the confirmation of the opt-out in force for an address: once, however often this is called.

    Args:
        db: in the transaction that recorded the opt-out, or later.
        message: the confirmation.
        at: the time; aware.

    Returns:
        Its id; None where the address has not opted out.
    """
    opt_out = await db.fetchval(SQL["opt_out"], message.channel, message.address)
    return None if opt_out is None else await _add(db, message, str(opt_out), at, ())


async def wipe_concealed(db: Connection, message_ids: Sequence[int] | None = None) -> None:
    """Wipe what messages open that have been accepted, or have ended otherwise: some of them, or all."""
    await db.execute(SQL["wipe"], None if message_ids is None else list(message_ids))


async def _add(
    db: Connection, message: NewMessage, reference: str | None, at: datetime, keys: Sequence[SecretStr]
) -> int:
    if message.channel == "email" and not message.contents.subject.strip():
        raise InputError("An email needs a subject.")
    content, concealed = _conceal(message.contents, keys)
    message_id: int = await db.fetchval(
        SQL["add"], message.kind, message.purpose, reference, content, bool(message.contents.opens), concealed,
        message.in_reply_to, " ".join(message.thread) or None, message.send_before, message.asked_by, message.about,
        message.person_id, message.channel, message.address, message.sender_id, at,
    ) or await db.fetchval(SQL["known"], message.kind, reference)  # fmt: skip
    return message_id


def _conceal(contents: Contents, keys: Sequence[SecretStr]) -> tuple[dict[str, str], bytes | None]:
    """Return the contents with masks, and encrypted what these stand for."""
    content = {"subject": contents.subject, "text": contents.text, "html": contents.html}
    if not contents.opens:
        return content, None
    from core.secret_box import SecretBox  # here, since it loads cryptography, and few messages open anything

    if not keys:
        raise SettingsError("MUSTER_SECRET_KEY is not set.", remedy="What opens something is encrypted with it.")
    for number, secret in enumerate(contents.opens):
        mask = _numbered(number)
        if not secret or not any(secret in part for part in content.values()) or mask in "".join(content.values()):
            raise InputError("What a message opens must stand in it, so that it can be masked.")
        content = {
            name: part.replace(escape(secret) if name == "html" else secret, mask) for name, part in content.items()
        }
    return content, SecretBox(keys, _USE).encrypt(SecretStr(orjson.dumps(contents.opens).decode()))


def reveal(content: dict[str, Any], concealed: bytes | None, keys: Sequence[SecretStr]) -> Contents:
    """Return the contents of a claimed message in clear, to be sent and not to be stored.

    Raises:
        SettingsError: they were encrypted with a key that is no longer in the list.
    """
    if concealed is None:
        return Contents(content["text"], content["subject"], content["html"])
    from core.secret_box import InvalidToken, SecretBox

    try:
        opens = tuple(orjson.loads(SecretBox(keys, _USE).decrypt(concealed).get_secret_value()))
    except InvalidToken:
        raise SettingsError(
            "A message that waits was encrypted with another MUSTER_SECRET_KEY.",
            remedy="Add the former key to the list again, or ask for a new link or code.",
        ) from None
    parts = dict(content)
    for number, secret in enumerate(opens):
        parts = {
            name: part.replace(_numbered(number), escape(secret) if name == "html" else secret)
            for name, part in parts.items()
        }
    return Contents(parts["text"], parts["subject"], parts["html"], opens)


def masked(words: str, opens: Sequence[str]) -> str:
    """Return words of somebody else, such as a provider's reply, with `MASK` in place of what opens something.

    Args:
        words: in any notation, also cut short.
        opens: what opens something, in clear.
    """
    for secret in opens:
        words = words.replace(secret, MASK)
    return mask_credentials(words, {piece for secret in opens for piece in pieces_of(secret)})


def _numbered(number: int) -> str:
    """Return the mask of one secret of a message: `MASK`, and invisible signs that tell it from others."""
    return MASK + "\u2063" * (number + 1) + "\u2064"
