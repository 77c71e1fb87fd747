"""`muster migrate` against real servers: right the first time, harmless the second, clear when it cannot work."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import asyncpg
import pytest

from core.db import connect
from core.db import migrate as migrations
from core.db.logins import Login, address_as
from core.db.migrate import FOLDERS, migrate, migration_files, pending
from core.errors import Conflict, SettingsError
from core.settings import ROOT
from muster.embedded.postgres import Postgres, find_binaries, start_postgres
from muster.embedded.valkey import Valkey

MUSTER = [sys.executable, "-c", "from muster.cli import main; main()"]


def free_port() -> int:
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1])


@pytest.fixture(scope="module")
def guarded() -> Iterator[Postgres]:
    """A server that asks for passwords over TCP, as people's own servers do."""
    home = Path(tempfile.mkdtemp(prefix="muster-test-"))
    home.chmod(0o755)
    asking = ["host all all 127.0.0.1/32 scram-sha-256"]
    server = start_postgres(home, let_in=asking, fsync="off", listen_addresses="127.0.0.1", port=str(free_port()))
    try:
        asyncio.run(_users(server))
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


async def _users(server: Postgres) -> None:
    admin = await asyncpg.connect(server.url())
    for login in (Login.WORKER, Login.STAFF, Login.STAFF_ALL):
        await admin.execute(f"alter role {login} password 'worker word'")
    await admin.execute("alter role muster_owner password 'pass word'")
    await admin.execute("create database owned owner muster_owner")
    await admin.close()


def tcp(server: Postgres, user: str, password: str, database: str, query: str = "") -> str:
    return f"postgresql://{user}:{password}@127.0.0.1:{server.port}/{database}{query}"


async def execute(url: str, sql: str) -> None:
    db = await asyncpg.connect(url)
    await db.execute(sql)
    await db.close()


def dump(url: str) -> str:
    """Everything in a database: definitions, rows and rights."""
    done = subprocess.run([find_binaries() / "pg_dump", url], capture_output=True, text=True, check=True)
    # lines that have another key each time
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)


