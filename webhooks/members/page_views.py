"""Looks at members' pages: each gives one chance to answer, and remembers what speaks for a machine.

Link scanners fetch pages, run their scripts, follow their links and press their buttons. No signal decides alone: any
of them makes the page ask a second, plain question before an answer counts.

| signal | seen when |
| --- | --- |
| `agent` | it calls itself a scanner, a preview or a library, or nothing at all |
| `pretends` | it calls itself a browser but does not behave like that one |
| `scripted` | the browser says that no person's hand was in the press |
| `hasty` | the answer comes within a second of the page |
| `fresh` | the answer comes within seconds of the message leaving us, or before we knew that it had |
| `every_link` | another link of the same message was opened at about the same time |
| `machine_near` | something that calls itself a machine opened this link at about the same time |
| `looks` | the page was fetched again and again |
| `honeypot` | the link that people cannot see was followed |
| `decoy` | the button that people cannot see was pressed |
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from core.db import Connection, load_queries
from webhooks.members.user_agents import Agent

SQL: Final = load_queries(__file__)

HASTY: Final = timedelta(seconds=1)
FRESH: Final = timedelta(seconds=25)
NEAR: Final = timedelta(minutes=2)
MANY_LOOKS: Final = 4
LASTS: Final = timedelta(days=2)
"""How long a page can be left open and still be answered."""

MOST_LATELY: Final = 20
"""Looks at one page within `LATELY` that are kept; one more takes the place of the oldest, whose form works no more."""
LATELY: Final = timedelta(minutes=10)

Stage = Literal[1, 2]


@dataclass(frozen=True, slots=True)
class Used:
    """A look that has just been answered.

    Attributes:
        stage: 1, or 2 for the second question.
        agent: what looked.
        signals: what spoke for a machine when it looked.
        at: when it looked.
        asked: at stage 2, what had been pressed before.
    """

    stage: int
    agent: str
    signals: tuple[str, ...]
    at: datetime
    asked: str | None


@dataclass(frozen=True, slots=True)
class Around:
    """What else was done with a message's links within `NEAR`.

    Attributes:
        honeypot: the link that people cannot see was followed.
        machine: something that calls itself a machine looked.
        every_link: the unsubscribe page was opened too.
        looks: how often the page was fetched.
    """

    honeypot: bool
    machine: bool
    every_link: bool
    looks: int


async def open_visit(
    db: Connection,
    *,
    message_id: int,
    action: str,
    agent: Agent,
    at: datetime,
    stage: Stage = 1,
    signals: Sequence[str] = (),
    asked: str | None = None,
) -> str:
    """Note a look at a page; returns the nonce its form carries. Only a digest of it is kept."""
    nonce = new_nonce()
    look = (message_id, action, stage, nonce_digest(nonce), agent, list(signals), at, asked)
    await db.execute(SQL["open"], *look, MOST_LATELY, LATELY)
    return nonce


def new_nonce() -> str:
    """22 characters nobody can guess."""
    return secrets.token_urlsafe(16)


async def use_visit(
    db: Connection, *, nonce: str, message_id: int, action: str, answer: str, at: datetime
) -> Used | None:
    """Use a look's one chance; None where it is used, too old, or of another link.

    Args:
        db: in the transaction that does what the answer asks for.
        nonce: from the form.
        message_id: whose link the form was sent to.
        action: which page.
        answer: what was pressed.
        at: when.
    """
    row = await db.fetchrow(SQL["use"], nonce_digest(nonce), message_id, action, at, answer[:40], LASTS)
    if row is None:
        return None
    return Used(row["stage"], row["agent"], tuple(row["signals"]), row["at"], row["asked"])


async def forget_looks(db: Connection, *, now: datetime, page: int) -> None:
    """Delete looks that nobody can answer any more, but for one that says that the message was opened.

    Args:
        db: a connection without a transaction: each page is one.
        now: the time.
        page: most rows in one statement.
    """
    while await db.fetchval(SQL["forget_page"], now - LASTS, page) == page:
        pass


def suspicions(used: Used, around: Around, *, agent: Agent, sent_at: datetime | None, at: datetime) -> list[str]:
    """What speaks for a machine having answered.

    Args:
        used: the look that was answered.
        around: what else was done with the message's links just before.
        agent: what sends the answer.
        sent_at: when the message left us; None where we do not know that yet.
        at: now.
    """
    seen = {
        "agent": agent != "browser" or used.agent != "browser",
        "hasty": at - used.at < HASTY,
        "fresh": sent_at is None or at - sent_at < FRESH,
        "every_link": around.every_link,
        "machine_near": around.machine,
        "looks": around.looks >= MANY_LOOKS,
        "honeypot": around.honeypot,
    }
    return sorted({*used.signals, *(name for name, here in seen.items() if here)})


def nonce_key(nonce: str) -> str:
    """What an answer is stored under in the inbox: the same press twice is one answer."""
    return nonce_digest(nonce).hex()


def nonce_digest(nonce: str) -> bytes:
    """What is kept of a nonce."""
    return hashlib.sha256(nonce.encode(errors="replace")).digest()[:16]


class PageViews:
    """Looks at messages' pages, for the archive that takes their messages away."""

    async def opened(self, db: Connection, message_ids: Sequence[int]) -> list[int]:
        """Find the messages whose page a person has opened."""
        return [row["message_id"] for row in await db.fetch(SQL["opened"], message_ids)]

    async def drop(self, db: Connection, message_ids: Sequence[int]) -> int:
        """Delete the looks at their pages; returns how many there were."""
        return int((await db.execute(SQL["drop_visits"], message_ids)).rpartition(" ")[2])
