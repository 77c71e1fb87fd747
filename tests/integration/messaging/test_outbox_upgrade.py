"""The outbox is moved into its narrow tables while workers and web processes of the version before are at work."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import asyncpg
import pytest

from core.db import Connection, Pool, open_pool
from core.db import migrate as migrations
from core.db.logins import Login
from core.db.migrate import migrate, migration_files
from messaging.outbox import steps
from messaging.outbox.claim import claim
from messaging.outbox.counts import count_differences, step_counts
from messaging.states import State
from muster.embedded.postgres import Postgres
from tests.support.outbox_rows import NOON, Step, add_messages, add_step, dispatcher
from tests.support.outbox_steps import mailboxes

FIRST_OF_THE_LEAN = "20261130160000"
MAILS = 14_000
ACCEPT = (
    "update message set state = 'accepted', sent_at = now(), provider = 'smtp', changed_at = now()"
    " where message_id = $1 and attempt = 1 and state in ('sending', 'ambiguous') returning 1"
)
HAND_BACK = "update message set state = 'queued', attempt = 0 where message_id = $1 and state = 'sending' returning 1"
CLAIM = (
    "update message set state = 'sending', attempt = attempt + 1, dispatcher_id = $1"
    " where message_id in (select message_id from message where state = 'queued' limit 10 for update skip locked)"
)
WITHDRAW = (
    "update message set state = 'cancelled', reason = 'answered', changed_at = now()"
    " where person_id = $1 and state = 'queued'"
)


@pytest.fixture
async def before(postgres: Postgres, tmp_path: Path) -> str:
    """A database as it was before the outbox became lean, for who owns it."""
    name = f"before_{uuid4().hex}"
    await asyncio.to_thread(postgres.roles.provide, name)
    url = postgres.url(name, role=Login.OWNER)
    for path in migration_files():
        if path.name < FIRST_OF_THE_LEAN:
            shutil.copy(path, tmp_path)
    with patch.object(migrations, "FOLDERS", (tmp_path,)):
        await migrate(url)
    return url


@pytest.fixture
async def old(before: str, postgres: Postgres) -> AsyncIterator[Pool]:
    pool = await open_pool(before.replace(Login.OWNER, Login.WORKER), size=8)
    yield pool
    await pool.close()


@pytest.fixture
async def step(old: Pool) -> Step:
    """A step half sent: what happens to the first hundreds is in the comment beside it."""
    async with old.acquire() as db:
        step = await add_step(db)
        await add_messages(db, step, "email", mailboxes(MAILS))
        await db.execute(
            """
            with worker as (
              insert into dispatcher (name, until) values
                ('working', now() + interval '1 hour'), ('killed', now() - interval '1 minute')
              returning dispatcher_id, name
            )
            update message m
            set state = s.state::message_state, reason = s.reason, attempt = 1, dispatcher_id = d.dispatcher_id,
                wire_at = case when s.wired then now() end, provider = case when s.wired then 'smtp' end,
                provider_id = case s.state when 'delivered' then 'id-' || m.person_id end,
                sent_at = case when s.state in ('accepted', 'delivered') then now() - interval '2 hours' end
            from (
              values
                (1, 20, 'sending', null, true, 'working'),      -- on the wire
                (21, 40, 'sending', null, false, 'working'),    -- claimed
                (41, 50, 'sending', null, true, 'killed'),
                (51, 60, 'sending', null, false, 'killed'),
                (61, 70, 'ambiguous', 'no_answer', true, 'killed'),
                (71, 90, 'failed', 'no_mailbox', true, 'killed'),
                (91, 500, 'accepted', null, true, 'killed'),
                (501, 600, 'delivered', null, true, 'killed'),
                (601, 650, 'queued', 'quiet_hours', false, null)
            ) as s (first, last, state, reason, wired, worker)
            left join worker d on d.name = s.worker
            where m.person_id between s.first and s.last
            """
        )
    return step


async def test_what_waits_and_what_is_in_flight_is_moved_while_the_version_before_works(
    before: str, old: Pool, step: Step
) -> None:
    lasts, refused = 0, 0

    async def worker() -> None:
        """Claims until it may not, then records what is on the wire and hands back what it has claimed."""
        nonlocal refused
        async with old.acquire() as db:
            its = await db.fetchval("select dispatcher_id from dispatcher where name = 'working'")
            while not refused:
                claiming = db.transaction()  # undone: what was taken waits again
                await claiming.start()
                try:
                    await db.execute(CLAIM, its)
                except asyncpg.RaiseError:
                    refused += 1
                await claiming.rollback()
                await asyncio.sleep(0.005)
            for person_id in range(1, 41):
                message_id = await db.fetchval("select message_id from message where person_id = $1", person_id)
                assert await db.fetchval(ACCEPT if person_id <= 20 else HAND_BACK, message_id) == 1
            await db.execute("update dispatcher set gone_at = now() where dispatcher_id = $1", its)

    async def answers() -> None:
        """Members answer, from the last to the first of those that wait."""
        nonlocal lasts
        while not refused or lasts < 200:
            async with old.acquire() as db:
                assert await db.execute(WITHDRAW, MAILS - lasts) == "UPDATE 1"
            lasts += 1
            await asyncio.sleep(0.001)

    async with asyncio.timeout(60):
        working = [asyncio.create_task(worker()), asyncio.create_task(answers())]
        await migrate(before)
        await asyncio.gather(*working)
    async with old.acquire() as db:
        await db.reload_schema_state()
        assert await count_differences(db) == []
        assert await _where(db) == {
            ("queued", "queue"): MAILS - 600 - lasts + 20,  # all that waited, and what was handed back
            ("queued", "in flight"): 20,  # the killed one's
            ("accepted", None): 410 + 20,
            ("delivered", None): 100,
            ("failed", "exception"): 20,
            ("ambiguous", "exception"): 10,
            ("cancelled", "exception"): lasts,
        }
        assert await db.fetchval("select count(*) from provider_message") == 100
        (counted,) = await step_counts(db, step.campaign_id)
        assert counted.counts[State.ACCEPTED] == 430
        assert counted.reasons["quiet_hours"] == 50


async def test_it_can_be_killed_and_begun_again(before: str, old: Pool, step: Step, tmp_path: Path) -> None:
    files = [path for path in migration_files() if path.name >= FIRST_OF_THE_LEAN]
    for path in files[:2]:
        shutil.copy(path, tmp_path)
    with patch.object(migrations, "FOLDERS", (tmp_path,)):
        await migrate(before)
    owner = await asyncpg.connect(before)
    moving = asyncio.create_task(owner.execute("call move_outbox(100)"))
    async with old.acquire() as db:
        async with asyncio.timeout(30):
            while not await db.fetchval("select moved_upto >= 2000 from outbox_move"):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        owner.terminate()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError):
            await moving
        # a worker of this version takes some that were moved
        its = await dispatcher(db, "new")
        taken = await claim(db, step.due("email"), limit=500, now=NOON, dispatcher_id=its)
        assert len(taken.messages) == 500
        await db.execute("update dispatcher set gone_at = now() where name = 'working'")
    await migrate(before)
    async with old.acquire() as db:
        assert await count_differences(db) == []
        assert await _where(db) == {
            ("queued", "queue"): MAILS - 600 - 500,
            ("queued", "in flight"): 60 + 500,
            ("accepted", None): 410,
            ("delivered", None): 100,
            ("failed", "exception"): 20,
            ("ambiguous", "exception"): 10,
        }


async def test_no_step_is_finished_before_its_messages_are_moved(
    before: str, old: Pool, step: Step, tmp_path: Path
) -> None:
    for path in [path for path in migration_files() if path.name >= FIRST_OF_THE_LEAN][:2]:
        shutil.copy(path, tmp_path)
    with patch.object(migrations, "FOLDERS", (tmp_path,)):
        await migrate(before)
    async with old.acquire() as db:
        assert await db.fetch(steps.SQL["finish_drained"], NOON) == []


@pytest.mark.parametrize("name", ["20261130160010_lean_outbox.sql", "20261130160030_lean_indexes.sql"])
async def test_a_file_that_locks_the_outbox_soon_lets_those_behind_it_go_first(
    before: str, old: Pool, step: Step, tmp_path: Path, name: str
) -> None:
    files = {path.name: path for path in migration_files() if path.name >= FIRST_OF_THE_LEAN}
    for path in files.values():
        if path.name < name:
            shutil.copy(path, tmp_path)
    with patch.object(migrations, "FOLDERS", (tmp_path,)):
        await migrate(before)
    owner = await asyncpg.connect(before)
    await owner.execute("set lock_timeout = 0")  # nobody's limit but the file's own
    async with old.acquire() as reader, reader.transaction():
        await reader.execute("select from message limit 1")
        with pytest.raises(asyncpg.LockNotAvailableError):
            async with asyncio.timeout(30), owner.transaction():
                await owner.execute(files[name].read_text())
    await owner.close()


async def _where(db: Connection) -> dict[tuple[str, str | None], int]:
    """How many messages there are by state and by the table that has a row of them; one row at most."""
    rows = await db.fetch(
        """
        select m.state::text as state, place.name, count(*) as n
        from message m
        left join (
          select message_id, 'queue' as name from queue
          union all
          select message_id, 'in flight' from in_flight
          union all
          select message_id, 'exception' from message_exception
        ) as place using (message_id)
        group by 1, 2
        """
    )
    return {(row["state"], row["name"]): row["n"] for row in rows}
