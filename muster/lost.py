"""A server that went away in the middle of something, in words."""

from __future__ import annotations

import asyncpg
import redis.exceptions

from messaging.errors import MusterError, Unavailable

_POSTGRES = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,  # it shuts down, or somebody ended our session
    asyncpg.InterfaceError,  # what asyncpg says of a connection that broke under it …
    asyncpg.InternalClientError,  # … and of one that broke in the middle of an answer
)
_REDIS = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


def server_lost(error: BaseException) -> MusterError | None:
    """What to say when a server of ours went away; None where the error is something else."""
    if isinstance(error, BaseExceptionGroup):
        return next((lost for one in error.exceptions if (lost := server_lost(one)) is not None), None)
    if isinstance(error, MusterError):
        return error
    if isinstance(error, _POSTGRES):
        return Unavailable(f"PostgreSQL went away ({error}).", remedy="What was committed is kept; try again.")
    if isinstance(error, _REDIS):
        return Unavailable(f"Redis went away ({error}).", remedy="Nothing is lost with it; try again.")
    return None
