"""A login like the application's: it may read and write every table, call every function, and owns nothing."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from core.db import Connection
from tests.support.known_person import fill

PRIVILEGES = """
create role {0};
grant usage on schema public to {0};
grant select, insert, update, delete on all tables in schema public to {0};
grant usage, select on all sequences in schema public to {0};
grant execute on all functions in schema public to {0};
set role {0}
"""
"""Rights of the embedded server's role `muster`: see muster/embedded/roles.psql."""
REFUSED = (
    asyncpg.RaiseError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.CheckViolationError,
)


@asynccontextmanager
async def as_intruder(db: Connection) -> AsyncIterator[None]:
    """Act with a login like the application's, in a database that knows somebody."""
    await fill(db)
    name = f"intruder_{secrets.token_hex(6)}"
    await db.execute(PRIVILEGES.format(name))
    yield
    await db.execute(f"reset role; drop owned by {name}; drop role {name}")


@asynccontextmanager
async def as_owner(db: Connection) -> AsyncIterator[None]:
    """Act as the owner of the tables for a while."""
    name = await db.fetchval("select current_user")
    await db.execute("reset role")
    yield
    await db.execute(f"grant all on all tables in schema public to {name}; set role {name}")


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
