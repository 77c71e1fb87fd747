"""A MUSTER_HOME that is refused is as its version left it, so that this version can write everything to files."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.db.logins import Login
from core.db.migrate import migrate
from core.errors import Conflict
from muster.embedded.client import connect_to_servers
from muster.embedded.postgres import Postgres, start_postgres
from muster.embedded.removal import erase

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
"""What versions before 0.1.0 ran at each start, as the superuser."""


@pytest.fixture
def home() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="muster-test-"))
    top.chmod(0o755)
    yield top / "home"
    erase(top / "home")
    shutil.rmtree(top)


def as_before(server: Postgres) -> None:
    """Do what those versions do when they start the server."""
    done = server.roles._call("muster", ROLES_BEFORE)
    assert (done.returncode, done.stderr) == (0, "")


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


def test_a_home_that_is_refused_goes_on_with_the_version_that_made_it(home: Path) -> None:
    server = start_postgres(home, fsync="off")
    for login in set(Login) - {Login.OWNER}:
        ask(server.url(), f"drop owned by {login}", f"drop role {login}", "select 1")
    as_before(server)
    ask(
        server.url(role=Login.OWNER),
        "create table schema_migrations (version varchar primary key)",
        "insert into schema_migrations values ('20261129100000'), ('20261129100700')",
        "create table person (person_id bigint generated always as identity primary key, external_id text)",
        "select 1",
    )
    ask(server.url(role="muster"), "insert into person (external_id) values ('100001') returning 1")
    server.stop()

    servers = connect_to_servers(home)
    with pytest.raises(Conflict, match=r"A version before 0\.1\.0 made this database"):
        asyncio.run(migrate(servers.owner_url))
    servers.close_and_wait()

    server = start_postgres(home, fsync="off")
    as_before(server)
    former = server.url(role="muster")
    assert ask(former, "select external_id from person") == "100001"
    assert ask(former, "insert into person (external_id) values ('100002') returning external_id") == "100002"
    assert ask(former, "select count(*) from pg_class where relowner = current_user::regrole") == 0
    assert ask(former, "select array_agg(version::text order by version) from schema_migrations") == [
        "20261129100000", "20261129100700",
    ]  # fmt: skip
    server.stop()
