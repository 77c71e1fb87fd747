"""An intruder with the login that Muster works with: it reads and writes every table, and owns nothing."""

from __future__ import annotations

import asyncpg
import pytest

from core.db import Connection

REFUSED = (
    asyncpg.RaiseError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.CheckViolationError,
)


async def refused(db: Connection, *statements: str) -> str:
    """What the last of these statements is refused with; those before it may do what they like."""
    *before, attack = statements
    transaction = db.transaction()
    await transaction.start()
    try:
        for statement in before:
            await db.execute(statement)
        with pytest.raises(REFUSED) as error:
            await db.execute(attack)
    finally:
        await transaction.rollback()
    return str(error.value)


def erasing(who: int | str, channel: str = "sms") -> str:
    """An erasure of a person, or of an address."""
    begun = f"begin_erasure({who})" if isinstance(who, int) else f"begin_erasure_at('{channel}', '{who}', '{{}}')"
    return f"select {begun}; select finish_erasure()"


async def suppressed(db: Connection, channel: str, address: str, action: str = "suppress") -> None:
    """An opt-out in the ledger, or that it was lifted."""
    await db.execute(
        "insert into suppression_event (channel, address, purpose, action, reason, source)"
        " values ($1, $2, 'all', $3, 'opted_out', 'x')", channel, address, action,
    )  # fmt: skip


async def member(db: Connection, number: str) -> int:
    """The id of somebody."""
    person: int = await db.fetchval("select person_id from person where external_id = $1", number)
    return person
