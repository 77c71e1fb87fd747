"""What needs a person: replies no rule could deal with, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from campaigns.replies.reply_inbox import OpenReply, open_replies
from console.words import mask_text, short_name, shorten
from core.address_masks import mask
from core.db import Connection, load_queries

SQL = load_queries(__file__)

SHOWN: Final = 12
"""Replies on the first page."""
LONGEST: Final = 400
"""Characters of a reply on the first page."""


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """A reply that waits, with no more about its writer than it takes to see what it is about.

    Attributes:
        reply_id: which.
        who: first name and last initial, or that nobody knows.
        branch: the writer's branch, or None.
        channel: `sms`, `email`, or `link` for a button on the member's page.
        address: masked.
        text: what they wrote, shortened, addresses in it masked; "" for a button.
        why: why it waits, a code of `console.words.WHY_OPEN`.
        received_at: when it came.
    """

    reply_id: int
    who: str
    branch: str | None
    channel: str
    address: str
    text: str
    why: str
    note: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingReplies:
    """The replies that wait: how many, and the oldest of them."""

    waiting: int
    shown: tuple[WaitingReply, ...]


async def replies(db: Connection) -> WaitingReplies:
    """The replies that need a person, those that have waited longest first."""
    waiting = await open_replies(db, SHOWN)
    rows = await db.fetch(SQL["writers"], [one.person_id for one in waiting if one.person_id is not None])
    writers = {row["person_id"]: row for row in rows}
    shown = tuple(_reply(one, writers.get(one.person_id)) for one in waiting)
    count = len(shown) if len(shown) < SHOWN else await db.fetchval(SQL["count_open"])
    return WaitingReplies(count, shown)


def _reply(one: OpenReply, writer: asyncpg.Record | None) -> WaitingReply:
    return WaitingReply(
        reply_id=one.reply_id,
        who="Unknown sender" if writer is None else short_name(writer["first_name"], writer["last_initial"]),
        branch=None if writer is None else writer["branch"],
        channel=one.channel,
        address=mask(one.address),
        text=shorten(mask_text(one.text), LONGEST),
        why=one.why_open,
        note=one.note,
        received_at=one.received_at,
    )
