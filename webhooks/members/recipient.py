"""Recipient of a message: the member a link was made for, with the message's subject and their answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from asyncpg import Record

from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.db import Connection, Pool, load_queries
from core.keyring import LinkAction, MemberLink
from core.member_link_lifetime import LINK_LIFETIME
from core.written_dates import WrittenDate, read_written_date
from messaging.erased_address import is_erased
from webhooks.inbound_log.inbound_log import store_done
from webhooks.members.page_views import (
    MAX_NEARBY_TIME,
    MAX_RECENT_VIEWS,
    RECENT_TIME,
    VIEW_LASTS,
    AnsweredView,
    NearbyUses,
    new_nonce,
    nonce_digest,
    record_view,
)
from webhooks.members.user_agents import Agent

SQL: Final = load_queries(__file__)

LinkPage = Literal["confirm", "unsubscribe", "preferences"]
"""The pages of a message: the question, unsubscribing, and the preferences."""
OPENED_BY: Final[Mapping[LinkPage, Sequence[LinkAction]]] = {
    "confirm": ("confirm",),
    "unsubscribe": ("unsubscribe",),
    "preferences": ("confirm", "unsubscribe"),
}
"""The kinds of links that open a page."""

_USED: Final = ("stage", "agent", "signals", "at", "earlier")
_NEARBY: Final = ("honeypot", "machine", "every_link", "looks")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Recipient of a message.

    Attributes:
        message_id: the message with the link.
        person_id: the member.
        channel: how it was sent.
        address: the number or mailbox it was sent to.
        sent_at: when it was sent; None while that is not known.
        first_name: their first name; may be empty.
        language: the member's language.
        time_zone: the zone of the times in the message.
        appointment_at: the time of the appointment that the message speaks of, as it is written; None for none.
        place: its place, likewise.
        subject: what the message asks about.
        status: what they are known to have answered; None for nothing.
        said_here: whether they answered by this very link.
        stopped: whether they, or somebody who shares the address, have opted out.
        stopped_by_link: whether they did so on one of their pages, if it can be taken back.
        stopped_everywhere: whether they did so for all of their addresses, not only for this one.
        reached_otherwise: whether messages may go to them by another channel than this one's.
        only_unsubscribes: whether no other page of the message opens any more: its subject was over long ago.
    """

    message_id: int
    person_id: int
    channel: str
    address: str
    sent_at: datetime | None
    first_name: str
    language: str
    time_zone: str
    appointment_at: str | None
    place: str | None
    subject: Subject
    status: str | None
    said_here: bool
    stopped: bool
    stopped_by_link: bool
    stopped_everywhere: bool
    reached_otherwise: bool
    only_unsubscribes: bool

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone for their times: their own, or the subject's if that is unknown."""
        try:
            return ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            return ZoneInfo(self.subject.time_zone)

    @property
    def appointment(self) -> WrittenDate | None:
        """Return the time of the appointment that the message speaks of; None if there is none that can be read."""
        return read_written_date(self.appointment_at or "", self.zone)

    @property
    def due_by(self) -> datetime | None:
        """Return when an answer is of no use any more: at their appointment; None if the message names none."""
        written = self.appointment
        return None if written is None else written.at

    @property
    def erased(self) -> bool:
        """Tell whether the member was erased: the reader is now somebody who shares the address it went to."""
        return is_erased(self.message_id, self.address)


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """Press of a button on a member's page.

    Attributes:
        recipient: the member.
        used: the page view it comes from; None if that is used, too old, or of another link.
        nearby: other uses of the message's links just before.
    """

    recipient: Recipient
    used: AnsweredView | None
    nearby: NearbyUses


async def find_recipient(db: Connection | Pool, link: MemberLink, page: LinkPage, now: datetime) -> Recipient | None:
    """Find the recipient a link was made for; None if it is unknown, revoked or expired.

    Args:
        db: a connection.
        link: as its token says.
        page: which of the message's pages.
        now: the time.
    """
    row = await db.fetchrow(SQL["find_recipient"], *_looked_up(link, page, now))
    return await _archived(db, link, page) if row is None else _recipient(row)


async def view_page(
    db: Connection | Pool,
    link: MemberLink,
    page: LinkPage,
    now: datetime,
    *,
    agent: Agent,
    signals: Sequence[str] = (),
    alone: bool = False,
) -> tuple[Recipient, str] | None:
    """Find the recipient of a link, and record a page view; return the recipient and the view's nonce, or None.

    Args:
        db: needs no transaction.
        link: as its token says.
        page: which of the message's pages.
        now: the time.
        agent: class of the User-Agent.
        signals: signs of a machine that are known already.
        alone: nothing else is written in the transaction, so that the commit need not wait for the disk.
    """
    nonce = new_nonce()
    row = await db.fetchrow(
        SQL["view_page"],
        *_looked_up(link, page, now),
        nonce_digest(nonce),
        agent,
        list(signals),
        page,
        alone,
        MAX_RECENT_VIEWS,
        RECENT_TIME,
    )
    if row is not None:
        return _recipient(row), nonce
    recipient = await _archived(db, link, page)
    if recipient is None:
        return None
    return recipient, await record_view(
        db, message_id=recipient.message_id, action=page, agent=agent, at=now, signals=signals
    )


async def use_page_view(
    db: Connection, link: MemberLink, page: LinkPage, now: datetime, *, nonce: str, answer: str
) -> ButtonPress | None:
    """Find the recipient who pressed a button, and use the one answer of their page view.

    Args:
        db: in the transaction that does what the answer asks for.
        link: as its token says.
        page: which of the message's pages.
        now: the time.
        nonce: the form's nonce.
        answer: what was pressed.
    """
    row = await db.fetchrow(
        SQL["use_view"],
        *_looked_up(link, page, now),
        nonce_digest(nonce),
        answer[:40],
        VIEW_LASTS,
        MAX_NEARBY_TIME,
        page,
    )
    if row is None:
        return None
    fields = dict(row)
    stage, agent, signals, at, earlier = (fields.pop(f"used_{name}") for name in _USED)
    nearby = NearbyUses(**{name: fields.pop(name) for name in _NEARBY})
    used = None if stage is None else AnsweredView(stage, agent, tuple(signals), at, earlier)
    return ButtonPress(_recipient(fields), used, nearby)


async def store_press(
    db: Connection, recipient: Recipient, *, source: str, key: str, payload: Mapping[str, Any], at: datetime
) -> int:
    """Store a press, in the transaction that acts on it; return its row in the inbound log."""
    return await store_done(
        db, source=source, key=key, subject=f"message:{recipient.message_id}", payload=payload, at=at
    )


async def _archived(db: Connection | Pool, link: MemberLink, page: LinkPage) -> Recipient | None:
    """Find the recipient of an email's unsubscribe link once its message has moved into the archive."""
    if link.message_id is None or page != "unsubscribe":
        return None
    row = await db.fetchrow(SQL["find_archived_recipient"], link.message_id, link.action)
    return None if row is None else _recipient(row)


def _looked_up(link: MemberLink, page: LinkPage, now: datetime) -> tuple[Any, ...]:
    """Return the arguments of `link_recipient`."""
    return link.digest, link.message_id, link.action, OPENED_BY[page], now, LINK_LIFETIME


def _recipient(row: Record | Mapping[str, Any]) -> Recipient:
    return Recipient(**{**row, "subject": subject_of(row["subject"])})