def run_migrate(url: str, home: Path, owner: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return subprocess.run(
        [*MUSTER, "migrate"],
        env={
            **environment,
            "MUSTER_DATABASE_URL": url,
            "MUSTER_OWNER_DATABASE_URL": owner,
            "MUSTER_HOME": str(home),
        },
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def empty(postgres: Postgres) -> str:
    """A database without a single table, for who owns it."""
    name = f"empty_{uuid4().hex}"
    await asyncio.to_thread(postgres.roles.provide, name)
    return postgres.url(name, role=Login.OWNER)


async def test_migrations_are_applied_once(empty: str) -> None:
    names = [path.name for path in migration_files()]
    assert await pending(empty) == names
    assert await migrate(empty) == names
    assert await pending(empty) == []
    assert await migrate(empty) == []


async def test_five_processes_at_once_apply_each_migration_once(empty: str, tmp_path: Path) -> None:
    done = await asyncio.gather(
        *(asyncio.to_thread(run_migrate, address_as(empty, Login.WORKER), tmp_path) for _ in range(5))
    )
    assert [(process.returncode, process.stderr) for process in done] == [(0, "")] * 5
    applied = [
        line.split()[1] for process in done for line in process.stdout.splitlines() if line.startswith("applied")
    ]
    assert sorted(applied) == [path.name for path in migration_files()]
    assert await pending(empty) == []


async def test_a_migration_that_waits_for_a_table_lets_others_through(empty: str, tmp_path: Path) -> None:
    """Whatever asks for the table after a migration waits behind it, and so would members' pages."""
    await migrate(empty)
    later = tmp_path / "20991231000000_nicknames.sql"
    later.write_text("-- migrate:up\nalter table person add column nickname text;\n-- migrate:down\n", encoding="utf-8")
    reader, other = await asyncpg.connect(empty), await asyncpg.connect(empty)
    waits = "select count(*) from pg_locks where relation = 'person'::regclass and mode = 'AccessExclusiveLock'"
    async with asyncio.timeout(60):
        with patch.object(migrations, "FOLDERS", (*FOLDERS, tmp_path)):
            async with reader.transaction():
                await reader.fetch("select from person")
                migrating = asyncio.create_task(migrate(empty))
                while not await other.fetchval(f"{waits} and not granted"):  # noqa: ASYNC110  # another process waits
                    await asyncio.sleep(0.01)
                assert await other.fetchval("select count(*) from person") == 0
                assert not migrating.done()
            assert await migrating == [later.name]
            assert await pending(empty) == []
    await reader.close()
    await other.close()


def test_migrations_of_every_package_are_found_and_have_numbers_of_their_own() -> None:
    assert sorted(FOLDERS) == sorted(ROOT.glob("*/migrations"))
    numbers = [path.name.partition("_")[0] for path in migration_files()]
    assert numbers == sorted(set(numbers))
    assert {len(number) for number in numbers} == {14}, "dbmate sorts them as text"


async def test_a_database_that_a_later_version_has_migrated_can_be_used(empty: str) -> None:
    await migrate(empty)
    await execute(empty, "insert into schema_migrations values ('20991231000000')")
    assert await pending(empty) == []
    assert await migrate(empty) == []


def run_command(command: str, url: str, valkey: Valkey, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command on a database, with settings that are fit for production."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    ours = {
        "MUSTER_DATABASE_URL": url,
        "MUSTER_REDIS_URL": valkey.url,
        "MUSTER_SECRET_KEY": "a quiet river of nine green otters at dawn",
        "MUSTER_PUBLIC_URL": "https://vote.example.org",
        "MUSTER_LISTEN": "127.0.0.1:0",
        "MUSTER_MAILROOM_LMTP": "127.0.0.1:0",
    }
    return subprocess.run(
        [*MUSTER, *command.split()],
        env=environment | ours,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["serve", "worker", "mailroom"])
def test_no_process_starts_on_an_old_schema(command: str, empty: str, valkey: Valkey, tmp_path: Path) -> None:
    done = run_command(command, address_as(empty, Login.WORKER), valkey, tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: The database lacks \d+ migrations\.\s+Run: muster migrate\s*", done.stderr), (
        done.stderr
    )


MADE_BEFORE_RELEASE = """
create table schema_migrations (version varchar primary key);
insert into schema_migrations values ('20261129100000'), ('20261129100700'), ('20261130050100');
create table person (person_id bigint primary key, external_id text, first_name text);
insert into person values (1, '100001', 'Ada');
"""
"""A database with some of what the migrations before 0.1.0 made; none of their files is left."""


@pytest.mark.parametrize("command", ["migrate", "run", "worker"])
async def test_a_database_from_before_the_first_release_is_refused_untouched(
    command: str, empty: str, valkey: Valkey, tmp_path: Path
) -> None:
    await execute(empty, MADE_BEFORE_RELEASE + "grant select on schema_migrations to muster_worker")
    before = dump(empty)
    done = await asyncio.to_thread(run_command, command, address_as(empty, Login.WORKER), valkey, tmp_path)
    assert_refused(done, "A version before 0.1.0 made this database")
    assert "Nothing in it was changed" in done.stderr
    assert "muster people export" in done.stderr
    assert "docs/upgrading.md" in done.stderr
    assert dump(empty) == before


@pytest.mark.parametrize("version", ["20261122000001", "20261130050100"], ids=["the first", "the last"])
async def test_one_old_migration_is_enough_to_refuse(empty: str, version: str) -> None:
    await migrate(empty)
    await execute(empty, f"insert into schema_migrations values ('{version}')")
    for look in (pending, migrate):
        with pytest.raises(Conflict, match=r"before 0\.1\.0"):
            await look(empty)


@pytest.mark.parametrize("query", ["", "?sslmode=prefer", "?sslmode=disable"])
async def test_migrations_run_over_tcp_with_a_password_and_each_sslmode(guarded: Postgres, query: str) -> None:
    url = tcp(guarded, Login.OWNER, "pass%20word", "owned", query)
    await migrate(url)
    assert await pending(url) == []


@pytest.mark.parametrize(
    ("database", "query", "message"),
    [("nowhere", "", "has no such database"), ("owned", "?sslmode=require", "does not answer")],
)
def test_a_failure_is_explained_in_one_line(
    guarded: Postgres, tmp_path: Path, database: str, query: str, message: str
) -> None:
    worker = tcp(guarded, Login.WORKER, "worker%20word", database, query)
    done = run_migrate(worker, tmp_path, tcp(guarded, Login.OWNER, "pass%20word", database, query))
    assert_refused(done, message)
    assert "MUSTER_OWNER_DATABASE_URL" in done.stderr
    assert "word" not in done.stderr


@pytest.mark.parametrize("command", ["worker", "people count"])
@pytest.mark.parametrize(
    ("user", "password"), [(Login.WORKER, "mistaken"), ("stranger", "worker%20word"), (Login.STAFF, "worker%20word")]
)
def test_who_may_not_come_in_is_named(
    guarded: Postgres, valkey: Valkey, tmp_path: Path, user: str, password: str, command: str
) -> None:
    done = run_command(command, tcp(guarded, user, password, "owned"), valkey, tmp_path)
    expected = f"this is {user}." if user == Login.STAFF else f"refused the user name or password of {user}"
    assert_refused(done, expected)
    assert password not in done.stderr


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://muster_worker@localhost/muster", "is not a PostgreSQL address"),
        ("postgresql://muster_worker:secret/word@localhost:x/muster", "is not a PostgreSQL address"),
        ("postgresql://muster_worker@name.invalid/muster", "does not answer"),
        ("postgresql://muster_worker@/muster?host=/nowhere/at/all", "does not answer"),
    ],
)
def test_a_wrong_address_is_explained(tmp_path: Path, url: str, message: str) -> None:
    done = run_migrate(url, tmp_path)
    assert_refused(done, message)
    assert "secret" not in done.stderr


