"""SQL that was smuggled into a page of staff leaves nothing behind: on its connection, or in its login."""

from __future__ import annotations

import contextlib
import re

import asyncpg
import pytest

from core.db import Connection, open_pool
from core.db.login_script import roles
from core.db.logins import Login, address_as, database_in
from people.scope import ScopedPools
from tests.support.two_branches import WHOLE, Organisation

LEFT_BEHIND = (
    "set search_path = pg_temp",
    "set row_security = off",
    "set statement_timeout = 1",
    "set muster.scope = 'everywhere|everywhere|'",
    "select pg_advisory_lock(hashtextextended('staff grants', 0))",
    "listen anything",
    "declare mine cursor with hold for select 1",
    "deallocate all",
    "prepare mine as select 1",
    "deallocate all; prepare __asyncpg_stmt_1__ as select 1; prepare __asyncpg_stmt_2__ as select 1",
)


@pytest.mark.parametrize("attack", LEFT_BEHIND)
async def test_nothing_of_a_reader_is_left_for_the_next(
    organisation: Organisation, db: Connection, attack: str
) -> None:
    """A page with smuggled SQL commits; then others read by the same pool, the first of them at worst in vain."""
    prepares = re.search(r"\bprepare\b", attack)
    with pytest.raises(asyncpg.RaiseError, match="prepared a statement") if prepares else contextlib.nullcontext():
        async with organisation.pools.within(WHOLE) as scoped:
            await scoped.execute(attack)
    with contextlib.suppress(asyncpg.InvalidSQLStatementNameError):
        async with organisation.pools.within(WHOLE) as scoped:
            await scoped.fetchval("select count(*) from person")
    async with organisation.pools.within(WHOLE) as scoped:
        expected = await db.fetchval("select count(*) from person")
        assert await scoped.fetchval("select count(*) from person") == expected
        state = await scoped.fetchrow(
            "select current_setting('search_path') as path, current_setting('row_security') as security,"
            " (select count(*) from pg_cursors where name = 'mine') as cursors,"
            " (select count(*) from pg_prepared_statements where from_sql) as prepared,"
            " (select count(*) from pg_listening_channels()) as channels"
        )
        assert state is not None
        assert tuple(state) == ("public", "on", 0, 0, 0)
        held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        assert await scoped.fetchval(held) == 0


@pytest.mark.parametrize("attack", [
    "alter role {login} set search_path = pg_temp", "alter role {login} set row_security = off",
    "alter role {login} in database {database} set statement_timeout = 1", "alter role {login} password 'known'",
])  # fmt: skip
async def test_no_page_changes_the_login_that_it_works_as(organisation: Organisation, attack: str) -> None:
    database = f'"{database_in(organisation.url)}"'
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with organisation.pools.within(WHOLE) as scoped:
            await scoped.execute(attack.format(login=Login.STAFF_ALL, database=database))
    with pytest.raises(asyncpg.ActiveSQLTransactionError, match="before any query"):
        async with organisation.pools.within(WHOLE) as scoped:
            await scoped.execute("set transaction read write")


async def test_what_a_login_was_given_breaks_no_page(organisation: Organisation, superuser: Connection) -> None:
    """As whoever has its password may do: `alter role` is allowed to each login for itself."""
    for setting in ("search_path = pg_temp", "row_security = off", "statement_timeout = 1", "role = none"):
        await superuser.execute(f"alter role {Login.STAFF_ALL} set {setting}")
    await superuser.execute(f"alter role {Login.STAFF_ALL} set default_transaction_read_only = on")
    try:
        async with (
            await open_pool(address_as(organisation.url, Login.STAFF_ALL), size=1, for_staff=True) as new,
            ScopedPools(organisation.worker, new, new).within(WHOLE) as scoped,
        ):
            assert await scoped.fetchval("select count(*) from person") > 2
    finally:
        await superuser.execute(f"alter role {Login.STAFF_ALL} reset all; {roles()}")


@pytest.mark.parametrize("attack", [
    "select idx_scan from pg_stat_xact_user_tables where relname = 'person'",  # tells whether a hidden row fitted
    "select lo_from_bytea(0, 'planted')", "select lo_create(0)", "select lo_creat(-1)",
    "select pg_terminate_backend(1)", "select pg_cancel_backend(1)",
])  # fmt: skip
async def test_functions_of_the_server_that_reach_beyond_a_page_are_refused(
    organisation: Organisation, attack: str
) -> None:
    stranger = await asyncpg.connect(address_as(organisation.url, Login.STAFF))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stranger.execute(attack)
    await stranger.close()
