"""Real servers for every test: one PostgreSQL and one Valkey a session, one cloned database a test.

Files of the tests are kept in memory where the machine has room: the clones alone write some 100 GB.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import hypothesis
import pytest
import uvloop

from core.db import Connection, Pool, connect, open_pool
from core.db.logins import Login, address_as, database_in
from core.db.migrate import migrate
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from muster.embedded.postgres import Postgres, start_postgres
from muster.embedded.valkey import Valkey, start_valkey

_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30
"""Bytes that the files of a session may take, at most."""
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

# a busy machine is no failure of a law
hypothesis.settings.register_profile("muster", deadline=None)
hypothesis.settings.load_profile("muster")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """asyncio's own loop; where a test says so, also the one that production runs."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("both_loops"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


TEMPLATE = "muster_template"
_numbers = count(1)


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A MUSTER_HOME for the session."""
    folder = Path(tempfile.mkdtemp(prefix="muster-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(home: Path) -> Iterator[Postgres]:
    """A server with a migrated template database; it need not survive a power cut."""
    server = start_postgres(home, fsync="off", synchronous_commit="off", full_page_writes="off")
    try:
        asyncio.run(_make_template(server))
        yield server
    finally:
        server.stop()


async def _make_template(server: Postgres) -> None:
    server.roles.provide(TEMPLATE)
    await migrate(server.url(TEMPLATE, role=Login.OWNER))


@pytest.fixture(scope="session")
def valkey(home: Path) -> Iterator[Valkey]:
    """A server for wake-ups and pacing."""
    server = start_valkey(home)
    yield server
    server.stop()


@pytest.fixture
async def database_url(postgres: Postgres) -> AsyncIterator[str]:
    """A fresh database with every migration, cloned from the template, for the login that works with it."""
    name = f"test_{next(_numbers)}"
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute(f"create database {name} template {TEMPLATE} strategy file_copy owner {Login.OWNER}")
    yield postgres.url(name, role=Login.WORKER)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on the test's own database."""
    pool = await open_pool(database_url, size=5)
    yield pool
    await pool.close()


@pytest.fixture
async def db(pool: Pool) -> AsyncIterator[Connection]:
    """One connection to the test's own database."""
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """A connection to it by the login that owns the tables."""
    connection = await connect(address_as(database_url, Login.OWNER))
    yield connection
    await connection.close()


@pytest.fixture
async def superuser(database_url: str, postgres: Postgres) -> AsyncIterator[Connection]:
    """A connection to it by the server's superuser."""
    connection = await connect(postgres.url(database_in(database_url)))
    yield connection
    await connection.close()


@pytest.fixture
def settings(database_url: str, valkey: Valkey, home: Path) -> Settings:
    """Settings that point at the test's own servers; `settings.model_copy(update=…)` for others."""
    return Settings(
        _env_file=None,
        home=home,
        database_url=database_url,
        redis_url=valkey.url,
        secret_key="a secret for tests only and long enough",
        public_url="http://muster.test",
        email_from="Muster Union <ballot@union.test>",
        organisation="The Union",
        contact="0800 000 000",
    )


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """A runtime on the test's own servers."""
    async with open_runtime(settings, pool_size=5) as runtime:
        await runtime.redis.flushdb()
        yield runtime
