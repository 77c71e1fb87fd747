"""Members: look-up of one, and counts of all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from core.db import Connection, load_queries
from core.errors import NotFound
from people.units import UnitReach, unit_names

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class PersonAddress:
    """Contact point of a person as staff see it, with why nothing is sent there; the person sees a `ContactPoint`.

    Attributes:
        channel: `sms` or `email`.
        address: E.164, or the mailbox.
        suppressed: why nothing is sent to it (`opted_out`, `hard_bounced` …); None if it may be used.
        purpose: what is suppressed: `all`, or `marketing` only; None if nothing is.
    """

    channel: str
    address: str
    suppressed: str | None
    purpose: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """Member, with everything Muster holds about who they are.

    Attributes:
        person_id: our own number.
        external_id: the membership number.
        units: names by kind, from the root down.
        attributes: the other columns of member files, by name.
        addresses: in the order they are tried.
        left_at: when they left, or will leave; None for members who stay.
    """

    person_id: int
    external_id: str
    first_name: str
    last_name: str
    units: Mapping[str, str]
    language: str
    time_zone: str
    attributes: Mapping[str, str]
    addresses: tuple[PersonAddress, ...]
    created_at: datetime
    updated_at: datetime
    left_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the person as plain values."""
        return {
            "external_id": self.external_id,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "units": dict(self.units),
            "language": self.language,
            "time_zone": self.time_zone,
            "attributes": dict(self.attributes),
            "addresses": [
                {
                    "channel": address.channel,
                    "address": address.address,
                    "suppressed": address.suppressed,
                    "purpose": address.purpose,
                }
                for address in self.addresses
            ],
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "left_at": self.left_at and self.left_at.isoformat(),
        }


async def find_person(db: Connection, external_id: str) -> Person:
    """Find the member with a membership number.

    Raises:
        NotFound: nobody has it; the message lists similar numbers.
    """
    row = await db.fetchrow(SQL["find_person"], external_id)
    if row is None:
        close = [similar["external_id"] for similar in await db.fetch(SQL["list_similar_numbers"], external_id)]
        raise NotFound(
            f"Nobody has the number {external_id}.",
            remedy=f"Did you mean {' or '.join(close)}?" if close else "",
        )
    addresses = await db.fetch(SQL["list_addresses"], row["person_id"])
    return Person(
        person_id=row["person_id"],
        external_id=row["external_id"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        units=await unit_names(db, row["unit_id"]),
        language=row["language"],
        time_zone=row["time_zone"],
        attributes=row["attributes"],
        addresses=tuple(
            PersonAddress(each["channel"], each["address"], each["reason"], each["purpose"]) for each in addresses
        ),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        left_at=row["left_at"],
    )


@dataclass(frozen=True, slots=True)
class PersonName:
    """Name and number of a person, for a line of a list.

    Attributes:
        external_id: the number in the member file; None for somebody who was erased, or is not in it.
        name: first and last; may be empty.
        is_member: whether they are, or were, in a member file; else only an address is known, such as a test's.
    """

    external_id: str | None
    name: str
    is_member: bool = True

    def __str__(self) -> str:
        """Return the number and the name: `0001006  Amy Jones`."""
        if not self.is_member:
            return "nobody in your member file"
        return f"{self.external_id}  {self.name}".rstrip() if self.external_id else "somebody who was erased"

    def to_json(self) -> dict[str, Any]:
        """Return the number and the name as plain values."""
        return {"external_id": self.external_id, "name": self.name}


async def names_of(db: Connection, person_ids: Collection[int | None]) -> Mapping[int | None, PersonName]:
    """Look up the names of some people by their ids; None stands for somebody of whom only an address is known."""
    rows = {
        row["person_id"]: row
        for row in await db.fetch(SQL["list_names"], [person_id for person_id in person_ids if person_id is not None])
    }
    return {
        person_id: PersonName(rows[person_id]["external_id"], rows[person_id]["name"])
        if person_id in rows
        else PersonName(None, "", is_member=person_id is not None)
        for person_id in person_ids
    }


async def members_named(db: Connection, external_ids: Sequence[str]) -> list[PersonName]:
    """Look up the members with some membership numbers, once each and in their order; unknown numbers are left out."""
    rows = {row["external_id"]: row["name"] for row in await db.fetch(SQL["list_names_by_number"], list(external_ids))}
    return [PersonName(member_id, rows[member_id]) for member_id in dict.fromkeys(external_ids) if member_id in rows]


async def has_people(db: Connection) -> bool:
    """Tell whether any member has been imported."""
    return bool(await db.fetchval(SQL["has_people"]))


async def count_people(db: Connection) -> UnitReach:
    """Count all people, by how they can be reached; the name in the result is empty."""
    row = await db.fetchrow(SQL["count_people"])
    assert row is not None
    return UnitReach("", row["people"], row["sms"], row["email"], row["unreachable"])
