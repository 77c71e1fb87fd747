"""Connections to PostgreSQL: pools, and single ones for long locks and imports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson

from core.db.away import POSTGRES_AWAY
from core.db.connection_errors import SETTING, explained, went_away
from core.errors import SettingsError

if TYPE_CHECKING:
    # asyncpg's types are generic only in its stubs
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

OLDEST_SERVER: Final = 15
STATEMENT_TIMEOUT: Final = 900
"""Seconds for a statement that reads a million members or the whole archive, or waits for such a statement."""

STAFF_SETTINGS: Final = "set local search_path = public; set local row_security = on; set local statement_timeout = 0"
"""First statements of each transaction of staff. Any login may `alter role` itself, and a pooler hands one session to
many readers: no setting that SQL smuggled into a page has left behind breaks the pages after it."""

_TRY_LOCK: Final = "select pg_try_advisory_xact_lock(hashtextextended($1, 0))"
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended($1, 0)) is not null"


class _Named(asyncpg.Connection):
    """Connection whose errors are marked as PostgreSQL's: asyncpg passes on the operating system's unchanged."""

    __slots__ = ()

    async def execute(self, *args: Any, **options: Any) -> str:
        """See asyncpg."""
        try:
            return await super().execute(*args, **options)
        except OSError as error:
            raise went_away(error) from error

    async def _execute(self, *args: Any, **options: Any) -> Any:
        try:
            return await super()._execute(*args, **options)  # type: ignore[misc]
        except OSError as error:
            raise went_away(error) from error

    async def _executemany(self, *args: Any, **options: Any) -> Any:
        try:
            return await super()._executemany(*args, **options)  # type: ignore[misc]
        except OSError as error:
            raise went_away(error) from error


class _Pooled(_Named):
    """Connection that is returned to the pool without a reset.

    Nothing here changes a session's settings, holds session locks, opens cursors by hand or listens on a pooled
    connection (`exclusive` has one of its own), so asyncpg's reset would be wasted work after every few statements.
    """

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Return no query: there is nothing to undo."""
        return ""


class _OfStaff(_Named):
    """Connection of staff's, reset so that nothing of one reader is left for the next, who may see other people.

    Its transactions may run SQL that somebody injected. Such SQL could change the session's settings, hold locks,
    listen, or replace a statement that asyncpg has prepared; in the last case the connection is closed.
    """

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Return SQL that resets everything but prepared statements, and fails where injected SQL has prepared one."""
        return (
            "reset all; select pg_advisory_unlock_all(); close all; unlisten *;"
            " do $$ begin"
            " if exists (select from pg_prepared_statements where from_sql) then"
            " raise exception 'SQL has prepared a statement'; end if; end $$"
        )


async def _prepare(connection: asyncpg.Connection) -> None:
    """Refuse an old server and a database without Unicode, and convert jsonb columns from and to Python values."""
    have = connection.get_server_version().major
    if have < OLDEST_SERVER:
        raise SettingsError(
            f"The PostgreSQL of MUSTER_DATABASE_URL is version {have}; Muster needs {OLDEST_SERVER} or newer.",
            remedy="Upgrade the server, or unset MUSTER_DATABASE_URL to use the embedded one.",
        )
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise SettingsError(
            f"The database of MUSTER_DATABASE_URL keeps text as {encoding}; Muster needs UTF8.",
            remedy="Make one: create database muster encoding 'UTF8' template template0. pg_dump and pg_restore take "
            "over what is in the present one.",
        )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda raw: orjson.loads(raw[1:]),
        format="binary",
    )


async def _prepare_for_staff(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute(STAFF_SETTINGS)
        await _prepare(connection)


async def open_pool(
    url: str,
    *,
    size: int = 10,
    when_away: Callable[[Exception], None] | None = None,
    lazily: bool = False,
    for_staff: bool = False,
    setting: str = SETTING,
) -> Pool:
    """Open a pool of connections that convert JSON.

    Args:
        url: `postgresql://…`; a Unix socket's folder goes in `?host=`.
        size: most connections at once.
        when_away: called each time that the server takes no new connection, except the first time.
        lazily: connect only when somebody asks for a connection.
        for_staff: reset each connection before the next reader gets it.
        setting: where the address comes from.

    Raises:
        DatabaseAway, SettingsError: see `explained`.
    """
    opened = False

    async def connect_or_tell(*args: Any, **options: Any) -> Any:
        try:
            return await asyncpg.connect(*args, **options)
        except (OSError, *POSTGRES_AWAY) as error:
            if not opened:
                raise
            if when_away is not None:
                when_away(error)
            raise went_away(error) from error

    async with explained(url, setting):
        pool = await asyncpg.create_pool(
            url,
            init_size=0 if lazily else 1,
            min_size=0,  # a floor would be restored with a traceback for each try while the server is away
            max_size=size,
            init=_prepare_for_staff if for_staff else _prepare,
            connect=connect_or_tell,
            connection_class=_OfStaff if for_staff else _Pooled,
            timeout=10,
            command_timeout=60,
        )
        assert pool is not None
        opened = True
        return pool


async def probe(url: str) -> None:
    """Raise an error while the server takes no connections, or no writes; a probe for `Outages`."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        if await connection.fetchval("show transaction_read_only") == "on":
            raise asyncpg.ReadOnlySQLTransactionError("it takes no writes: it is a standby, or set to be read only")
    finally:
        connection.terminate()


async def connect(url: str, *, setting: str = SETTING) -> asyncpg.Connection:
    """Open a dedicated connection outside any pool: for long locks and imports, which may read whole tables."""
    async with explained(url, setting):
        connection = await asyncpg.connect(url, timeout=10, connection_class=_Named)
        try:
            await _prepare(connection)
        except BaseException:
            await connection.close()
            raise
        return connection


@asynccontextmanager
async def exclusive(url: str, what: str, *, wait: bool = False) -> AsyncIterator[asyncpg.Connection | None]:
    """Hold a lock that is exclusive on all hosts, until the end or until this process or its connection is gone.

    An open transaction on a second connection holds it, so that it works behind a pooler in transaction mode. Between
    two statements a transaction has no snapshot, so it hinders no vacuum. When that connection breaks, the one for use
    inside is cut off, too.

    Args:
        url: the database.
        what: the lock's name, such as `launch:17`.
        wait: wait while another process holds it.

    Yields:
        A dedicated connection, for use inside; None if another process holds the lock and this one does not wait.
    """
    async with _closed_in_order(await connect(url)) as holder:
        await holder.transaction().start()
        if not await holder.fetchval(_LOCK if wait else _TRY_LOCK, what):
            yield None
            return
        # closes the query before it, which would keep its snapshot as long as the lock
        await holder.execute("select 1")
        async with _closed_in_order(await connect(url)) as connection:
            holder.add_termination_listener(lambda _: connection.terminate())
            yield connection


@asynccontextmanager
async def _closed_in_order(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Close a connection at the end; at an error at once, also when cancelled, so that nothing of it goes on."""
    try:
        yield connection
    except BaseException:
        connection.terminate()
        raise
    await connection.close(timeout=5)


@asynccontextmanager
async def atomic(db: Connection) -> AsyncIterator[None]:
    """Run all of it or nothing: in the caller's transaction, or in a new one if there is none."""
    if db.is_in_transaction():
        yield
    else:
        async with db.transaction():
            yield