def test_a_port_where_nothing_listens_is_explained(tmp_path: Path) -> None:
    done = run_migrate(f"postgresql://muster_worker@127.0.0.1:{free_port()}/muster", tmp_path)
    assert_refused(done, "does not answer")


def test_a_port_of_another_program_is_explained(tmp_path: Path) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        done = run_migrate(f"postgresql://muster_worker@127.0.0.1:{port}/muster?sslmode=disable", tmp_path)
    assert_refused(done, "does not answer")


async def test_a_server_that_is_too_old_is_refused() -> None:
    # The opening words of PostgreSQL 14: authentication is ok, its version, ready for a query.
    version = b"server_version\x0014.9\x00"
    words = (
        b"R" + (8).to_bytes(4, "big") + (0).to_bytes(4, "big")
        + b"S" + (len(version) + 4).to_bytes(4, "big") + version
        + b"Z" + (5).to_bytes(4, "big") + b"I"
    )  # fmt: skip
    with answering(words) as port:
        url = f"postgresql://muster_worker@127.0.0.1:{port}/muster?sslmode=disable"
        with pytest.raises(SettingsError, match="version 14; Muster needs 15 or newer"):
            await migrate(url)
    with answering(words) as port, pytest.raises(SettingsError, match="version 14"):
        await connect(f"postgresql://muster_worker@127.0.0.1:{port}/muster?sslmode=disable")


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 1, done
    assert done.stdout == ""
    first, *more = done.stderr.splitlines()
    assert first.startswith("Error: ")
    assert message in first
    assert len(more) <= 1, done.stderr


class answering:  # noqa: N801  # reads as a with statement
    """A listener that says the same words to everybody."""

    def __init__(self, words: bytes) -> None:
        self._words = words
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line:
                line.recv(4096)
                line.sendall(self._words)
                line.settimeout(5)
                try:
                    line.recv(4096)
                except OSError:
                    continue

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
