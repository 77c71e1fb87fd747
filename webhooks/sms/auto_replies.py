"""Automatic answers to members' texts, for every SMS provider.

Two things are answered here: that an opt-out was understood, and that pictures cannot be read. (A question that an
unclear answer asks back is sent by `campaigns/replies/ask_back`.) All other texts are answered by people. The answer is
chosen when a text comes, and queued in the transaction that processes the text, so that an opt-out and its confirmation
are committed together, and each is sent once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

from campaigns.replies.answered_messages import find_answered_message
from campaigns.replies.automatic_texts import MAX_REPLY_AGE
from campaigns.replies.classification import Classification
from campaigns.replies.opt_outs import is_opted_out
from campaigns.replies.text_classification import classify_text, to_json
from core.db import Connection, load_queries
from core.db.in_time import answer_in_time
from core.runtime import Runtime
from messaging.content.languages import DEFAULT
from messaging.content.translations import wording
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import find_sender
from messaging.outbox.transactional import MessageKind, NewMessage, confirm_opt_out, send_to
from people.search import only_holder

SQL: Final = load_queries(__file__)

Automatic = Literal["sms_stopped", "sms_no_pictures"]


@dataclass(frozen=True, slots=True)
class AutoReply:
    """Automatic answer to a text.

    Attributes:
        what: its key in words.toml.
        language: the one they wrote in, or else their own.
        organisation: the organisation that wrote to them last; "" where it is unknown.
    """

    what: Automatic
    language: str
    organisation: str


@dataclass(frozen=True, slots=True)
class NewText:
    """Text that has just come: its classification and the automatic answer it gets, which are stored with it."""

    read: Classification
    reply: AutoReply | None

    def to_json(self) -> dict[str, Any]:
        """Return what is added to the payload in the inbound log."""
        return {"read": to_json(self.read)} | ({} if self.reply is None else {"reply": asdict(self.reply)})


async def read_new_text(runtime: Runtime, *, phone: str, senders: Sequence[str], text: str, pictures: bool) -> NewText:
    """Classify a text, and decide what to answer.

    Call it before the text is stored, for soon after that the phone may be opted out. A phone that is opted out already
    gets no answer: two machines must not answer each other for ever.

    Args:
        runtime: the runtime.
        phone: the member's number, as E.164.
        senders: the numbers or services they wrote to.
        text: what they wrote.
        pictures: whether pictures or the like came with it.

    Raises:
        Unavailable: the database does not answer.
    """
    return await answer_in_time(_read_new_text(runtime, phone, senders, text, pictures=pictures))


async def queue_reply(
    db: Connection, payload: Mapping[str, Any], *, phone: str, senders: Sequence[str], received_at: datetime
) -> None:
    """Queue the automatic answer to a text, if it gets one: once for each opt-out, and once a phone about pictures.

    Args:
        db: in the transaction that processes the text, after that.
        payload: of the text in the inbound log.
        phone: the member's number.
        senders: the numbers or services they wrote to; the answer comes from one of these.
        received_at: when the text came; aware.
    """
    if payload.get("reply") is None:
        return
    reply = AutoReply(**payload["reply"])
    confirms = reply.what == "sms_stopped"
    kind = MessageKind.OPT_OUT_CONFIRMED if confirms else MessageKind.AUTO_REPLY
    message = NewMessage(
        kind, "sms", phone, await find_sender(db, "sms", senders),
        Contents(_words(reply)), "muster", await only_holder(db, "sms", phone),
        send_before=received_at + MAX_REPLY_AGE,
    )  # fmt: skip
    if confirms:
        await confirm_opt_out(db, message, at=received_at)
    elif await db.fetchval(SQL["note_sent_once"], "sms", phone, "no_pictures", received_at):
        await send_to(db, message, at=received_at)


def _words(reply: AutoReply) -> str:
    words = str(wording(reply.language)[reply.what]).format(organisation=reply.organisation)
    if reply.organisation:
        return words
    words = words.lstrip(": ")
    return words[0].upper() + words[1:]  # no name is better than “Your organisation”


async def _read_new_text(runtime: Runtime, phone: str, senders: Sequence[str], text: str, *, pictures: bool) -> NewText:
    async with runtime.pool.acquire() as db:
        answered = await find_answered_message(db, channel="sms", address=phone, senders=senders, at=runtime.clock())
        read = classify_text(text, answered)
        what = _answer_to(read, pictures=pictures)
        if what is None or await is_opted_out(db, "sms", phone):
            return NewText(read, None)
        # the organisation that the member was last written to by
        theirs = answered.subject.organisation if answered is not None and answered.subject is not None else ""
        language = read.language
        if language == DEFAULT:  # so is STOP, in any language
            language = (
                await db.fetchval(SQL["find_language"], answered.person_id if answered else None, phone) or DEFAULT
            )
        return NewText(read, AutoReply(what, language, theirs or runtime.settings.named))


def _answer_to(read: Classification, *, pictures: bool) -> Automatic | None:
    if read.reading == "opt_out":
        return "sms_stopped"
    return "sms_no_pictures" if pictures else None
