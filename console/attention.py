"""Replies that need a person, because no rule could deal with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from campaigns.replies.reply_inbox import ShownReply, count_asked, open_replies
from console.words import mask_text, short_name, shorten
from core.access import Actor, Permission
from core.address_masks import mask
from core.audit import AuditAction, record
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

MAX_SHOWN_REPLIES: Final = 12
"""Most replies on the first page."""
MAX_NAMED: Final = 3
"""Most people with one address who are named; if there are more, only their number is shown."""
MAX_SHOWN_LENGTH: Final = 400
"""Most characters of a reply on the first page."""


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """Reply that waits for a person, with only those details of its writer that staff need to deal with it.

    Attributes:
        reply_id: its id.
        who: the writer's first name and last initial, those of all who share the address, or that they are unknown.
        branch: the writer's branch, or None.
        channel: `sms`, `email`, or `link` for a button on the member's page.
        address: the writer's address, masked.
        text: what they wrote, shortened, addresses in it masked; "" for a button, and if there are no words.
        why: why it waits, a code of `open_reasons.WHY_OPEN`.
        note: what staff should know beside its text, such as that attachments were not kept.
        answer: the label of the answer that it belongs to, or None.
        received_at: when it came in.
    """

    reply_id: int
    who: str
    branch: str | None
    channel: str
    address: str
    text: str
    why: str
    note: str | None
    answer: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingReplies:
    """Replies that wait for a person: how many, the oldest of them, and how many were asked back."""

    waiting: int
    shown: tuple[WaitingReply, ...]
    unanswered: int


async def find_waiting_replies(db: Connection) -> WaitingReplies:
    """Read the replies that wait for a person, the longest waiting first."""
    waiting = await open_replies(db, MAX_SHOWN_REPLIES)
    rows = await db.fetch(SQL["list_writers"], [reply.person_id for reply in waiting if reply.person_id is not None])
    writers = {row["person_id"]: row for row in rows}
    shown = tuple(_reply(reply, writers.get(reply.person_id)) for reply in waiting)
    count = len(shown) if len(shown) < MAX_SHOWN_REPLIES else await db.fetchval(SQL["count_open_replies"])
    return WaitingReplies(count, shown, await count_asked(db))


async def record_seen(db: Connection, actor: Actor, reply_ids: Collection[int], at: datetime) -> None:
    """Record in the audit that somebody was shown replies, if there were any.

    Args:
        db: a connection that may write the audit.
        actor: who.
        reply_ids: which.
        at: when, aware.
    """
    if reply_ids:
        detail = {"replies": sorted(reply_ids)}
        await record(db, actor, AuditAction.REPLIES_SEEN, "replies", detail, permission=Permission.SEE_CONTACTS, at=at)


def _unknown(reply: ShownReply) -> str:
    n = len(reply.holders)
    if n < 2:
        return "Unknown number or mailbox"
    names = [short_name(*_parts(name)) for name in reply.holder_names if name]
    if len(names) == n <= MAX_NAMED:
        return f"{' or '.join(names)}, who share this address"
    return f"One of {n} people who share this address"


def _parts(name: str) -> tuple[str, str]:
    """Return the first name, and the initial of the last."""
    first, _, last = name.rpartition(" ")
    return (first, last[:1]) if first else (last, "")


def _reply(reply: ShownReply, writer: asyncpg.Record | None) -> WaitingReply:
    return WaitingReply(
        reply_id=reply.reply_id,
        who=_unknown(reply) if writer is None else short_name(writer["first_name"], writer["last_initial"]),
        branch=None if writer is None else writer["branch"],
        channel=reply.channel,
        address=mask(reply.address),
        text=shorten(mask_text(reply.text), MAX_SHOWN_LENGTH),
        why=reply.why_open,
        note=reply.note,
        answer=reply.answer_since or None,
        received_at=reply.received_at,
    )
