"""A MUSTER_HOME of version 0.1.0 is taken over, and 0.1.0 can work with it again."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.db.logins import Login, check_login
from core.db.migrate import migrate, pending
from muster.embedded.postgres import Postgres, start_postgres
from muster.embedded.removal import erase
from tests.support.former_schema import migrate_as_before

ROLES_BEFORE = r"""
select 'create role muster_owner login' where not exists (select from pg_roles where rolname = 'muster_owner') \gexec
select 'create role muster login' where not exists (select from pg_roles where rolname = 'muster') \gexec
alter role muster nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
alter role muster_owner nosuperuser nocreatedb nocreaterole noreplication nobypassrls;

select 'alter database muster owner to muster_owner'
where (select datdba::regrole::text from pg_database where datname = 'muster') <> 'muster_owner' \gexec

grant usage on schema public to muster;
grant select, insert, update, delete, maintain on all tables in schema public to muster;
grant usage, select on all sequences in schema public to muster;
grant execute on all functions in schema public to muster;
alter default privileges for role muster_owner in schema public
  grant select, insert, update, delete, maintain on tables to muster;
alter default privileges for role muster_owner in schema public grant usage, select on sequences to muster;
alter default privileges for role muster_owner in schema public grant execute on functions to muster;
"""
"""What 0.1.0 ran at each start, as the superuser."""


@pytest.fixture
def home() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="muster-test-"))
    top.chmod(0o755)
    yield top / "home"
    erase(top / "home")
    shutil.rmtree(top)


def as_before(server: Postgres) -> None:
    """Do what 0.1.0 does when it starts the server."""
    done = server.roles._call("muster", ROLES_BEFORE)
    assert (done.returncode, done.stderr) == (0, "")


def ask(url: str, statement: str) -> object:
    async def once() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(once())


def test_a_home_can_be_taken_over_and_given_back(home: Path, tmp_path: Path) -> None:
    server = start_postgres(home, fsync="off")
    for login in set(Login) - {Login.OWNER}:
        ask(server.url(), f"drop owned by {login}")
        ask(server.url(), f"drop role {login}")
    as_before(server)
    asyncio.run(migrate_as_before(server.url(role=Login.OWNER), tmp_path))
    ask(server.url(role="muster"), "insert into person (external_id) values ('100001')")
    server.stop()

    server = start_postgres(home, fsync="off")
    asyncio.run(migrate(server.url(role=Login.OWNER)))
    worker = server.url(role=Login.WORKER)
    assert ask(worker, "update person set first_name = 'Ada' returning external_id") == "100001"
    server.stop()

    server = start_postgres(home, fsync="off")
    as_before(server)
    former = server.url(role="muster")
    assert asyncio.run(pending(former)) == []
    assert ask(former, "select first_name from person") == "Ada"
    assert ask(former, "insert into person (external_id) values ('100002') returning external_id") == "100002"
    assert ask(former, "select count(*) from pg_class where relowner = current_user::regrole") == 0
    server.stop()

    server = start_postgres(home, fsync="off")
    assert ask(server.url(role=Login.WORKER), "select count(*) from person") == 2
    for login in Login:
        asyncio.run(well(server.url(role=login), login))
    server.stop()


async def well(url: str, login: Login) -> None:
    connection = await asyncpg.connect(url)
    await check_login(connection, login)
    await connection.close()
