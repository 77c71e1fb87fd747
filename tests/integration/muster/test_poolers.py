"""Muster behind PgBouncer: any in session mode, in transaction mode one that keeps prepared statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ballots.ballots import create_ballot
from campaigns.campaigns import create_campaign
from campaigns.launch import launch
from core.db import connect, exclusive
from core.db.logins import Login
from core.db.pooler import shares_sessions
from core.errors import SettingsError
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from muster.embedded.valkey import Valkey
from muster.operator import operator
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.bare_postgres import BarePostgres, bare_postgres, debian_programs
from tests.support.command import run_command
from tests.support.electorate import add_person, add_unit, ballot_spec, campaign_spec, connected
from tests.support.pgbouncer import DEBIAN_12, NEWER, pooled
from tests.support.running_worker import working
from tests.support.scoped import scoped_pools
from tests.support.two_branches import WHOLE

WORKERS, OWNERS = "worker-password", "owner-password"
PASSWORDS: dict[str, str] = {
    Login.OWNER: OWNERS,
    **dict.fromkeys((Login.WORKER, Login.STAFF, Login.STAFF_ALL), WORKERS),
}
PEOPLE = 300


@pytest.fixture(scope="module")
def server() -> Iterator[BarePostgres]:
    with bare_postgres(debian_programs()) as server:
        yield server


@pytest.fixture(params=[(DEBIAN_12, "session"), (NEWER, "session"), (NEWER, "transaction")], ids=str)
def pooler(server: BarePostgres, request: pytest.FixtureRequest) -> Iterator[BarePostgres]:
    program, mode = request.param
    asyncio.run(server.empty())
    with pooled(program, server, PASSWORDS, mode=mode) as pooler:
        yield pooler


def muster(words: str, owner: BarePostgres, worker: BarePostgres, *, admin: str = "", redis: str = "") -> str:
    """Run a command as an operator whose addresses lead to a pooler; return what it printed."""
    environment = {
        "MUSTER_DATABASE_URL": worker.url(Login.WORKER, WORKERS),
        "MUSTER_OWNER_DATABASE_URL": owner.url(Login.OWNER, OWNERS),
        "MUSTER_ADMIN_DATABASE_URL": admin,
        "MUSTER_REDIS_URL": redis or "redis://127.0.0.1:1/0",
        "MUSTER_SECRET_KEY": "a quiet river of nine green otters at dawn",
        "MUSTER_PUBLIC_URL": "https://vote.example.org",
    }
    done = run_command(words.split(), environment)
    return f"{done.returncode} {done.stdout}{done.stderr}"


async def mode_of(pooler: BarePostgres) -> str:
    return "transaction" if await shares_sessions(pooler.url(Login.WORKER, WORKERS)) else "session"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def runtime(
    pooler: BarePostgres, server: BarePostgres, valkey: Valkey, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Runtime]:
    """A runtime behind the pooler, on a database that was migrated through it where its mode allows."""
    said = await asyncio.to_thread(muster, "migrate", server, server, admin=server.admin_url())
    assert said.startswith("0 "), said
    settings = Settings(
        _env_file=None, home=tmp_path, database_url=pooler.url(Login.WORKER, WORKERS), redis_url=valkey.url,
        secret_key="a secret for tests only and long enough", public_url="http://muster.test",
        email_from="Muster Union <ballot@union.test>", organisation="The Union", contact="0800 000 000",
        smtp_url=SecretStr(sandbox.smtp_url),
    )  # fmt: skip
    async with open_runtime(settings, pool_size=8) as runtime:
        await runtime.redis.flushdb()
        yield runtime


async def test_a_campaign_is_launched_and_sent(runtime: Runtime, sandbox: Sandbox) -> None:
    today = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    dates = {"opens": f"{today - timedelta(days=2)}", "closes": f"{today + timedelta(days=20)}"}
    async with connected(runtime) as db:
        unit = await add_unit(db, "Leeds")
        for n in range(PEOPLE):
            await add_person(db, f"M{n}", unit=unit, email=f"m{n}@union.example.com")
        await create_ballot(db, ballot_spec(**dates), actor=operator("staff"))
    steps = [{"template": "ballot-reminder", "channels": ["email"]}]
    campaign = await create_campaign(runtime, campaign_spec(steps=steps), operator("staff"))
    await launch(runtime, campaign.campaign_id, operator("staff"))
    async with working(runtime), asyncio.timeout(60):
        while await runtime.pool.fetchval("select count(*) from message where sent_at is null"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert sorted(address for mail in sandbox.mailbox for address in mail.recipients) == sorted(
        f"m{n}@union.example.com" for n in range(PEOPLE)
    )
    async with scoped_pools(runtime).within(WHOLE) as scoped:
        assert await scoped.fetchval("select count(*) from person") == PEOPLE


async def test_each_command_and_the_migration_are_answered(
    pooler: BarePostgres, server: BarePostgres, runtime: Runtime
) -> None:
    redis = runtime.settings.redis_url or ""
    assert muster("people count", pooler, pooler, redis=redis).startswith("0 "), "a command"
    migrated = muster("migrate", pooler, pooler)
    if await mode_of(pooler) == "session":
        assert migrated.startswith("0 Nothing to do"), migrated
    else:
        assert migrated.startswith("1 Error: MUSTER_OWNER_DATABASE_URL leads to a pooler in transaction mode"), migrated
        assert muster("migrate", server, pooler).startswith("0 Nothing to do"), "the owner's address leads past it"


async def test_a_lock_is_exclusive_and_goes_with_its_session(runtime: Runtime, server: BarePostgres) -> None:
    url = runtime.settings.database_url
    assert url is not None
    async with exclusive(url, "a step") as held:
        assert held is not None
        await held.fetchval("select 1")
        async with exclusive(url, "a step") as second, exclusive(url, "another") as other:
            assert (second, other is not None) == (None, True)
        holder = await runtime.pool.fetchval("select pid from pg_locks where locktype = 'advisory' and granted")
        assert await runtime.pool.fetchval("select backend_xmin is null from pg_stat_activity where pid = $1", holder)
        admin = await connect(server.admin_url())
        await admin.execute("select pg_terminate_backend($1)", holder)
        await admin.close()
        async with asyncio.timeout(10):
            while not held.is_closed():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    async with exclusive(url, "a step") as again:
        assert again is not None


async def test_a_pooler_that_forgets_prepared_statements_is_refused_by_name(
    server: BarePostgres, valkey: Valkey
) -> None:
    await server.empty()
    assert muster("migrate", server, server, admin=server.admin_url()).startswith("0 ")
    with pooled(DEBIAN_12, server, PASSWORDS, mode="transaction") as pooler:
        said = muster("people count", server, pooler, redis=valkey.url)
        assert "Between Muster and PostgreSQL is a pooler in transaction mode that forgets prepared statements" in said
        assert "PgBouncer 1.21 or newer" in said
    with (
        pooled(NEWER, server, PASSWORDS, mode="transaction", pool_size=1) as narrow,
        pytest.raises(SettingsError, match="only one connection for us"),
    ):
        await shares_sessions(narrow.url(Login.WORKER, WORKERS))


async def test_postgresql_itself_shares_no_session(server: BarePostgres) -> None:
    assert not await shares_sessions(server.admin_url("postgres"))
    db = await connect(server.admin_url("postgres"))
    await db.close()
