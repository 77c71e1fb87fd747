"""Patterns that find an address in any text: as people write it, as forms encode it, inside a sentence or a document.

A regular expression finds it; a pattern for LIKE on `squeezed` text, which finds no less, is tried first and costs a
tenth. Both are PostgreSQL's; the expression is Python's too, without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import orjson
import phonenumbers
from phonenumbers import NumberParseException

from core.db import Connection, load_queries
from core.db.like import literal
from messaging.outbox.erasure import NEVER

SQL: Final = load_queries(__file__)


async def find_pattern(db: Connection, addresses: Sequence[str]) -> str:
    """Write a regular expression that finds any of several mailboxes and numbers.

    Args:
        db: a connection; the database writes the expression, because its ledgers allow erasure by no other expression.
        addresses: normalised.
    """
    pattern: str | None = await db.fetchval(SQL["pattern"], list(addresses))
    return pattern or NEVER


def likes_of(address: str) -> list[str]:
    """Write patterns for LIKE on `squeezed` text, for a mailbox or number.

    Args:
        address: normalised.
    """
    plain = address if "@" in address else _parts(address)[1]
    in_json = orjson.dumps(plain).decode()[1:-1]
    return [f"%{literal(_squeezed(one))}%" for one in dict.fromkeys((plain, in_json))]


def _parts(number: str) -> tuple[str, str]:
    """Split a number into its country code and what follows it; a short code has none."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return "", number.removeprefix("+")
    return str(parsed.country_code), phonenumbers.national_significant_number(parsed)


def _squeezed(text: str) -> str:
    """Squeeze a text as the database's function of this name does."""
    for encoded, plain in (("%40", "@"), ("%2b", ""), ("%20", ""), ("%2e", "")):
        text = text.lower().replace(encoded, plain)
    return re.sub("[ \u00a0()./+-]", "", text)
