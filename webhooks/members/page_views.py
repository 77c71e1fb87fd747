"""Page views of members' pages: each allows one answer, and records signs of a machine.

Link scanners fetch pages, run their scripts, follow their links and press their buttons. No signal decides alone: each
of them makes the page ask a second, plain question before an answer counts.

| signal | meaning |
| --- | --- |
| `agent` | the User-Agent is a scanner's, a preview's or a library's, or empty |
| `pretends` | the User-Agent is a browser's, but the request does not look like that browser's |
| `scripted` | the browser reports that no person pressed the button |
| `hasty` | the answer comes within a second of the page |
| `fresh` | the answer comes within seconds of sending the message, or before we know that it was sent |
| `every_link` | another link of the same message was opened at about the same time |
| `machine_near` | a client with a machine's User-Agent opened this link at about the same time |
| `looks` | the page was fetched again and again |
| `honeypot` | the hidden link was followed |
| `decoy` | the hidden button was pressed |
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from core.db import Connection, Pool, load_queries
from webhooks.members.user_agents import Agent

SQL: Final = load_queries(__file__)

MAX_HASTY_TIME: Final = timedelta(seconds=1)
"""Time after a page within which an answer is hasty: nobody reads it so fast."""
MAX_FRESH_AGE: Final = timedelta(seconds=25)
"""Time after a message was sent within which an answer is fresh: scanners come at once."""
MAX_NEARBY_TIME: Final = timedelta(minutes=2)
"""Time between two uses of a message's links that makes them one visit, as of a scanner that opens every link."""
MANY_VIEWS: Final = 4
"""Fetches of a page that are more than a person needs."""
VIEW_LASTS: Final = timedelta(days=2)
"""Maximum age of a page that can still be answered."""

MAX_RECENT_VIEWS: Final = 20
"""Views of one page kept within `RECENT_TIME`; one more replaces the oldest, whose form stops working."""
RECENT_TIME: Final = timedelta(minutes=10)
"""Time within which views of one page count as recent."""

ViewStage = Literal[1, 2]


@dataclass(frozen=True, slots=True)
class AnsweredView:
    """Page view that has just been answered.

    Attributes:
        stage: 1, or 2 for the second question.
        agent: class of the User-Agent that viewed the page.
        signals: signs of a machine at that time.
        at: when the page was viewed.
        earlier: at stage 2, what had been pressed before.
    """

    stage: int
    agent: str
    signals: tuple[str, ...]
    at: datetime
    earlier: str | None


@dataclass(frozen=True, slots=True)
class NearbyUses:
    """Other uses of a message's links within `MAX_NEARBY_TIME`.

    Attributes:
        honeypot: the hidden link was followed.
        machine: a client with a machine's User-Agent viewed a page.
        every_link: the unsubscribe page was opened too.
        looks: how often the page was fetched.
    """

    honeypot: bool
    machine: bool
    every_link: bool
    looks: int


async def record_view(
    db: Connection | Pool,
    *,
    message_id: int,
    action: str,
    agent: Agent,
    at: datetime,
    stage: ViewStage = 1,
    signals: Sequence[str] = (),
    earlier: str | None = None,
) -> str:
    """Record a page view; return the nonce for its form. Only a digest of the nonce is stored."""
    nonce = new_nonce()
    look = (message_id, action, stage, nonce_digest(nonce), agent, list(signals), at, earlier)
    await db.execute(SQL["record_view"], *look, MAX_RECENT_VIEWS, RECENT_TIME)
    return nonce


def new_nonce() -> str:
    """Return 22 characters from a secure random source."""
    return secrets.token_urlsafe(16)


async def use_view(
    db: Connection, *, nonce: str, message_id: int, action: str, answer: str, at: datetime
) -> AnsweredView | None:
    """Use the one answer of a page view; None if it is used, too old, or of another link.

    Args:
        db: in the transaction that does what the answer asks for.
        nonce: the form's nonce.
        message_id: the message whose link the form was sent to.
        action: which page.
        answer: what was pressed.
        at: when.
    """
    row = await db.fetchrow(SQL["use_view"], nonce_digest(nonce), message_id, action, at, answer[:40], VIEW_LASTS)
    if row is None:
        return None
    return AnsweredView(row["stage"], row["agent"], tuple(row["signals"]), row["at"], row["earlier"])


async def delete_old_views(db: Connection, *, now: datetime, page: int) -> None:
    """Delete page views too old to be answered, except one for each message that shows that it was opened.

    Args:
        db: a connection without a transaction: each page is one.
        now: the time.
        page: most rows in one statement.
    """
    while await db.fetchval(SQL["delete_page"], now - VIEW_LASTS, page) == page:
        pass


def suspicions(
    used: AnsweredView, nearby: NearbyUses, *, agent: Agent, sent_at: datetime | None, at: datetime
) -> list[str]:
    """List the signs that a machine has answered.

    Args:
        used: the page view that was answered.
        nearby: other uses of the message's links just before.
        agent: class of the User-Agent that sends the answer.
        sent_at: when the message was sent; None if that is not known yet.
        at: now.
    """
    seen = {
        "agent": agent != "browser" or used.agent != "browser",
        "hasty": at - used.at < MAX_HASTY_TIME,
        "fresh": sent_at is None or at - sent_at < MAX_FRESH_AGE,
        "every_link": nearby.every_link,
        "machine_near": nearby.machine,
        "looks": nearby.looks >= MANY_VIEWS,
        "honeypot": nearby.honeypot,
    }
    return sorted({*used.signals, *(name for name, here in seen.items() if here)})


async def find_used_answer(db: Connection, *, nonce: str, message_id: int) -> str | None:
    """Return what was pressed on a page view, by its form's nonce; None if nothing was, or it is another message's."""
    answer: str | None = await db.fetchval(SQL["find_used_answer"], nonce_digest(nonce), message_id)
    return answer


def nonce_key(nonce: str) -> str:
    """Return an answer's key in the inbound log: the same press twice is one answer."""
    return nonce_digest(nonce).hex()


def nonce_digest(nonce: str) -> bytes:
    """Return the digest of a nonce, which is all that is stored of it."""
    return hashlib.sha256(nonce.encode(errors="replace")).digest()[:16]


class PageViews:
    """Page views of messages, for the archive that removes the messages."""

    async def opened(self, db: Connection, message_ids: Sequence[int]) -> list[int]:
        """Find the messages whose page a person's browser has opened."""
        return [row["message_id"] for row in await db.fetch(SQL["list_opened"], message_ids)]

    async def drop(self, db: Connection, message_ids: Sequence[int]) -> int:
        """Delete the page views of messages; return how many there were."""
        return int((await db.execute(SQL["delete_views"], message_ids)).rpartition(" ")[2])
