"""Whom not to write to: opt-outs, hard bounces, complaints, wrong numbers; a ledger, and where it stands now.

Keyed by normalised address, so that it holds for everybody who shares it and outlives the person's record. Everything
here runs in the caller's transaction: an opt-out, its claim and its confirmation are committed together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from core.db import Connection, load_queries
from messaging.erased_address import is_erased

SQL: Final = load_queries(__file__)

Medium = Literal["sms", "email", "person"]
Purpose = Literal["all", "marketing"]

BY_TEXT: Final = ("sms_reply", "twilio", "vonage")
"""Sources of an opt-out that the carrier may have acted on too: only a text of START lifts it."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address, or a person, that gets nothing: for which purpose, why, and since when."""

    channel: str
    address: str
    purpose: str
    reason: str
    since: datetime


async def suppress(
    db: Connection,
    *,
    channel: Medium,
    address: str,
    purpose: Purpose = "all",
    reason: str,
    source: str,
    message_id: int | None = None,
) -> bool:
    """Never write to an address again, and withdraw what is queued for it.

    Args:
        db: in the caller's transaction.
        channel: `sms`, `email`, or `person` to stop every channel.
        address: normalised; for `person` the person's id as text.
        purpose: `all`, or `marketing` where service messages may still go.
        reason: a word of `Reason`.
        source: who says so: `link`, `sms_reply`, `twilio`, `smtp`, `staff` …
        message_id: the message it came in answer to. If its person was erased, it is about where the message went.

    Returns:
        Whether it is news; False where it stood already (then only newly queued messages are withdrawn), and where
        nobody knows any more where the message went.
    """
    known = await find_place(db, channel, address, message_id)
    if known is None:
        return False
    address = known
    news = await db.fetchval(SQL["suppress"], channel, address, purpose, reason, source, message_id)
    if channel == "person":
        await db.execute(SQL["withdraw_person"], int(address), purpose, reason, source)
    else:
        await db.execute(SQL["withdraw_address"], channel, address, purpose, reason, source)
    if news is None and channel == "sms" and source in BY_TEXT:
        await db.execute(SQL["restate"], address, reason, source, message_id, BY_TEXT)
    return news is not None


async def find_place(db: Connection, channel: Medium, address: str, message_id: int | None) -> str | None:
    """Find where a message went: its address, and once its person is erased the one that others have too.

    Args:
        db: in the caller's transaction.
        channel: of the message.
        address: as the message has it.
        message_id: the message; None for an address by itself.

    Returns:
        None where the address went with the person.
    """
    if message_id is None or not is_erased(message_id, address):
        return address
    place: str | None = await db.fetchval(SQL["place"], message_id, channel)
    return place


async def lift(
    db: Connection, *, channel: Medium, address: str, reason: str, source: str, of: str = "opted_out"
) -> list[int]:
    """Take an opt-out back, for every purpose. What stands for another reason stays, and what was withdrawn does too.

    Args:
        db: in the caller's transaction.
        channel: `sms`, `email` or `person`.
        address: normalised; for `person` the person's id as text.
        reason: why it is lifted, `opted_in` …
        source: who says so.
        of: the reason that is lifted; an opt-out is the member's own to take back, others are for staff.

    Returns:
        The ledger's events of it; none where there was nothing to take back.
    """
    return [row["event_id"] for row in await db.fetch(SQL["lift"], channel, address, reason, source, of)]


async def standing(db: Connection, *, channel: Medium, address: str) -> list[Suppression]:
    """What stands against an address now; empty when it may be written to."""
    return [Suppression(**row) for row in await db.fetch(SQL["standing"], channel, address)]


async def drop_suppressions(db: Connection, channels: Sequence[str], addresses: Sequence[str]) -> None:
    """Forget what stands against addresses, of whoever is erased; it is kept as digests.

    Args:
        db: in the caller's transaction.
        channels: of each address.
        addresses: normalised.
    """
    await db.execute(SQL["drop"], channels, addresses)
