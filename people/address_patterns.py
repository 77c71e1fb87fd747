"""Patterns that find an address in any text: as people write it, as forms encode it, inside a sentence or a document.

A regular expression finds it; patterns for LIKE on `squeezed` text, which find no less, are tried first and cost a
tenth. All are PostgreSQL's, and made there; the expression is Python's too, without regard to case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.db import Connection, load_queries
from messaging.outbox.erasure import NEVER

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class AddressPatterns:
    """Patterns of some addresses.

    Attributes:
        pattern: a regular expression that finds any of them in a text, and never anything where there are none.
        likes: patterns for LIKE that match a squeezed text at least wherever `pattern` finds one.
    """

    pattern: str
    likes: tuple[str, ...]


async def find_patterns(db: Connection, addresses: Sequence[str]) -> AddressPatterns:
    """Write the patterns that find any of several mailboxes and numbers.

    Args:
        db: a connection; the database writes them, because its ledgers are emptied by the same expression.
        addresses: normalised.
    """
    row = await db.fetchrow(SQL["pattern"], list(addresses))
    assert row is not None  # an aggregate gives one row
    return AddressPatterns(row["pattern"] or NEVER, tuple(row["likes"]))
