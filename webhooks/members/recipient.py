"""Who is behind a member's link, and what they were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from core.db import Connection, Pool, load_queries
from core.keyring import Action, digest
from messaging.erased_address import is_erased
from webhooks.members.page_views import LASTS as VISIT_LASTS
from webhooks.members.page_views import LATELY, MOST_LATELY, NEAR, Around, Used, new_nonce, nonce_digest
from webhooks.members.user_agents import Agent

SQL: Final = load_queries(__file__)

LASTS: Final = timedelta(days=60)
"""How long after its ballot has closed a link still says so, before it is as unknown as any other."""

Page = Literal["confirm", "unsubscribe", "preferences"]
"""The pages of a message: what they ask, how to stop it, and what is sent at all."""
OPENED_BY: Final[Mapping[Page, Sequence[Action]]] = {
    "confirm": ("confirm",),
    "unsubscribe": ("unsubscribe",),
    "preferences": ("confirm", "unsubscribe"),
}
"""Which links' tokens open a page."""

_USED: Final = ("stage", "agent", "signals", "at", "asked")
_AROUND: Final = ("honeypot", "machine", "every_link", "looks")

Phase = Literal["before", "open", "closed"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """A member who was asked something.

    Attributes:
        message_id: the message with the link.
        person_id: the member.
        channel: how it was sent.
        address: where to.
        sent_at: when it left us; None while we do not know that it has.
        first_name: theirs; may be empty.
        language: theirs.
        title: of the ballot.
        organisation: whose ballot it is; may be empty.
        opens_at, closes_at: when the vote opens and closes; aware.
        time_zone: what the ballot's times are told in.
        last_posting_at: the last safe time to post.
        replacement_by: the last time to ask for another ballot paper.
        standing: what they are known to have said, a claim's kind; None for nothing.
        said_here: whether they said so by this very link.
        stopped: whether they, or whoever shares the address, have opted out.
        stopped_by_link: whether they did so on a page of theirs, where it can be taken back.
        stopped_everywhere: whether they did so for all of their addresses, not only for this one.
        reached_otherwise: whether messages may go to them by another channel than this one's.
    """

    message_id: int
    person_id: int
    channel: str
    address: str
    sent_at: datetime | None
    first_name: str
    language: str
    title: str
    organisation: str
    opens_at: datetime
    closes_at: datetime
    time_zone: str
    last_posting_at: datetime | None
    replacement_by: datetime | None
    standing: str | None
    said_here: bool
    stopped: bool
    stopped_by_link: bool
    stopped_everywhere: bool
    reached_otherwise: bool

    @property
    def erased(self) -> bool:
        """Whether they were erased: whoever reads the message now shares the address it went to."""
        return is_erased(self.message_id, self.address)

    def phase(self, now: datetime) -> Phase:
        """Whether the vote is still to open, open, or closed."""
        if now < self.opens_at:
            return "before"
        return "open" if now < self.closes_at else "closed"


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press of a button on a member's page.

    Attributes:
        asked: the member.
        used: the look it comes from; None where that is used, too old, or of another link.
        around: what else was done with the message's links just before.
    """

    asked: Recipient
    used: Used | None
    around: Around


async def find_asked(db: Connection | Pool, token: str, page: Page, now: datetime) -> Recipient | None:
    """Who a link was made for; None where it is unknown, revoked or expired.

    Args:
        db: a connection.
        token: as `read_token` gives it.
        page: which of the message's.
        now: what time it is.
    """
    row = await db.fetchrow(SQL["find"], digest(token), OPENED_BY[page], now, LASTS)
    return None if row is None else Recipient(**row)


async def look(
    db: Connection | Pool,
    token: str,
    page: Page,
    now: datetime,
    *,
    agent: Agent,
    signals: Sequence[str] = (),
    alone: bool = False,
) -> tuple[Recipient, str] | None:
    """Who a link was made for, and the nonce of the look at their page that is noted with it.

    Args:
        db: needs no transaction.
        token: as `read_token` gives it.
        page: which of the message's.
        now: what time it is.
        agent: what looks.
        signals: what speaks for a machine already.
        alone: nothing but the look is written, so that it is not worth waiting for the disk.
    """
    nonce = new_nonce()
    row = await db.fetchrow(
        SQL["look"],
        digest(token),
        OPENED_BY[page],
        now,
        LASTS,
        nonce_digest(nonce),
        agent,
        list(signals),
        page,
        alone,
        MOST_LATELY,
        LATELY,
    )
    return None if row is None else (Recipient(**row), nonce)


async def press(db: Connection, token: str, page: Page, now: datetime, *, nonce: str, answer: str) -> Pressed | None:
    """Who pressed a button, and use the one chance that their look at the page gave them.

    Args:
        db: in the transaction that does what the answer asks for.
        token: as `read_token` gives it.
        page: which of the message's.
        now: what time it is.
        nonce: from the form.
        answer: what was pressed.
    """
    row = await db.fetchrow(
        SQL["press"],
        digest(token),
        OPENED_BY[page],
        now,
        LASTS,
        nonce_digest(nonce),
        answer[:40],
        VISIT_LASTS,
        NEAR,
        page,
    )
    if row is None:
        return None
    told = dict(row)
    stage, agent, signals, at, before = (told.pop(f"used_{name}") for name in _USED)
    around = Around(**{name: told.pop(name) for name in _AROUND})
    used = None if stage is None else Used(stage, agent, tuple(signals), at, before)
    return Pressed(Recipient(**told), used, around)


async def keep_press(
    db: Connection, asked: Recipient, *, source: str, key: str, payload: Mapping[str, Any], at: datetime
) -> int:
    """Store what was pressed, in the transaction that does what it asks for; returns its row in the inbox."""
    inbox_id: int = await db.fetchval(SQL["keep_press"], source, key, f"message:{asked.message_id}", dict(payload), at)
    return inbox_id
