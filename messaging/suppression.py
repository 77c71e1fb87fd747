"""Suppressions: opt-outs, hard bounces, complaints, wrong numbers; a ledger, and the present status.

Keyed by normalised address, so that a suppression holds for everybody who shares the address and outlives the person's
record. Everything here runs in the caller's transaction: an opt-out, its claim and its confirmation are committed
together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from core.db import Connection, load_queries
from messaging.erased_address import is_erased
from messaging.provider_names import SMS_PROVIDERS

SQL: Final = load_queries(__file__)

Medium = Literal["sms", "email", "person"]
SuppressedPurpose = Literal["all", "marketing"]

BY_TEXT: Final = ("sms_reply", *SMS_PROVIDERS)
"""Sources of opt-outs that the network may have acted on as well: only a text of START lifts these."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Suppression of an address or a person: for which purpose, why, and since when."""

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
    purpose: SuppressedPurpose = "all",
    reason: str,
    source: str,
    message_id: int | None = None,
) -> bool:
    """Suppress an address or a person, and withdraw the messages queued for it.

    Args:
        db: in the caller's transaction.
        channel: `sms`, `email`, or `person` to stop every channel.
        address: normalised; for `person` the person's id as text.
        purpose: `all`, or `marketing` if service messages may still go.
        reason: a value of `Reason`.
        source: where it comes from: `link`, `sms_reply`, `twilio`, `smtp`, `staff` …
        message_id: the message it is an answer to. If its person was erased, the address the message went to is
            suppressed.

    Returns:
        Whether it is new. False if it existed already (then only newly queued messages are withdrawn), or if the
        address of the message is not known any more.
    """
    known = await find_kept_address(db, channel, address, message_id)
    if known is None:
        return False
    address = known
    event_id = await db.fetchval(SQL["suppress"], channel, address, purpose, reason, source, message_id)
    if channel == "person":
        await db.execute(SQL["withdraw_person"], int(address), purpose, reason, source)
    else:
        await db.execute(SQL["withdraw_address"], channel, address, purpose, reason, source)
    await db.execute(SQL["withdraw_transactional"], channel, address, purpose, reason, source)
    if event_id is None and channel == "sms" and source in BY_TEXT:
        await db.execute(SQL["restate"], address, reason, source, message_id, BY_TEXT)
    return event_id is not None


async def find_kept_address(db: Connection, channel: Medium, address: str, message_id: int | None) -> str | None:
    """Find the address a message went to; once its person is erased, only if other people share it.

    Args:
        db: in the caller's transaction.
        channel: of the message.
        address: as the message has it.
        message_id: the message; None for an address by itself.

    Returns:
        The address; None if it was erased with the person.
    """
    if message_id is None or not is_erased(message_id, address):
        return address
    kept: str | None = await db.fetchval(SQL["find_kept_address"], message_id, channel)
    return kept


async def lift(
    db: Connection, *, channel: Medium, address: str, reason: str, source: str, of: str = "opted_out"
) -> list[int]:
    """Lift an opt-out, for every purpose. Suppressions for other reasons and withdrawn messages stay as they are.

    Args:
        db: in the caller's transaction.
        channel: `sms`, `email` or `person`.
        address: normalised; for `person` the person's id as text.
        reason: why it is lifted, `opted_in` …
        source: where the request comes from.
        of: the reason of the suppressions to lift; members lift only their own opt-outs, staff others too.

    Returns:
        The ids of its events in the ledger; none if there was nothing to lift.
    """
    return [row["event_id"] for row in await db.fetch(SQL["lift"], channel, address, reason, source, of)]


async def active_suppressions(db: Connection, *, channel: Medium, address: str) -> list[Suppression]:
    """Return the suppressions of an address now; none when it may be written to."""
    return [Suppression(**row) for row in await db.fetch(SQL["list_suppressions"], channel, address)]


async def full_stop(db: Connection, *, channel: Medium, address: str) -> Suppression | None:
    """Return what stops every message to an address now; None if nothing does."""
    stops = await active_suppressions(db, channel=channel, address=address)
    return next((stop for stop in stops if stop.purpose == "all"), None)


async def delete_suppressions(db: Connection, channels: Sequence[str], addresses: Sequence[str]) -> None:
    """Delete suppressions of people who are being erased; digests of them are kept elsewhere.

    Args:
        db: in the caller's transaction.
        channels: the channel of each address.
        addresses: normalised.
    """
    await db.execute(SQL["delete_suppressions"], channels, addresses)
