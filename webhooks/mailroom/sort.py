"""What comes of a mail: a bounce, a complaint, a wish to get no more, an answer; or nothing, where a machine wrote it.

A bounce counts only at the address that was made for the message, a complaint only with an id of ours in it. Whatever
else either says, nobody is suppressed for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from campaigns.answers import opt_out
from messaging.db import Connection
from messaging.errors import NotFound
from messaging.runtime import Runtime
from webhooks.email.events import Event, Told, apply_events
from webhooks.inbox import Item
from webhooks.mailroom.letter import Letter, read_letter
from webhooks.mailroom.machines import is_automatic
from webhooks.mailroom.replies import take_reply
from webhooks.mailroom.reports import read_bounce, read_complaint
from webhooks.mailroom.store import SQL

BOUNCE: Final = "bounce"
COMPLAINT: Final = "complaint"
"""Who says so, in a message's history."""

log = structlog.get_logger(__name__)


async def sort_mail(runtime: Runtime, db: Connection, items: Sequence[Item]) -> None:
    """Process mails, in the order they came.

    Args:
        runtime: knows our seals.
        db: in the inbox's transaction.
        items: rows of the inbox.

    Raises:
        InputError: one cannot be read; it is set aside.
    """
    for item in items:
        raw = await db.fetchval(SQL["raw"], item.inbox_id)
        if raw is not None:
            # in a thread: one made for it keeps the parser busy for half a second, and a courier's heart has to beat
            await _deal_with(runtime, db, item, await asyncio.to_thread(read_letter, raw))


async def _deal_with(runtime: Runtime, db: Connection, item: Item, letter: Letter) -> None:
    purpose, message_id = item.payload["purpose"], item.payload["message_id"]
    automatic = is_automatic(letter, item.payload["sender"])
    # some servers send bounces to Reply-To; a person's own answer is never searched for what looks like one
    returned = purpose == "bounce" or (purpose == "reply" and automatic)
    complaint = read_complaint(letter, runtime.keyring, item.received_at) if _may_complain(purpose, letter) else None
    if complaint is not None:
        about = message_id if complaint.message_id is None else complaint.message_id
        await _tell(db, COMPLAINT, about, complaint.event, item.received_at)
    elif returned and (event := read_bounce(letter, item.received_at)) is not None:
        await _tell(db, BOUNCE, message_id, event, item.received_at)
    elif purpose == "unsubscribe":  # mostly a program sends it for the person, and says so
        await _unsubscribe(db, message_id)
    elif automatic:
        await _tell(db, BOUNCE, message_id, Event("noted", item.received_at, "auto_reply"), item.received_at)
    else:  # also what a person sends to an address meant for machines: no words are lost
        await take_reply(db, runtime.keyring, item, letter)


def _may_complain(purpose: str, letter: Letter) -> bool:
    """A report says what it is; a bare mail of ours sent back is a complaint only where complaints go."""
    return purpose == "complaint" or letter.header("Content-Type").lower().find("feedback-report") >= 0


async def _unsubscribe(db: Connection, message_id: int) -> None:
    try:
        await opt_out(db, message_id=message_id, everywhere=False, source="unsubscribe")
    except NotFound:  # its year has been forgotten
        log.info("a wish to unsubscribe from a message that is forgotten")


async def _tell(db: Connection, source: str, message_id: int | None, event: Event, at: datetime) -> None:
    if message_id is None:
        log.info("mail about no message of ours", source=source, code=event.code)
        return
    await apply_events(db, source, [Told(message_id, event, at)])
