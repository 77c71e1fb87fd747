"""Attributes of people, as files refer to them: their names, and the values that people have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from core.db import Connection, load_queries
from core.spec_errors import near_miss

SQL: Final = load_queries(__file__)

Wanted = Mapping[str, bool | Sequence[str]]
"""Attributes by name, each with the values it may have, or with true or false for whether there is any."""


async def missing_attributes(db: Connection, wanted: Wanted, *, key: str) -> list[str]:
    """Find attributes and values in a file that nobody can have.

    Args:
        db: a connection.
        wanted: the attributes that a file refers to.
        key: the key of the table in the file, for the sentences.

    Returns:
        A line for each attribute that no member file has brought, and for each value that people have only in another
        spelling.
    """
    missing = [line for name in wanted for line in await missing_attribute(db, name, key=f"{key}.attribute.{name}")]
    return missing + [line for line, only_spelt in await unheld_attributes(db, wanted, key=key) if only_spelt]


async def missing_attribute(db: Connection, name: str, *, key: str) -> list[str]:
    """Return a sentence that no member file has brought an attribute; empty if one has."""
    names = await _names(db)
    return [] if name in names else [f"{key}: no member file has brought this attribute{near_miss(name, names)}"]


async def unheld_attributes(db: Connection, wanted: Wanted, *, key: str) -> list[tuple[str, bool]]:
    """Find the values that nobody has; see `unheld_values`."""
    lines: list[tuple[str, bool]] = []
    for name in wanted.keys() & await _names(db):
        values = wanted[name]
        if not isinstance(values, bool):
            values_present = [row["value"] for row in await db.fetch(SQL["list_values"], name)]
            lines += unheld_values(values, values_present, key=f"{key}.attribute.{name}")
    return lines


def unheld_values(wanted: Sequence[str], values_present: Sequence[str], *, key: str) -> list[tuple[str, bool]]:
    """Find the values that nobody has, with similar values.

    Args:
        wanted: by a file.
        values_present: by anybody, the most frequent first.
        key: in the file, for the words.

    Returns:
        A line for each, and whether somebody has it in other letters: `live` for Live.
    """
    alike = {folded_name(value): value for value in reversed(values_present)}
    lines: list[tuple[str, bool]] = []
    for value in wanted:
        if value not in values_present:
            close = get_close_matches(folded_name(value), alike, n=1)
            hint = f"; did you mean {alike[close[0]]}?" if close else ""
            lines.append((f"{key}: nobody has {value!r}{hint}", folded_name(value) in alike))
    return lines


def folded_name(name: str) -> str:
    """Fold a name or path to compare it without regard to case and spacing."""
    return "/".join(" ".join(part.split()) for part in name.casefold().split("/"))


async def _names(db: Connection) -> Collection[str]:
    return {row["name"] for row in await db.fetch(SQL["list_names"])}
