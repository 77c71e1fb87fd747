"""Patterns that find an address in any text: as people write it, as forms encode it, inside a sentence or a document.

A regular expression says whether it is there; a pattern for LIKE on `squeezed` text, which finds no less, says so first
and costs a tenth. Both are PostgreSQL's; the expression is Python's too, without regard to case.
"""

from __future__ import annotations

import re
from typing import Final

import orjson
import phonenumbers
from phonenumbers import NumberParseException

from messaging.db.like import literal

_BEFORE: Final = r"(?:(?<![\w.+-])|(?<=%[0-9a-f][0-9a-f]))"
"""The address begins here: no part of a longer mailbox, but perhaps after something that a form has encoded."""
_BEFORE_DIGITS: Final = r"(?:(?<!\d)|(?<=%[0-9a-f][0-9a-f]))"
_BETWEEN: Final = "(?:%20|[ \u00a0()./+-]){0,3}"
"""What people and programs put between the digits of a number; `squeezed` takes out the same."""
_ENCODED: Final = {"@": "(?:@|%40)", "+": r"(?:\+|%2B)", ".": r"(?:\.|%2E)"}
_ENOUGH: Final = 9
"""Digits of a national number that say whose it is without a zero or a country code before them."""


def pattern_of(address: str) -> str:
    """Write a regular expression for a mailbox or number.

    Args:
        address: normalised.
    """
    if "@" in address:
        mailbox = "".join(_ENCODED.get(char, re.escape(char)) for char in address)
        return rf"{_BEFORE}{mailbox}(?![\w-]|\.\w)"
    country, national = _parts(address)
    prefix = rf"(?:(?:\+|00|%2B)?{_BETWEEN.join(country)}{_BETWEEN}(?:0{_BETWEEN})?|0{_BETWEEN})" if country else ""
    bare = "?" if prefix and len(national) >= _ENOUGH else ""
    return rf"{_BEFORE_DIGITS}{prefix}{bare}{_BETWEEN.join(national)}(?!\d)"


def likes_of(address: str) -> list[str]:
    """Write patterns for LIKE on `squeezed` text, for a mailbox or number.

    Args:
        address: normalised.
    """
    plain = address if "@" in address else _parts(address)[1]
    in_json = orjson.dumps(plain).decode()[1:-1]
    return [f"%{literal(_squeezed(one))}%" for one in dict.fromkeys((plain, in_json))]


def _parts(number: str) -> tuple[str, str]:
    """The country code and what follows it; a short code has none."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return "", number.removeprefix("+")
    return str(parsed.country_code), phonenumbers.national_significant_number(parsed)


def _squeezed(text: str) -> str:
    """As the database's function of this name does."""
    for encoded, plain in (("%40", "@"), ("%2b", ""), ("%20", ""), ("%2e", "")):
        text = text.lower().replace(encoded, plain)
    return re.sub("[ \u00a0()./+-]", "", text)
