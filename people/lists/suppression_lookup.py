"""Look-up of the suppressions of an address or a member, with their history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from core.db import Connection, load_queries
from core.typed_address import read_address
from messaging.suppression import Medium, Suppression, active_suppressions
from messaging.suppression_digests import NO_KEYS, DigestKeys, find_digests

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Event of the suppression ledger."""

    action: str
    purpose: str
    reason: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AddressSuppressions:
    """Suppressions of one address: those in force, and its whole history, oldest first."""

    address: str
    active_suppressions: Sequence[Suppression]
    history: Sequence[LedgerEntry]

    def to_json(self) -> dict[str, Any]:
        """Return the suppressions as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MemberSuppressions:
    """Suppressions of a member: of the person, and of each of their addresses."""

    member_id: str
    name: str
    everywhere: AddressSuppressions
    addresses: Sequence[AddressSuppressions]

    def to_json(self) -> dict[str, Any]:
        """Return the suppressions as plain values."""
        return asdict(self)


async def find_suppression(
    db: Connection, text: str, *, region: str, keys: DigestKeys = NO_KEYS
) -> AddressSuppressions:
    """Look up whether a number or mailbox may be written to.

    Args:
        db: a connection.
        text: as somebody types it.
        region: country whose way of writing phone numbers is assumed if there is no `+`.
        keys: under which opt-outs of people who were erased are kept.

    Raises:
        AddressError: the text is neither.
    """
    channel, address = read_address(text, region)
    return await _known(db, channel, address, keys)


async def find_members_suppressions(
    db: Connection, member_id: str, *, keys: DigestKeys = NO_KEYS
) -> MemberSuppressions | None:
    """Look up whether a member may be written to at all, and at each of their addresses.

    Args:
        db: a connection.
        member_id: a membership number.
        keys: under which opt-outs of people who were erased are kept.

    Returns:
        None if nobody has that number.
    """
    person = await db.fetchrow(SQL["find_member"], member_id)
    if person is None:
        return None
    everywhere = await _known(db, "person", str(person["person_id"]), keys)
    rows = await db.fetch(SQL["list_addresses"], person["person_id"])
    addresses = [await _known(db, row["channel"], row["address"], keys) for row in rows]
    return MemberSuppressions(member_id, person["name"], everywhere, addresses)


async def _known(db: Connection, channel: Medium, address: str, keys: DigestKeys) -> AddressSuppressions:
    in_force = await active_suppressions(db, channel=channel, address=address)
    digests = await find_digests(db, keys, [(channel, address)])
    in_force += [Suppression(channel, address, digest.purpose, digest.reason, digest.since) for digest in digests]
    return AddressSuppressions(
        address, in_force, [LedgerEntry(**row) for row in await db.fetch(SQL["list_history"], channel, address)]
    )
