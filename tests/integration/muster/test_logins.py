"""The five logins on PostgreSQL servers of an operator's, the oldest that Muster takes and the newest."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.db import connect
from core.db.logins import Login, check_login, shortcomings
from core.db.migrate import migration_files
from core.errors import SettingsError
from muster.embedded.valkey import Valkey
from tests.support.bare_postgres import BarePostgres, bare_postgres, debian_programs, embedded_programs
from tests.support.command import run_command

MUSTER = [sys.executable, "-c", "from muster.cli import main; main()"]
WORKERS, OWNERS = "w0rker's pass/word", "0wner's-pass:word"
POWERLESS = (
    "select array_agg(rolname::text order by rolname) from pg_roles"
    " where rolname like 'muster%' and rolcanlogin"
    " and not (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or rolinherit)"
)
FIVE = sorted(Login)


@pytest.fixture(scope="module", params=[debian_programs, embedded_programs], ids=["debian", "embedded"])
def bare(request: pytest.FixtureRequest) -> Iterator[BarePostgres]:
    with bare_postgres(request.param()) as server:
        yield server


@pytest.fixture
async def server(bare: BarePostgres) -> BarePostgres:
    """A server with an empty database, and no roles of Muster's."""
    await bare.empty()
    return bare


def muster(
    command: str,
    server: BarePostgres,
    folder: Path,
    *,
    worker: str = "",
    owner: str | None = "",
    admin: str = "",
    redis: str = "",
    stdout: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator who has set the addresses."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "PG"))}
    ours = {
        "MUSTER_DATABASE_URL": worker or server.url(Login.WORKER, WORKERS),
        "MUSTER_OWNER_DATABASE_URL": "" if owner is None else owner or server.url(Login.OWNER, OWNERS),
        "MUSTER_ADMIN_DATABASE_URL": admin,
        "MUSTER_REDIS_URL": redis or "redis://127.0.0.1:1/0",
        "MUSTER_SECRET_KEY": "a quiet river of nine green otters at dawn",
        "MUSTER_PUBLIC_URL": "https://vote.example.org",
        "MUSTER_LISTEN": "127.0.0.1:0",
    }
    if stdout == subprocess.PIPE:
        return run_command(command.split(), environment | ours, cwd=folder)
    return subprocess.run(
        [*MUSTER, *command.split()],
        env=environment | ours, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120,
        check=False,
    )  # fmt: skip


async def ask(url: str, *statements: str) -> object:
    db = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await db.execute(statement)
        return await db.fetchval(statements[-1])
    finally:
        await db.close()


async def assert_all_is_well(server: BarePostgres) -> None:
    """Five logins that can do no more than they must, and a database that belongs to one of them."""
    assert await ask(server.admin_url(), POWERLESS) == FIVE
    passwords = {Login.OWNER: OWNERS, Login.WORKER: WORKERS, Login.STAFF: WORKERS, Login.STAFF_ALL: WORKERS}
    for login, password in passwords.items():
        db = await connect(server.url(login, password))
        await check_login(db, login)
        await db.close()
    owners = "select array_agg(distinct tableowner::text) from pg_tables where schemaname = 'public'"
    assert await ask(server.admin_url(), owners) == [Login.OWNER]
    assert await ask(server.url(Login.WORKER, WORKERS), "select count(*) from person") == 0
    for login in (Login.STAFF, Login.STAFF_ALL):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(server.url(login, WORKERS), "create table mine (n integer)", "select 1")
    refused = "alter table claim disable trigger all", "set role muster_owner", "create table mine (n integer)"
    for statement in refused:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(server.url(Login.WORKER, WORKERS), statement, "select 1")


async def test_a_superuser_makes_them_and_the_owner_migrates(
    server: BarePostgres, valkey: Valkey, tmp_path: Path
) -> None:
    done = muster("migrate", server, tmp_path, admin=server.admin_url())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("applied") == len(migration_files())
    await assert_all_is_well(server)
    again = muster("migrate", server, tmp_path)
    assert (again.returncode, again.stdout) == (0, "Nothing to do: the schema is the newest.\n"), again.stderr
    counted = muster("people count", server, tmp_path, redis=valkey.url)
    assert counted.returncode == 0, counted.stderr
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(server.url(Login.REPORTS, WORKERS), "select 1")


async def test_the_databases_owner_makes_them_with_the_right_to_create_roles(
    bare: BarePostgres, tmp_path: Path
) -> None:
    await bare.empty(owner="town")
    await ask(bare.admin_url(), "alter role town createrole", "select 1")
    done = muster("migrate", bare, tmp_path, admin=bare.url("town", "town"))
    assert (done.returncode, done.stderr) == (0, "")
    await assert_all_is_well(bare)
    again = muster("migrate", bare, tmp_path, admin=bare.url("town", "town"))
    assert (again.returncode, again.stderr) == (0, "")


async def test_without_an_administrator_the_sql_is_written_and_does_it(server: BarePostgres, tmp_path: Path) -> None:
    done = muster("migrate", server, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: PostgreSQL does not let muster_owner in")
    assert "an administrator" in done.stderr
    assert WORKERS not in done.stdout
    assert OWNERS not in done.stdout
    assert not await ask(server.admin_url(), POWERLESS)
    by_hand = server.psql(done.stdout)
    assert (by_hand.returncode, "ERROR" in by_hand.stderr) == (0, False), by_hand.stderr
    then = muster("migrate", server, tmp_path)
    assert (then.returncode, then.stderr) == (0, "")
    await assert_all_is_well(server)


@pytest.mark.parametrize("right", ["nocreaterole", "createrole"])
async def test_who_may_not_make_them_is_told_and_leaves_nothing_half_done(
    server: BarePostgres, tmp_path: Path, right: str
) -> None:
    """One may make no roles; the other may, but the database is somebody else's."""
    await ask(server.admin_url(), f"create role clerk login password 'clerk' {right}", "select 1")
    done = muster("migrate", server, tmp_path, admin=server.url("clerk", "clerk"))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: clerk may not make the logins, and nothing was changed.")
    assert "the owner of the database with CREATEROLE" in done.stderr
    assert not await ask(server.admin_url(), POWERLESS)
    assert await ask(server.admin_url(), "select count(*) from pg_tables where schemaname = 'public'") == 0
    assert server.psql(done.stdout).returncode == 0
    assert muster("migrate", server, tmp_path).returncode == 0


WRONGS = {
    "alter role muster_staff bypassrls": "muster_staff passes by row-level security (BYPASSRLS).",
    "alter role muster_reports superuser": "muster_reports is a superuser.",
    "alter role muster_worker createrole": "muster_worker may make other logins (CREATEROLE).",
    "alter role muster_staff set search_path = pg_temp": "muster_staff has been given the setting search_path.",
    "grant create on schema public to muster_reports": "muster_reports may make tables in this database.",
    "grant muster_owner to muster_staff_all": "muster_staff_all can become muster_owner.",
    "grant pg_read_all_data to muster_staff": "muster_staff can become pg_read_all_data.",
    "alter table person owner to postgres": "1 of the tables and views belong to postgres",
}


async def test_a_login_that_became_more_is_found_and_mended(server: BarePostgres, tmp_path: Path) -> None:
    assert muster("migrate", server, tmp_path, admin=server.admin_url()).returncode == 0
    await ask(server.admin_url(), *WRONGS, "select 1")
    found = muster("migrate", server, tmp_path)
    assert found.returncode == 1
    for sentence in WRONGS.values():
        assert sentence in found.stderr
    mended = muster("migrate", server, tmp_path, admin=server.admin_url())
    assert mended.returncode == 0
    assert all(f"mended: {sentence}" in mended.stdout for sentence in WRONGS.values()), mended.stdout
    await assert_all_is_well(server)
    admin = await connect(server.admin_url())
    assert await shortcomings(admin) == []
    await admin.close()


async def test_a_backup_is_restored_on_a_new_server(server: BarePostgres, tmp_path: Path) -> None:
    """In the order of docs/upgrading.md: the logins, the backup, what is missing."""
    assert muster("migrate", server, tmp_path, admin=server.admin_url()).returncode == 0
    await ask(server.url(Login.WORKER, WORKERS), "insert into person (external_id) values ('100001') returning 1")
    dump = tmp_path / "muster-before.dump"

    def run(program: str, *words: str) -> str:
        done = subprocess.run([server.binaries / program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("pg_dump", "--format=custom", "--file", str(dump), server.url(Login.OWNER, OWNERS))
    await server.empty()
    written = muster("migrate", server, tmp_path)
    assert written.returncode == 1
    assert "ERROR" not in server.psql(written.stdout).stderr
    run("pg_restore", "--exit-on-error", "--dbname", server.admin_url(), str(dump))
    then = muster("migrate", server, tmp_path)
    assert (then.returncode, then.stdout) == (0, "Nothing to do: the schema is the newest.\n"), then.stderr
    assert await ask(server.url(Login.WORKER, WORKERS), "delete from person returning external_id") == "100001"
    await assert_all_is_well(server)


async def test_what_belongs_to_somebody_else_becomes_the_owners(server: BarePostgres, tmp_path: Path) -> None:
    """As after a backup was restored without the names of owners."""
    assert muster("migrate", server, tmp_path, admin=server.admin_url()).returncode == 0
    await ask(server.admin_url(), "reassign owned by muster_owner to postgres", "select 1")
    assert "belong to postgres and not to muster_owner" in muster("migrate", server, tmp_path).stderr
    done = muster("migrate", server, tmp_path, admin=server.admin_url())
    assert (done.returncode, done.stderr) == (0, "")
    others = (
        "select count(*) from (select relowner as owner from pg_class where relnamespace = 'public'::regnamespace"
        " union all select proowner from pg_proc p where pronamespace = 'public'::regnamespace and not exists"
        " (select from pg_depend where objid = p.oid and deptype = 'e')"
        " union all select typowner from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e')"
        " as o where owner <> 'muster_owner'::regrole"
    )
    assert await ask(server.admin_url(), others) == 0
    callable_by_staff = (
        "select array_agg(proname::text order by proname) from pg_proc"
        " where prosecdef and has_function_privilege('muster_staff', oid, 'execute')"
    )
    assert await ask(server.admin_url(), callable_by_staff) == ["find_people", "signed_scope"]
    await assert_all_is_well(server)


async def test_services_refuse_whoever_has_more_rights(server: BarePostgres, valkey: Valkey, tmp_path: Path) -> None:
    assert muster("migrate", server, tmp_path, admin=server.admin_url()).returncode == 0
    await ask(server.admin_url(), "create role guest login password 'guest'", "select 1")
    refusals = {
        server.admin_url(): "this is postgres, a superuser.",
        server.url(Login.OWNER, OWNERS): "this is muster_owner, who owns tables.",
        server.url("guest", "guest"): "this is guest.",
    }
    for url, words in refusals.items():
        for command in ("serve", "worker", "people count"):
            done = muster(command, server, tmp_path, worker=url, redis=valkey.url)
            assert done.returncode == 1
            assert f"Muster must sign in to PostgreSQL as muster_worker and nobody else, and {words}" in done.stderr
            assert "muster migrate" in done.stderr
            warned = "take MUSTER_OWNER_DATABASE_URL" in done.stdout + done.stderr
            assert warned == (command != "people count"), "the test gives every process the owner's address"
    changes = {
        "alter role {} bypassrls": "passes by row-level security",
        "alter role {} nobypassrls createrole": "may make other logins",
        "alter role {} nocreaterole createdb replication": "may make databases",
        "alter role {} nocreatedb": "may copy the whole server",
        "alter role {} noreplication; grant muster_owner to {}": "can become muster_owner",
    }
    for login, command in ((Login.WORKER, "worker"), (Login.STAFF, "serve"), (Login.STAFF_ALL, "serve")):
        for change, words in changes.items():
            await ask(server.admin_url(), change.format(login, login), "select 1")
            done = muster(command, server, tmp_path, redis=valkey.url)
            assert done.returncode == 1
            assert f"this is {login}" in done.stderr
            assert words in done.stderr
        await ask(server.admin_url(), f"revoke muster_owner from {login}", "select 1")


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ({"worker": "postgresql://muster:x@db.invalid/muster"}, "MUSTER_DATABASE_URL names the login muster; it"),
        ({"owner": "postgresql://postgres:x@db.invalid/muster"}, "MUSTER_OWNER_DATABASE_URL names the login postgres"),
        ({"owner": "postgresql://muster_owner:y:z@[db/muster"}, "MUSTER_OWNER_DATABASE_URL is not a Postgre"),
        (
            {"worker": "postgresql://muster_worker:x@db.invalid/muster", "owner": "postgresql://muster_owner:x@db.invalid/muster"},
            "has the same password as MUSTER_DATABASE_URL",
        ),
        ({"worker": "postgresql://muster_worker:%C3%A9@db.invalid/muster"}, "other than English letters"),
    ],
)  # fmt: skip
def test_a_wrong_address_is_explained(
    bare: BarePostgres, tmp_path: Path, addresses: dict[str, str], words: str
) -> None:
    done = muster("migrate", bare, tmp_path, worker=addresses.get("worker", ""), owner=addresses.get("owner", ""))
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_both_addresses_that_are_wrong_are_said_at_once(bare: BarePostgres, tmp_path: Path) -> None:
    done = muster("migrate", bare, tmp_path, worker="postgresql://postgres:x@db.invalid/muster", owner=None)
    assert done.returncode == 1
    assert "MUSTER_OWNER_DATABASE_URL is not set" in done.stderr
    assert "And MUSTER_DATABASE_URL names the login postgres." in done.stderr


async def test_no_sql_hides_the_error_on_a_screen(server: BarePostgres, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    try:
        done = muster("migrate", server, tmp_path, stdout=theirs)
        assert (done.returncode, "logins.sql" in done.stderr) == (1, True)
        os.write(theirs, b"nothing else")
        assert os.read(ours, 1000) == b"nothing else"
    finally:
        os.close(ours)
        os.close(theirs)


async def test_another_database_is_not_prepared(server: BarePostgres, tmp_path: Path) -> None:
    done = muster("migrate", server, tmp_path, admin=server.admin_url("postgres"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "leads to another database" in done.stderr
    assert not await ask(server.admin_url(), POWERLESS)


async def test_a_login_is_who_signed_in_not_whom_it_put_on(server: BarePostgres, tmp_path: Path) -> None:
    await asyncio.to_thread(muster, "migrate", server, tmp_path, admin=server.admin_url())
    db = await connect(f"{server.admin_url()}?options=-c%20role%3Dmuster_worker")
    assert await db.fetchval("select current_user") == Login.WORKER
    with pytest.raises(SettingsError, match="this is postgres, a superuser"):
        await check_login(db, Login.WORKER)
    await db.close()
