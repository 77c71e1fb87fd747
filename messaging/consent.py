"""What people have agreed to, by purpose and channel: a ledger with source, wording and time, and where it stands.

Service messages need nobody's consent, and an objection to them is a suppression. Marketing needs it: the gate lets
nothing of that purpose go to whoever has not said yes, or has taken it back. The latest word counts, by when it was
said, not by when we came to know it. Everything here runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Literal

from core.db import Connection, load_queries
from messaging.content.templates import Channel, Purpose

SQL: Final = load_queries(__file__)

Action = Literal["give", "withdraw"]

_WITHIN: Final = 900
"""Seconds a statement may take: an organisation's whole file."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One person's word about one purpose by one channel.

    Attributes:
        person_id: whose.
        channel: `sms` or `email`.
        purpose: `service` or `marketing`.
        action: `give` or `withdraw`.
        source: where they said so.
        wording: what they said it to, word for word; may be empty where nobody knows it any more.
        at: when they said so; aware.
        recorder: who wrote it down.
        message_id: the message whose link they followed; None where they came another way.
    """

    person_id: int
    channel: Channel
    purpose: Purpose
    action: Action
    source: str
    wording: str
    at: datetime
    recorder: str
    message_id: int | None = None


async def record_consents(db: Connection, consents: Sequence[Consent]) -> int:
    """Write people's words down, and let the latest of each stand. What is in the ledger already is not written again.

    Args:
        db: in the caller's transaction.
        consents: any number.

    Returns:
        How many were news.
    """
    columns = [[getattr(one, each.name) for one in consents] for each in fields(Consent)]
    news: int = await db.fetchval(SQL["record"], *columns, timeout=_WITHIN)
    return news


async def consents_of(db: Connection, person_id: int) -> list[Consent]:
    """Everything a person has said, the latest first."""
    return [Consent(**row) for row in await db.fetch(SQL["of_person"], person_id)]


def standing_of(said: Sequence[Consent]) -> Iterator[Consent]:
    """Of everything one person has said, the latest first: what stands, for each purpose and channel.

    Args:
        said: as `consents_of` gives it.
    """
    seen: set[tuple[str, str]] = set()
    for one in said:
        if (one.purpose, one.channel) not in seen:
            seen.add((one.purpose, one.channel))
            yield one


async def drop_consents(db: Connection, person_id: int) -> None:
    """Forget what a person agreed to; that somebody did stays in the ledger."""
    await db.execute(SQL["drop"], person_id)
