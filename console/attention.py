"""What needs a person: replies no rule could deal with, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from console.words import mask, mask_text, short_name, shorten
from messaging.db import Connection, load_queries

SQL = load_queries(__file__)

SHOWN: Final = 12
"""Replies on the first page."""
LONGEST: Final = 400
"""Characters of a reply on the first page."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that waits, with no more about its writer than it takes to see what it is about.

    Attributes:
        reply_id: which.
        who: first name and last initial, or that nobody knows.
        branch: the writer's branch, or None.
        channel: `sms` or `email`.
        address: masked.
        text: what they wrote, shortened; addresses in it are masked.
        why: why it waits, a code of `console.words.WHY_OPEN`.
        received_at: when it came.
    """

    reply_id: int
    who: str
    branch: str | None
    channel: str
    address: str
    text: str
    why: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Replies:
    """The replies that wait: how many, and the oldest of them."""

    waiting: int
    shown: tuple[Reply, ...]


async def replies(db: Connection) -> Replies:
    """The replies that need a person."""
    rows = await db.fetch(SQL["open_replies"], SHOWN)
    shown = tuple(
        Reply(
            reply_id=row["reply_id"],
            who="Unknown sender" if row["first_name"] is None else short_name(row["first_name"], row["last_initial"]),
            branch=row["branch"],
            channel=row["channel"],
            address=mask(row["address"]),
            text=shorten(mask_text(row["text"]), LONGEST),
            why=row["why"],
            received_at=row["received_at"],
        )
        for row in rows
    )
    waiting = len(shown) if len(shown) < SHOWN else await db.fetchval(SQL["count_open"])
    return Replies(waiting, shown)
