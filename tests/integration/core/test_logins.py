"""Logins of a runtime: each pool signs in as somebody else, who can do no more than their work needs."""

from __future__ import annotations

import asyncpg
import pytest

from core.db import Connection, Pool, open_pool
from core.db.logins import Login, address_as, check_login, database_in, password_in, shortcomings, user_in
from core.errors import SettingsError
from core.runtime import Runtime


async def test_each_pool_has_a_login_of_its_own(runtime: Runtime) -> None:
    pools = {Login.WORKER: runtime.pool, Login.STAFF: runtime.staff_pool, Login.STAFF_ALL: runtime.staff_all_pool}
    for login, pool in pools.items():
        async with pool.acquire() as db:
            await check_login(db, login)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await db.execute("set role muster_owner")


async def test_the_pools_of_staff_connect_when_they_are_asked(runtime: Runtime) -> None:
    assert (runtime.staff_pool.get_size(), runtime.staff_all_pool.get_size()) == (0, 0)
    async with runtime.staff_pool.acquire() as db:
        assert await db.fetchval("select '{\"a\": 1}'::jsonb") == {"a": 1}
    assert (runtime.staff_pool.get_size(), runtime.staff_all_pool.get_size()) == (1, 0)


async def test_staff_call_two_functions_with_their_owners_rights(owner: Connection) -> None:
    """What staff may read is granted table by table; a function that does an owner's work is for the worker."""
    theirs = ["find_people", "signed_scope"]
    for login, may_call in ((Login.STAFF, theirs), (Login.STAFF_ALL, theirs), (Login.REPORTS, None)):
        owners = "select array_agg(proname::text order by proname) from pg_proc where prosecdef and"
        assert await owner.fetchval(f"{owners} has_function_privilege($1, oid, 'execute')", login) == may_call, login
    await owner.execute("create table later (n integer); create function late() returns int language sql return 1")
    rights = "select has_table_privilege($1, 'later', $2)"
    for right in ("select", "insert", "update", "delete"):
        assert await owner.fetchval(rights, Login.WORKER, right)
        assert not await owner.fetchval(rights, Login.STAFF, right)
    assert await owner.fetchval("select has_function_privilege($1, 'late()', 'execute')", Login.WORKER)
    assert not await owner.fetchval("select has_function_privilege($1, 'late()', 'execute')", Login.STAFF_ALL)


async def test_statistics_are_refreshed_by_who_does_not_own_the_table(db: Connection) -> None:
    await db.execute("insert into person (external_id) select n from generate_series(1, 50) as n")
    await db.execute("select refresh_statistics('unit', 'person')")
    assert await db.fetchval("select reltuples from pg_class where relname = 'person'") == 50


async def test_all_is_well_here(owner: Connection, superuser: Connection, database_url: str) -> None:
    assert await shortcomings(owner) == []
    with pytest.raises(SettingsError, match=r"muster_worker and nobody else, and this is postgres, a superuser\."):
        await check_login(superuser, Login.WORKER)
    with pytest.raises(SettingsError, match="this is muster_owner, who owns tables"):
        await check_login(owner, Login.WORKER)
    pool: Pool = await open_pool(address_as(database_url, Login.REPORTS), size=1)
    async with pool.acquire() as db:
        with pytest.raises(SettingsError, match=r"this is muster_reports\."):
            await check_login(db, Login.STAFF)
    await pool.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://muster_worker:a%40b@db:5433/muster?sslmode=require", "postgresql://x:a%40b@db:5433/muster?sslmode=require"),
        ("postgresql://muster_worker@/muster?host=/run/it", "postgresql://x@/muster?host=/run/it"),
        ("postgresql:///muster?user=muster_worker&host=/run", "postgresql://x@/muster?host=/run"),
        ("postgresql://db.example.org/muster", "postgresql://x@db.example.org/muster"),
        ("postgresql://muster_worker:p@one:1,two:2/muster", "postgresql://x:p@one:1,two:2/muster"),
    ],
)  # fmt: skip
def test_an_address_for_another_login_differs_in_nothing_else(url: str, expected: str) -> None:
    assert address_as(url, "x") == expected
    assert (user_in(url) or Login.WORKER) == Login.WORKER
    assert database_in(url) == "muster"
    assert password_in(address_as(url, "x")) == password_in(url)


@pytest.mark.parametrize("url", ["mysql://muster_worker@db/muster", "postgresql://muster_worker:a/b@db/muster", "x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        user_in(url)
