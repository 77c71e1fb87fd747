"""Pooler between Muster and PostgreSQL, such as PgBouncer: found at the start, and refused where it cannot work."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from core.db.connection_errors import SETTING, explained
from core.errors import SettingsError

_BACKEND: Final = "select pg_backend_pid()"
_MAX_LOOKS: Final = 3
"""How often to look: a busy pooler may hand out another session than the one that was free just now."""
_TURN_TIMEOUT: Final = 10.0
"""Seconds to wait for a second session."""


async def shares_sessions(url: str, *, setting: str = SETTING) -> bool:
    """Tell whether a pooler hands one session to several clients (transaction mode), and refuse it if it cannot.

    Two open connections to PostgreSQL itself, or to a pooler in session mode, never have the same session.

    Args:
        url: `postgresql://…`.
        setting: where the address comes from.

    Raises:
        SettingsError: it forgets prepared statements, or has only one session for us.
        Unavailable: nothing answers at that address.
    """
    async with explained(url, setting):
        first = await asyncpg.connect(url, timeout=10)
        try:
            second = await asyncpg.connect(url, timeout=10)
            try:
                return await _share(first, second)
            finally:
                second.terminate()
        finally:
            first.terminate()


async def _share(first: asyncpg.Connection, second: asyncpg.Connection) -> bool:
    try:
        async with asyncio.timeout(_TURN_TIMEOUT):
            for _ in range(_MAX_LOOKS):
                session = await first.fetchval(_BACKEND)
                async with second.transaction():
                    if await second.fetchval(_BACKEND) == session:
                        # taken, with what was prepared on it: the first client's statement has to work on another one
                        await first.fetchval(_BACKEND)
                        return True
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError) as error:
        raise SettingsError(
            "Between Muster and PostgreSQL is a pooler in transaction mode that forgets prepared statements.",
            remedy="Use PgBouncer 1.21 or newer with max_prepared_statements = 200, or pool_mode = session for the "
            "database of Muster (docs/logins.md).",
        ) from error
    except TimeoutError as error:
        raise SettingsError(
            "Between Muster and PostgreSQL is a pooler that has only one connection for us.",
            remedy="Raise its default_pool_size: each process of Muster needs up to 20 (docs/logins.md).",
        ) from error
    return False
