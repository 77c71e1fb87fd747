"""Errors of a database that goes away are recognised by their type, whatever the operating system reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest

from core.db import AWAY, Connection, connect, open_pool
from core.errors import DatabaseAway
from muster.server_errors import server_error, server_of

Statement = Callable[[Connection], Awaitable[object]]

STATEMENTS: dict[str, Statement] = {
    "execute": lambda db: db.execute("select 1"),
    "execute with arguments": lambda db: db.execute("select $1::int", 1),
    "fetch": lambda db: db.fetch("select 1"),
    "fetchval": lambda db: db.fetchval("select $1::int", 1),
    "fetchrow": lambda db: db.fetchrow("select 1"),
    "executemany": lambda db: db.executemany("select $1::int", [(1,), (2,)]),
    "begin": lambda db: db.transaction().start(),
}


class Between:
    """A wire to the server that can be cut, or let nothing through."""

    def __init__(self) -> None:
        self.open: set[asyncio.StreamWriter] = set()
        self.passes = asyncio.Event()
        self.passes.set()

    def cut(self) -> None:
        for writer in self.open:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.passes.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def between(url: str) -> AsyncIterator[tuple[Between, str]]:
    """A wire, and the address at its near end."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host", [""])[0]
    wire = Between()
    tasks: set[asyncio.Task[None]] = set()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if folder:
            far = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{parts.port or 5432}")
        else:
            far = await asyncio.open_connection(parts.hostname, parts.port or 5432)
        wire.open |= {writer, far[1]}
        tasks.update(asyncio.create_task(wire.carry(*way)) for way in ((reader, far[1]), (far[0], writer)))

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = f"{parts.username}{f':{parts.password}' if parts.password else ''}@" if parts.username else ""
    try:
        yield wire, urlunsplit((parts.scheme, f"{user}127.0.0.1:{port}", parts.path, "sslmode=disable", ""))
    finally:
        server.close()
        wire.cut()
        wire.passes.set()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
async def test_a_broken_connection_is_reported_as_the_databases(database_url: str, statement: Statement) -> None:
    async with between(database_url) as (wire, url):
        db = await connect(url)
        wire.passes.clear()
        asked = asyncio.ensure_future(statement(db))
        await asyncio.sleep(0)
        wire.cut()
        with pytest.raises(AWAY) as lost:
            await asked
        assert server_of(lost.value) == "PostgreSQL"
        assert "PostgreSQL went away" in str(server_error(lost.value))
        db.terminate()


async def test_an_unanswered_statement_is_reported_as_the_databases(database_url: str) -> None:
    async with between(database_url) as (wire, url):
        db = await connect(url)
        wire.passes.clear()
        with pytest.raises(DatabaseAway, match="no answer in time"):
            await db.fetchval("select 1", timeout=0.1)
        db.terminate()


async def test_a_pool_without_connections_is_reported_as_the_databases(database_url: str) -> None:
    met: list[Exception] = []
    async with between(database_url) as (wire, url):
        pool = await open_pool(url, size=1, when_away=met.append)
        wire.cut()
    for _ in range(2):  # the first meets the connection that has broken
        with pytest.raises(AWAY) as lost:
            await pool.fetchval("select 1")
        assert server_of(lost.value) == "PostgreSQL"
    assert isinstance(lost.value, DatabaseAway)
    assert met, "whoever opened it is told"
    pool.terminate()
