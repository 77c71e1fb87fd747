"""Scope: the rows that staff see. A transaction on a login of staff, with what its actor may see in a signed setting.

Row-level security (docs/access.md) goes by the setting `muster.scope`. Anybody who can run SQL can set a setting, so
the database believes it only with a signature: HMAC-SHA256 over the scope and the transaction it is for, by a key that
no login of staff can read. SQL that was injected into a page cannot choose another scope, and a signature that it has
seen is refused in any other transaction, even the next one of the same connection. Without a scope no row is visible.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from core.access import Actor, Permission, ReadScope
from core.db import STAFF_SETTINGS, Connection, Pool, load_queries

SQL: Final = load_queries(__file__)

_EVERYWHERE: Final = "everywhere"


class ScopedPools:
    """Logins by which staff read, and the key that signs their scopes.

    Args:
        worker: the pool that reads the key, once; it may read all rows.
        staff: of the login that sees by units.
        staff_all: of the login that sees the whole organisation.
    """

    def __init__(self, worker: Pool, staff: Pool, staff_all: Pool) -> None:
        self._worker = worker
        self._staff = staff
        self._staff_all = staff_all
        self._key: bytes | None = None

    @asynccontextmanager
    async def as_actor(self, actor: Actor, permission: Permission = Permission.SEE) -> AsyncIterator[Connection]:
        """Open a transaction that sees what an actor may.

        Args:
            actor: who looks.
            permission: the permission they do it by; addresses take `SEE_CONTACTS` besides.
        """
        async with self.within(actor.read_scope(permission)) as db:
            yield db

    @asynccontextmanager
    async def within(self, scope: ReadScope) -> AsyncIterator[Connection]:
        """Open a transaction with a given scope, for results that several actors share.

        It only reads: otherwise SQL that was smuggled into a page could change the login itself (`alter role`).

        Args:
            scope: the scope that the actors share.
        """
        key = await self._signing_key()
        pool = self._staff_all if scope.people.is_everywhere else self._staff
        async with pool.acquire() as db:
            try:
                async with db.transaction(readonly=True):
                    await db.execute(STAFF_SETTINGS)
                    row = await db.fetchrow(
                        SQL["find_transaction"], *map(list, (scope.people.unit_ids, scope.contacts.unit_ids))
                    )
                    assert row is not None
                    people = _EVERYWHERE if scope.people.is_everywhere else row["people"]
                    contacts = _EVERYWHERE if scope.contacts.is_everywhere else row["contacts"]
                    signature = sign_scope(key, people, contacts, row["transaction_key"])
                    await db.execute(SQL["set_scope"], f"{people}|{contacts}|{signature}")
                    yield db
            except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
                db.terminate()  # injected SQL removed a prepared statement, which each later reader would miss
                raise

    async def _signing_key(self) -> bytes:
        if self._key is None:
            self._key = await self._worker.fetchval(SQL["read_key"])
        return self._key


def sign_scope(key: bytes, people: str, contacts: str, transaction_key: str) -> str:
    """Sign a scope, as the database checks it (`signed_scope`).

    Args:
        key: the database's key.
        people: `everywhere`, or the ids of units, with commas.
        contacts: the same for units in which addresses are visible.
        transaction_key: the transaction it is for, as `transaction_key()` has it.

    Returns:
        The signature in hexadecimal.
    """
    return hmac.new(key, f"{people}|{contacts}|{transaction_key}".encode(), hashlib.sha256).hexdigest()
