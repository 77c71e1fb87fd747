"""What comes of a mail: a bounce, a complaint, a wish to get no more, an answer; or nothing, where a machine wrote it.

A bounce counts only at the address that was made for the message, a complaint only with an id of ours in it. Whatever
else either says, nobody is suppressed for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from campaigns.answered import said_in
from campaigns.answers import opt_out
from campaigns.reading import read_reply
from messaging.content.tokens import Keyring
from messaging.db import Connection
from messaging.errors import NotFound
from messaging.runtime import Runtime
from webhooks.email.events import Event, Told, apply_events
from webhooks.inbox import Item
from webhooks.mailroom.letter import Letter, read_letter
from webhooks.mailroom.machines import is_automatic, sounds_automatic
from webhooks.mailroom.replies import Answer, read_answer, take_reply
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
            # in a thread: one made for it keeps the parsers busy for half a second, and a courier's heart has to beat
            await _deal_with(db, item, await asyncio.to_thread(_understand, raw, item, runtime.keyring))


@dataclass(frozen=True, slots=True)
class _News:
    """What a machine says of a message."""

    source: str
    message_id: int | None
    event: Event


@dataclass(frozen=True, slots=True)
class _Farewell:
    """Somebody wants no more emails."""

    message_id: int


@dataclass(frozen=True, slots=True)
class _Doubtful:
    """A mail whose subject speaks for a machine, and what it is where a person wrote it."""

    note: _News
    answer: Answer


def _understand(raw: bytes, item: Item, keyring: Keyring) -> _News | _Farewell | _Doubtful | Answer:
    """What a mail is, read to the last word. It asks nobody, so that it can be done in a thread."""
    letter = read_letter(raw)
    purpose, message_id = item.payload["purpose"], item.payload["message_id"]
    complaint = read_complaint(letter, keyring, item.received_at) if _may_complain(purpose, letter) else None
    if complaint is not None:
        about = message_id if complaint.message_id is None else complaint.message_id
        return _News(COMPLAINT, about, complaint.event)
    if purpose == "unsubscribe":  # mostly a program sends it for the person, and says so
        return _Farewell(message_id)
    certain = is_automatic(letter, item.payload["sender"])
    automatic = certain or sounds_automatic(letter)
    # some servers send bounces to Reply-To; a person's own answer is never searched for what looks like one
    if purpose == "bounce" or (purpose == "reply" and automatic):
        event = read_bounce(letter, item.received_at)
        if event is not None:
            return _News(BOUNCE, message_id, event)
    note = _News(BOUNCE, message_id, Event("noted", item.received_at, "auto_reply"))
    if certain:
        return note
    # also what a person sends to an address meant for machines: no words are lost
    answer = read_answer(letter, keyring, message_id=message_id, sender=item.payload["sender"])
    return _Doubtful(note, answer) if automatic else answer


async def _deal_with(db: Connection, item: Item, found: _News | _Farewell | _Doubtful | Answer) -> None:
    match found:
        case _News():
            await _tell(db, found, item.received_at)
        case _Farewell():
            await _unsubscribe(db, found.message_id)
        case _Doubtful(note, answer):
            words = await _words(db, answer)
            if read_reply(words).reading == "opt_out":  # no machine writes STOP, whatever its subject
                await take_reply(db, item, answer, words)
            else:
                await _tell(db, note, item.received_at)
        case Answer():
            await take_reply(db, item, found, await _words(db, found))


async def _words(db: Connection, answer: Answer) -> str:
    """The person's own words: what they repeat of the message they answer is ours."""
    sent = await said_in(db, answer.message_id)
    return await asyncio.to_thread(answer.words, sent)


def _may_complain(purpose: str, letter: Letter) -> bool:
    """A report says what it is; a bare mail of ours sent back is a complaint only where complaints go."""
    return purpose == "complaint" or letter.header("Content-Type").lower().find("feedback-report") >= 0


async def _unsubscribe(db: Connection, message_id: int) -> None:
    try:
        await opt_out(db, message_id=message_id, everywhere=False, source="unsubscribe")
    except NotFound:  # its year has been forgotten
        log.info("a wish to unsubscribe from a message that is forgotten")


async def _tell(db: Connection, news: _News, at: datetime) -> None:
    if news.message_id is None:
        log.info("mail about no message of ours", source=news.source, code=news.event.code)
        return
    await apply_events(db, news.source, [Told(news.message_id, news.event, at)])
