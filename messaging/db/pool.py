"""Connections to PostgreSQL, and what their errors mean to a person."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import orjson

from messaging.errors import SettingsError, Unavailable

if TYPE_CHECKING:
    # asyncpg's types are generic only in its stubs
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

OLDEST_SERVER = 15


async def _teach_json(connection: asyncpg.Connection) -> None:
    """Let jsonb columns be Python values on both sides."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda raw: orjson.loads(raw[1:]),
        format="binary",
    )


@asynccontextmanager
async def explained(url: str) -> AsyncIterator[None]:
    """Turn what can go wrong on connecting into one clear line.

    Raises:
        Unavailable: nothing answers at that address.
        SettingsError: it answers, but not to us: wrong password, database or permission.
    """
    where = _place(url)
    try:
        yield
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise SettingsError(
            f"PostgreSQL at {where} refused the user name or password.", remedy="Check MUSTER_DATABASE_URL."
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise SettingsError(
            f"PostgreSQL at {where} has no such database.", remedy="Create it, or check MUSTER_DATABASE_URL."
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise SettingsError(
            f"PostgreSQL at {where} does not permit this user to do that: {error}.",
            remedy="Grant it the right to create objects in the database.",
        ) from error
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        raise SettingsError(
            f"MUSTER_DATABASE_URL is not a PostgreSQL address: {error}.",
            remedy="It looks like postgresql://user:password@host:5432/muster.",
        ) from error
    except (
        OSError,
        socket.gaierror,
        asyncpg.CannotConnectNowError,
        asyncpg.TooManyConnectionsError,
        TimeoutError,
    ) as error:
        raise Unavailable(
            f"PostgreSQL at {where} does not answer ({error or type(error).__name__}).",
            remedy="Is it running, and is MUSTER_DATABASE_URL right?",
        ) from error


def _place(url: str) -> str:
    """The address in a database URL without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname or parts.query or 'localhost'}{f':{parts.port}' if parts.port else ''}{parts.path}"


async def open_pool(url: str, *, size: int = 10) -> Pool:
    """Open a pool of connections that speak JSON.

    Args:
        url: `postgresql://…`; a Unix socket's folder goes in `?host=`.
        size: most connections at once.

    Raises:
        Unavailable, SettingsError: see `explained`.
    """
    async with explained(url):
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=size, init=_teach_json, timeout=10, command_timeout=60
        )
        assert pool is not None
        version = (await pool.fetchval("show server_version_num")) or "0"
        if int(version) < OLDEST_SERVER * 10_000:
            await pool.close()
            raise SettingsError(
                f"PostgreSQL at {_place(url)} is version {int(version) // 10_000}; Muster needs {OLDEST_SERVER} or up.",
                remedy="Upgrade the server, or unset MUSTER_DATABASE_URL to use the embedded one.",
            )
        return pool


async def connect(url: str) -> asyncpg.Connection:
    """Open one connection of its own, outside any pool (for LISTEN, long locks, imports)."""
    async with explained(url):
        connection = await asyncio.wait_for(asyncpg.connect(url), timeout=10)
        await _teach_json(connection)
        return connection
