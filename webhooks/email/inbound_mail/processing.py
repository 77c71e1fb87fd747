"""Processing of inbound mail: applies bounces, complaints, unsubscribe requests and answers; drops the rest.

A bounce is applied only at the address that was made for the message, a complaint only with a signed id of ours in it.
Nothing else in a mail suppresses anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from campaigns.replies.answered_messages import words_of
from campaigns.replies.classification import OwnMail
from campaigns.replies.opt_outs import opt_out
from campaigns.replies.reply_inbox import note_reply
from core.db import Connection
from core.errors import NotFound
from core.runtime import Runtime
from messaging.outbox.bounces import address_of, alert_unread_bounces
from messaging.reasons import Reason
from webhooks.email.events import ReportedEvent, apply_events
from webhooks.email.inbound_mail.classify import DoubtfulMail, MessageEvent, Origin, UnsubscribeWish, classify_mail
from webhooks.email.inbound_mail.mail_store import find_raw_mail
from webhooks.email.inbound_mail.replies import MailReply, take_reply
from webhooks.inbound_log.inbound_log import Item

FORGOTTEN: Final = (
    "They want no more emails: this came to the unsubscribe address of a message that is forgotten or was erased."
    " If the mailbox is theirs, read it as an opt-out."
)
"""Note for staff on an unsubscribe request whose message's address is no longer known."""

log = structlog.get_logger(__name__)


async def process_mails(runtime: Runtime, db: Connection, items: Sequence[Item]) -> None:
    """Process mails, in the order they came.

    Args:
        runtime: its keyring verifies signed ids.
        db: in the transaction of the inbound log.
        items: rows of the inbound log.

    Raises:
        InputError: a mail cannot be read; it is set aside.
    """
    for item in items:
        raw = await find_raw_mail(db, item.inbound_id)
        if raw is not None:
            # in a thread: parsing a crafted mail may take a second, and would delay the worker's heartbeat
            origin = await _origin(db, item)
            await _apply(db, item, await asyncio.to_thread(classify_mail, raw, origin, runtime.keyring))


async def _origin(db: Connection, item: Item) -> Origin:
    payload = item.payload
    message_id = payload["message_id"]
    recipient = await address_of(db, message_id) if message_id is not None else ""
    return Origin(payload["purpose"], message_id, payload["sender"], item.received_at, recipient)


async def _apply(
    db: Connection, item: Item, classified: MessageEvent | UnsubscribeWish | DoubtfulMail | MailReply
) -> None:
    match classified:
        case DoubtfulMail(answer=answer):
            mail = await _own_words(db, answer)
            decided = classified.decide(mail)
            if isinstance(decided, MessageEvent):
                await _record_event(db, decided, item.received_at)
            else:
                await take_reply(db, item, decided, mail)
        case MessageEvent():
            await _record_event(db, classified, item.received_at)
        case UnsubscribeWish():
            await _unsubscribe(db, item, classified)
        case MailReply():
            await take_reply(db, item, classified, await _own_words(db, classified))


async def _own_words(db: Connection, answer: MailReply) -> OwnMail:
    """Extract the person's own words, without their repetition of the answered message."""
    sent = await words_of(db, answer.message_id)
    return await asyncio.to_thread(answer.own, sent)


async def _unsubscribe(db: Connection, item: Item, wish: UnsubscribeWish) -> None:
    assert wish.message_id is not None  # its address was made for one message
    try:
        await opt_out(db, message_id=wish.message_id, everywhere=False, source="unsubscribe")
    except NotFound:  # message deleted or person erased: a From line does not prove who asks
        reply_id = await take_reply(db, item, wish.answer, await _own_words(db, wish.answer))
        if reply_id is not None:
            await note_reply(db, reply_id, FORGOTTEN)


async def _record_event(db: Connection, event: MessageEvent, at: datetime) -> None:
    if event.message_id is None:
        log.info("mail about no message of ours", source=event.source, code=event.event.code)
        return
    await apply_events(db, event.source, [ReportedEvent(event.message_id, event.event, at)])
    if event.event.reason is Reason.UNREAD_BOUNCE:
        await alert_unread_bounces(db, event.message_id)
