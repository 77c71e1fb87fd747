"""Traces of a person: every table that has their name, number, address or words."""

from __future__ import annotations

from core.db import Connection
from tests.support.known_person import WORDS


async def found_in(db: Connection, words: tuple[str, ...] = WORDS) -> set[str]:
    """The tables in any column of which any of these words stands, whatever the column's type."""
    columns = await db.fetch(
        "select c.relname as name, a.attname as column, t.typname as type from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " join pg_type t on t.oid = a.atttypid where c.relkind = 'r' order by 1, 2"
    )
    found = set()
    for table, column, kind in columns:
        text = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
        if await db.fetchval(
            f"select exists (select from {table} where lower({text}) like any ($1))",
            [f"%{word.lower()}%" for word in words],
        ):
            found.add(table)
    return found
