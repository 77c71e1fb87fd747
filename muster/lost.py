"""A server that went away in the middle of something: which one, and what to say."""

from __future__ import annotations

import errno

import aiohttp
import redis.exceptions

from messaging.db.away import POSTGRES_AWAY
from messaging.errors import MusterError, Unavailable
from messaging.outages import POSTGRES, REDIS, in_words

_REDIS = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
_OURS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ENFILE})
"""What the operating system says of this machine, and not of one that does not answer."""


def server_lost(error: BaseException) -> MusterError | None:
    """What to say when a server of ours went away; None where the error is something else."""
    if isinstance(error, BaseExceptionGroup):
        return next((lost for one in error.exceptions if (lost := server_lost(one)) is not None), None)
    if isinstance(error, MusterError):
        return error
    # a wrong argument is an InterfaceError too
    if isinstance(error, POSTGRES_AWAY) and not isinstance(error, ValueError):
        return Unavailable(
            f"PostgreSQL went away ({in_words(error)}).", remedy="What was committed is kept; try again."
        )
    if isinstance(error, _REDIS):
        return Unavailable(f"Redis went away ({in_words(error)}).", remedy="Nothing is lost with it; try again.")
    return None


def server_of(error: BaseException) -> str | None:
    """Which of our servers an error says is away; None where it says so of none.

    asyncpg passes the operating system's errors and timeouts on bare; Redis' client and aiohttp have their own.
    """
    if isinstance(error, BaseExceptionGroup):
        return next((name for one in error.exceptions if (name := server_of(one)) is not None), None)
    if isinstance(error, _REDIS):
        return REDIS
    if isinstance(error, POSTGRES_AWAY) and not isinstance(error, ValueError):
        return POSTGRES
    if isinstance(error, Unavailable):
        return POSTGRES if error.message.startswith(POSTGRES) else None
    if isinstance(error, aiohttp.ClientError) or not isinstance(error, OSError):
        return None
    return None if error.filename is not None or error.errno in _OURS else POSTGRES
