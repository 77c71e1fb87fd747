"""Lookup of the message that a reply answers, and of its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, Self

import asyncpg

from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries
from core.errors import NotFound
from messaging.content.sent import render_again
from messaging.outbox.transactional import KEEPS_MENU

SQL: Final = load_queries(__file__)

ReplyChannel = Literal["sms", "email"]


@dataclass(frozen=True, slots=True)
class CampaignMessage:
    """Message of a campaign whose link is used, or whose reply staff read; every attribute is known.

    An `AnsweredMessage` may lack its person, campaign or subject. So neither class derives from the other, although
    fields have the same names.

    Attributes:
        message_id: its id.
        person_id: whom it was for.
        channel: `sms` or `email`.
        address: where it went.
        sender: our number or mailbox that it came from; None if that is not known.
        campaign_id: its campaign's id.
        subject: what it asked about.
    """

    message_id: int
    person_id: int
    channel: ReplyChannel
    address: str
    sender: str | None
    campaign_id: int
    subject: Subject


@dataclass(frozen=True, slots=True)
class AnsweredMessage:
    """Message that a reply answers.

    Attributes:
        message_id: its id.
        person_id: whom it was for; None if only the address was known.
        channel: `sms` or `email`.
        address: where it went.
        sender: our number or mailbox that it came from; None if that is not known.
        campaign_id: the campaign that it, or its conversation, belongs to; None for none.
        subject: what the campaign asks about; None for none.
        transactional: whether it belongs to no step; then it takes no answers.
        menu: the digits it offered and the meaning of each.
        content: its template, as JSON; None if it had none.
        constants: the variables that were the same for everybody, as JSON; None likewise.
        variables: its own variables; those no longer kept are left out.
    """

    message_id: int
    person_id: int | None
    channel: ReplyChannel
    address: str
    sender: str | None
    campaign_id: int | None
    subject: Subject | None
    transactional: bool
    menu: Mapping[str, str]
    content: str | None
    constants: str | None
    variables: Mapping[str, Any]

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Make a message from its row; `subject` is the view's row in JSON."""
        columns = {field.name: row[field.name] for field in fields(cls)}
        subject = None if row["subject"] is None else subject_of(row["subject"])
        menu, variables = row["menu"] or {}, row["variables"] or {}
        return cls(**columns | {"subject": subject, "menu": menu, "variables": variables})

    def sent_words(self) -> tuple[str, ...]:
        """Return its text in each of its forms; empty if it had no template."""
        if self.content is None or self.constants is None:
            return ()
        return render_again(self.content, self.constants, self.channel, self.variables)


async def find_answered_message(
    db: Connection,
    *,
    channel: Literal["sms", "email"],
    address: str,
    senders: Sequence[str],
    at: datetime,
    message_id: int | None = None,
) -> AnsweredMessage | None:
    """Find the message a reply answers; the archive is searched only if there is none in the outbox.

    A reply answers the last message to its author, whichever campaign or person sent that. Messages of the kinds in
    `KEEPS_MENU` are passed over; a mail of such a kind counts as the message it is about.

    Args:
        db: a connection.
        channel: of the reply.
        address: the address it came from.
        senders: our numbers or mailboxes it was sent to.
        at: when it came.
        message_id: the message it proves to answer; None to find the latest one between these addresses.
    """
    kept = sorted(KEEPS_MENU)
    if message_id is None:
        where = (channel, address, list(senders), at, kept)
        message_id = await db.fetchval(SQL["find_latest"], *where) or await db.fetchval(
            SQL["find_latest_archived"], *where
        )
        if message_id is None:
            return None
    by_id = (channel, message_id, kept)
    row = await db.fetchrow(SQL["find_by_id"], *by_id) or await db.fetchrow(SQL["find_archived_by_id"], *by_id)
    return None if row is None else AnsweredMessage.of(row)


def asked_about(message: AnsweredMessage | None) -> Subject | None:
    """Return what a reply to a message can answer; None if it takes no answers, or is not known."""
    return None if message is None or message.transactional else message.subject


async def find_campaign_message(db: Connection, message_id: int) -> CampaignMessage:
    """Return the message of a campaign whose link was used, or whose reply is read.

    Args:
        db: a connection.
        message_id: the message, or one of the conversation that began with it.

    Raises:
        NotFound: no such message.
    """
    row = await db.fetchrow(SQL["find_message"], message_id) or await db.fetchrow(
        SQL["find_archived_message"], message_id
    )
    if row is None:
        raise NotFound(f"There is no message {message_id}.")
    return CampaignMessage(**dict(row) | {"subject": subject_of(row["subject"])})


async def words_of(db: Connection, message_id: int | None) -> tuple[str, ...]:
    """Return a message's text in each of its forms; empty if the message no longer exists."""
    if message_id is None:
        return ()
    own_text = await db.fetchval(SQL["find_own_text"], message_id)
    if own_text:
        return (own_text,)
    row = await db.fetchrow(SQL["find_template"], message_id)
    return () if row is None else render_again(row["content"], row["constants"], row["channel"], row["variables"] or {})
