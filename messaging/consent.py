"""Consent of people by purpose and channel: a ledger with source, wording and time, and the present status.

Service messages need no consent, and an objection to them is a suppression. Marketing needs consent: the eligibility
check stops marketing messages to people who have not given it, or have withdrawn it. The latest entry counts, by the
time of the consent, not by the time it was recorded. Everything here runs in the caller's transaction.
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
    """Consent given or withdrawn by one person, for one purpose by one channel.

    Attributes:
        person_id: the person.
        channel: `sms` or `email`.
        purpose: `service` or `marketing`.
        action: `give` or `withdraw`.
        source: where they gave or withdrew it.
        wording: the text they agreed to, word for word; may be empty where it is not known any more.
        at: when they gave or withdrew it; aware.
        recorder: who recorded it.
        message_id: the message whose link they followed; None where it came another way.
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
    """Add consents to the ledger and update the status of each person; entries in the ledger already are skipped.

    Args:
        db: in the caller's transaction.
        consents: any number.

    Returns:
        How many were new.
    """
    columns = [[getattr(one, each.name) for one in consents] for each in fields(Consent)]
    news: int = await db.fetchval(SQL["record"], *columns, timeout=_WITHIN)
    return news


async def consents_of(db: Connection, person_id: int) -> list[Consent]:
    """Return all entries of a person, the latest first."""
    return [Consent(**row) for row in await db.fetch(SQL["of_person"], person_id)]


def current_consent(said: Sequence[Consent]) -> Iterator[Consent]:
    """Return the present status of one person: the latest entry for each purpose and channel.

    Args:
        said: the person's entries, as `consents_of` returns them.
    """
    seen: set[tuple[str, str]] = set()
    for one in said:
        if (one.purpose, one.channel) not in seen:
            seen.add((one.purpose, one.channel))
            yield one


async def drop_consents(db: Connection, person_id: int) -> None:
    """Delete a person's consent status; the ledger keeps its entries."""
    await db.execute(SQL["drop"], person_id)
