"""Errors that mean PostgreSQL is away: one list for all code that waits for it."""

from __future__ import annotations

from typing import Final

import asyncpg

from core.errors import Unavailable

POSTGRES_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,  # it shuts down, is not up yet, or somebody ended our session
    asyncpg.ReadOnlySQLTransactionError,  # it is a standby: another server takes the writes, or this one not yet
    asyncpg.InterfaceError,  # what asyncpg says of a connection that broke under it …
    asyncpg.InternalClientError,  # … and of one that broke in the middle of an answer
)
"""Errors by which asyncpg says so. A wrong argument is an `InterfaceError` as well, but also a `ValueError`."""

AWAY: Final = (OSError, Unavailable, *POSTGRES_AWAY)
"""Errors by which code that asks nothing but the database knows that it is away; our own timeout is an `OSError`."""

UNABLE: Final = (
    OSError,
    *POSTGRES_AWAY,
    asyncpg.InsufficientResourcesError,  # too many connections, a full disk
    asyncpg.TransactionRollbackError,  # it lost against another transaction, and may win the next time
)
"""Errors of a database that is away, or that may pass, for callers whose client is asked to try again later."""

TEMPORARY: Final = (Unavailable, *UNABLE)
"""Errors that may pass, for code that tries again by itself."""


def is_away(error: BaseException) -> bool:
    """Tell whether asyncpg says by an error that PostgreSQL is away, and not that an argument is wrong."""
    return isinstance(error, POSTGRES_AWAY) and not isinstance(error, ValueError)
