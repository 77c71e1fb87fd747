"""Addresses of PostgreSQL: what cannot be used is refused by name, and nothing of a password is shown."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import trustme

from core.db import connect, open_pool
from core.db.login_script import login_script
from core.db.migrate import migrate
from core.errors import SettingsError
from tests.support.bare_postgres import BarePostgres, bare_postgres, debian_programs

AUTHORITY = trustme.CA()


@pytest.fixture(scope="module")
def server() -> Iterator[BarePostgres]:
    with bare_postgres(debian_programs(), certificate=AUTHORITY.issue_cert("db.union.test", "localhost")) as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    return tmp_path / "authority.pem"


async def refusal(url: str) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        await connect(url)
    return refused.value


async def test_a_certificate_of_a_known_authority_is_taken(server: BarePostgres, authority: Path) -> None:
    url = f"{server.admin_url('postgres')}?sslmode=verify-full&sslrootcert={authority}".replace(
        "127.0.0.1", "localhost"
    )
    db = await connect(url)
    assert await db.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    await db.close()


async def test_a_certificate_for_another_name_is_named_as_that(server: BarePostgres, authority: Path) -> None:
    error = await refusal(f"{server.admin_url('postgres')}?sslmode=verify-full&sslrootcert={authority}")
    assert error.message == f"PostgreSQL at 127.0.0.1:{server.port}/postgres has a certificate for another name."
    assert "sslmode" in (error.remedy or "")


async def test_an_authority_that_nobody_knows_is_named_as_that(server: BarePostgres, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    url = f"{server.admin_url('postgres')}?sslmode=verify-ca&sslrootcert={tmp_path / 'another.pem'}"
    assert "has a certificate that no known authority has signed" in (await refusal(url)).message


async def test_a_missing_file_is_named(server: BarePostgres) -> None:
    error = await refusal(f"{server.admin_url('postgres')}?sslmode=verify-full&sslrootcert=/nowhere/authority.pem")
    assert error.message == "MUSTER_DATABASE_URL names a file that does not exist: sslrootcert=/nowhere/authority.pem."


@pytest.mark.parametrize("written", ["pass/word", "pass#word", "pass?word", "pa@ss/word", "p@ss#word", "a/b@c#d"])
async def test_a_password_that_is_not_encoded_is_shown_nowhere(written: str) -> None:
    error = await refusal(f"postgresql://muster_worker:{written}@db.union.test/muster")
    assert error.message.startswith("MUSTER_DATABASE_URL is not a PostgreSQL address")
    assert "%2F" in (error.remedy or "")
    for part in (written, "pass", "word", "ss/", "b@c"):
        assert part not in error.message.replace("password", "") + (error.remedy or "").replace("password", "")


async def test_an_at_sign_in_a_parameter_is_in_order(server: BarePostgres) -> None:
    url = f"postgresql://127.0.0.1:{server.port}/postgres?user=ada@union&password=p@ss"
    assert "refused the user name or password" in (await refusal(url)).message


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_without_unicode_is_refused(server: BarePostgres, encoding: str) -> None:
    admin = await asyncpg.connect(server.admin_url("postgres"))
    await admin.execute(f"create database plain_{encoding} encoding '{encoding}' locale 'C' template template0")
    await admin.close()
    url = server.admin_url(f"plain_{encoding}".lower())
    for attempt in (connect, open_pool, migrate):
        with pytest.raises(SettingsError, match=f"keeps text as {encoding}; Muster needs UTF8") as refused:
            await attempt(url)
        assert "create database muster encoding 'UTF8'" in (refused.value.remedy or "")


async def test_an_address_of_several_hosts_follows_the_one_that_answers(server: BarePostgres) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = probe.getsockname()[1]
    url = server.admin_url("postgres").replace("@127.0.0.1:", f"@127.0.0.1:{nobody},127.0.0.1:")
    db = await connect(f"{url}?target_session_attrs=read-write")
    await db.close()
    await server.empty()
    assert server.psql(login_script({})).returncode == 0
    assert await migrate(f"{url}?target_session_attrs=read-write".replace("/postgres?", "/muster?")) != []
