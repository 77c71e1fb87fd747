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

from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from messaging.states import ChannelName, MessagePurpose

SQL: Final = load_queries(__file__)

ConsentAction = Literal["give", "withdraw"]


@dataclass(frozen=True, slots=True)
class Consent:
    """Consent given or withdrawn by one person, for one purpose by one channel.

    Attributes:
        person_id: the person.
        channel: `sms` or `email`.
        purpose: `service` or `marketing`.
        action: `give` or `withdraw`.
        source: where they gave or withdrew it.
        wording: the text they agreed to, word for word; empty if it is not known any more.
        at: when they gave or withdrew it; aware.
        recorder: the person or program that recorded it.
        message_id: the message whose link they followed; None if it came another way.
    """

    person_id: int
    channel: ChannelName
    purpose: MessagePurpose
    action: ConsentAction
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
        How many entries were new.
    """
    columns = [[getattr(consent, column.name) for consent in consents] for column in fields(Consent)]
    new_count: int = await db.fetchval(SQL["record_consents"], *columns, timeout=STATEMENT_TIMEOUT)
    return new_count


async def consents_of(db: Connection, person_id: int) -> list[Consent]:
    """Return all entries of a person, the latest first."""
    return [Consent(**row) for row in await db.fetch(SQL["list_consents"], person_id)]


def current_consent(consents: Sequence[Consent]) -> Iterator[Consent]:
    """Return the present status of one person: the latest entry for each purpose and channel.

    Args:
        consents: the person's entries, as `consents_of` returns them.
    """
    seen: set[tuple[str, str]] = set()
    for consent in consents:
        if (consent.purpose, consent.channel) not in seen:
            seen.add((consent.purpose, consent.channel))
            yield consent


async def delete_consents(db: Connection, person_id: int) -> None:
    """Delete a person's consent status; the ledger keeps its entries."""
    await db.execute(SQL["delete_consents"], person_id)
