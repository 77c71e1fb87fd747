"""Search for members by any part of their name, by number, by phone in any notation, by mailbox."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from core.addresses import normalise_email, normalise_phone
from core.db import Connection, load_queries
from core.errors import AddressError

SQL: Final = load_queries(__file__)

_MAX_WORDS: Final = 3
"""Most words that are searched one by one; a text with more words is searched as a whole."""
_MIN_DIGITS: Final = 4
"""Fewest digits by which part of a phone number is searched."""


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """Member who was found.

    Attributes:
        person_id: our own number.
        external_id: the membership number.
        name: first and last; may be empty.
        unit: the unit they are in directly; may be empty.
        left_at: when they left; None for members.
        addresses: where they can be reached.
    """

    person_id: int
    external_id: str
    name: str
    unit: str
    left_at: datetime | None
    addresses: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the person as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Holder:
    """Member who has an address.

    Attributes:
        channel: of the address.
        address: which.
        person_id: our own number.
        external_id: the membership number.
    """

    channel: str
    address: str
    person_id: int
    external_id: str


async def search_people(db: Connection, text: str, *, region: str, limit: int = 50) -> list[FoundPerson]:
    """Search all members, for an operator.

    Args:
        db: a connection that may read all of them.
        text: words of a name in any order, accents and case left out or not; a membership number or a part of it; a
            phone number in any notation, or at least four digits of one; a mailbox or a part of it.
        region: country whose way of writing phone numbers is assumed if there is no `+`.
        limit: the most to find.

    Returns:
        The member with exactly that membership number first, then by name. If nobody matches all of it, the people
        whose names are most similar, the most similar first.
    """
    text = " ".join(text.split())
    if not text:
        return []
    words = _folded(text).split()
    # a text that cannot be a name, or a part of one, is similar to none
    forgiving = len(words) <= _MAX_WORDS and "@" not in text and not re.search(r"\d", text)
    if len(words) > _MAX_WORDS:
        words = [" ".join(words)]
    rows = await db.fetch(
        SQL["search_people"], words, forgiving, text, _addresses(text, region), _parts_of_address(text), limit
    )
    return [FoundPerson(**row) for row in rows]


def is_likeness(text: str, people: Collection[FoundPerson]) -> bool:
    """Tell whether people were found only because their names are like a text: nobody's name or number holds it.

    Args:
        text: what was searched for.
        people: whom `search_people` has found by it.
    """
    words = _folded(text).split()
    if not people or len(words) > _MAX_WORDS or "@" in text or re.search(r"\d", text):
        return False
    names = (_folded(" ".join((person.name, person.external_id, *person.addresses))) for person in people)
    return not any(all(word in name for word in words) for name in names)


async def find_holders(db: Connection, addresses: Collection[tuple[str, str]]) -> list[Holder]:
    """List the people who have some addresses.

    Args:
        db: a connection.
        addresses: pairs of a channel and an address.
    """
    rows = await db.fetch(
        SQL["find_holders"], [channel for channel, _ in addresses], [address for _, address in addresses]
    )
    return [Holder(**row) for row in rows]


async def only_holder(db: Connection, channel: str, address: str) -> int | None:
    """Return the person who has an address, by their id; None if nobody has it, or several do."""
    holders = {holder.person_id for holder in await find_holders(db, [(channel, address)])}
    return holders.pop() if len(holders) == 1 else None


def _addresses(text: str, region: str) -> list[str]:
    """Read the text as an address, if it is one."""
    try:
        return [normalise_email(text) if "@" in text else normalise_phone(text, region=region, mobile=False)]
    except AddressError:
        return []


def _parts_of_address(text: str) -> list[str]:
    """Read the text as a part of a number or mailbox, in up to two ways; none if it is neither."""
    digits = re.sub(r"\(0\)|[\s().+/-]", "", text)
    if digits.isdigit():
        # the part may stand anywhere in a number, or begin a number as written here, with zeros that +44… lacks
        parts = dict.fromkeys((digits, digits.removeprefix("00").removeprefix("0")))
        return [part for part in parts if len(part) >= _MIN_DIGITS]
    return [text.lower()] if re.fullmatch(r"[^\s@]*@?[^\s@]+|[^\s@]+@", text) else []


def _folded(text: str) -> str:
    """Fold a name as the database does: without case and accents."""
    return re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFD", text)).lower()
