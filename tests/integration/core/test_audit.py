"""The audit: what is recorded is sealed, any change is found, and an erasure leaves the seals as they are."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg
import pytest

from core.access import SYSTEM, Actor, ActorKind, Permission, member
from core.audit import AuditAction, head, list_audit, record, seal, verify
from core.db import Connection, Pool

ROOT = Path(__file__).parents[3]
OLGA = Actor(ActorKind.STAFF, "olga@union.example", 7, "192.0.2.0/24")


async def happen(db: Connection, times: int = 3) -> None:
    for n in range(times):
        await record(
            db, OLGA, AuditAction.CAMPAIGN_LAUNCHED, f"campaign {n}", {"step": n}, permission=Permission.LAUNCH
        )


@pytest.fixture
async def owner(superuser: Connection) -> Connection:
    """Somebody who can switch off every trigger."""
    await superuser.execute("set session_replication_role = replica")
    return superuser


async def problems(db: Connection) -> list[str]:
    return list((await verify(db)).problems)


async def test_who_did_what_is_listed_newest_first(db: Connection) -> None:
    await happen(db)
    await record(db, member(17), AuditAction.PREFERENCES_CHANGED, "person 17", {"to": "nothing"})
    newest, *_, oldest = await list_audit(db)
    assert (newest["actor_kind"], newest["actor_id"], newest["action"]) == ("member", 17, "preferences.changed")
    assert (oldest["actor"], oldest["came_from"], oldest["permission"]) == (OLGA.name, "192.0.2.0/24", "launch")
    assert [row["subject"] for row in await list_audit(db, action="campaign", limit=2)] == ["campaign 2", "campaign 1"]
    assert [row["subject"] for row in await list_audit(db, subject="campaign 1")] == ["campaign 1"]
    assert len(await list_audit(db, before=newest["audit_id"])) == 3
    assert await list_audit(db, actor="nobody") == []


async def test_a_chain_of_seals_covers_every_row(db: Connection) -> None:
    assert await seal(db) == 0
    assert await head(db) is None
    for count in (3, 2):
        await happen(db, count)
        assert (await verify(db)).unsealed == count
        assert await seal(db) == count
    newest = await head(db)
    assert newest is not None
    assert newest.rows == 5
    found = await verify(db, kept=newest.to_json())
    assert (found.seals, found.rows, found.unsealed, found.problems) == (2, 5, 0, ())
    forged = newest.to_json() | {"digest": "0" * 64}
    assert len((await verify(db, kept=forged)).problems) == 1


FORGED = """insert into audit overriding system value
select -1, at, 'system', 1, '', '', '', action, digest from audit limit 1"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("update audit set actor = 'somebody else' where audit_id = 2", "does not fit"),
        ("update audit set at = at - interval '1 day' where audit_id = 1", "does not fit"),
        ("update audit set permission = null where audit_id = 3", "does not fit"),
        ("delete from audit where audit_id = 2", "covered 3 rows, and there are 2"),
        (FORGED, None),
        ("update audit_detail set detail = '{}' where audit_id = 2", "particulars of 1 row were changed"),
        ("update audit_detail set subject = 'campaign 9' where audit_id = 2", "the first is row 2"),
        ("update audit_detail set salt = null, subject = 'campaign 9' where audit_id = 2", "the first is row 2"),
        ("delete from audit_detail where audit_id = 2", "particulars of 1 row were changed"),
        ("update audit_seal set digest = sha256('x') where seal_id = 1", "Seal 1"),
        ("delete from audit_seal where seal_id = 1", "Seal 2"),
    ],
)
async def test_whatever_the_owner_changes_is_found(owner: Connection, change: str, words: str | None) -> None:
    await happen(owner)
    await seal(owner)
    await happen(owner)
    await seal(owner)
    assert await problems(owner) == []
    await owner.execute(change)
    found = " ".join(await problems(owner))
    assert (words or "particulars of 1 row") in found


async def test_a_rewritten_chain_does_not_have_the_head_that_was_kept(owner: Connection) -> None:
    await happen(owner)
    await seal(owner)
    kept = await head(owner)
    assert kept is not None
    await owner.execute("update audit set actor = 'somebody else'")
    await owner.execute("delete from audit_seal")
    await owner.execute("alter table audit_seal alter column seal_id restart")
    await seal(owner)
    assert await problems(owner) == []
    assert len((await verify(owner, kept=kept.to_json())).problems) == 1


async def test_a_row_that_is_committed_late_is_sealed_with_the_next(pool: Pool) -> None:
    async with pool.acquire() as db, pool.acquire() as slow, pool.acquire() as sealing:
        late = slow.transaction()
        await late.start()
        await happen(slow, 1)
        await happen(db, 2)
        assert await seal(sealing, writers_timeout=0.1) == 0
        waiting = asyncio.create_task(seal(sealing, writers_timeout=20))
        await asyncio.sleep(0)
        await late.commit()
        assert await waiting == 3
        assert await problems(db) == []


async def test_two_workers_make_one_chain(pool: Pool) -> None:
    async with pool.acquire() as db:
        await happen(db, 40)

    async def work() -> int:
        async with pool.acquire() as db:
            return await seal(db)

    assert sum(await asyncio.gather(*(work() for _ in range(4)))) == 40
    async with pool.acquire() as db:
        assert await problems(db) == []
        assert await db.fetchval("select count(*) from audit_seal") == 1


async def test_the_audit_is_written_by_its_function_alone(db: Connection) -> None:
    await happen(db, 1)
    for change in (
        "update audit set actor = 'x'", "delete from audit", "update audit_detail set detail = '{}'",
        "delete from audit_detail", "update audit_seal set rows = 0", "delete from audit_seal",
    ):  # fmt: skip
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await db.execute(change)


async def test_only_the_database_accounts_for_what_an_erasure_took_out(db: Connection) -> None:
    """Whoever emptied particulars could otherwise make up the row that makes it fit."""
    actor = '{"kind": "system", "name": "database"}'
    for attack in (
        f"select record_audit('{actor}', 'ledgers.emptied', 'erasure 1', '{{\"audit\": [1]}}')",
        f"select add_audit('{actor}', 'ledgers.emptied', 'erasure 1', '{{}}', now(), null)",
        "select record_own_action('ledgers.emptied', 'erasure 1', '{}')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(attack)
    assert await db.fetchval("select count(*) from audit where action = 'ledgers.emptied'") == 0


async def test_no_seal_covers_rows_to_come(db: Connection) -> None:
    await record(db, OLGA, AuditAction.CAMPAIGN_LAUNCHED, "campaign pay")
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await db.execute("select seal_audit(9223372036854775807, 1000)")
    assert await seal(db) == 1


async def test_a_failed_change_leaves_no_row(db: Connection) -> None:
    attempt = db.transaction()
    await attempt.start()
    await record(db, SYSTEM, AuditAction.CAMPAIGN_FINISHED, "campaign pay")
    await attempt.rollback()
    assert await list_audit(db) == []


def is_ours(path: Path) -> bool:
    """Tell whether a file is the product's: neither a test, nor in a virtual environment or among mutants."""
    top = path.relative_to(ROOT).parts[0]
    return top not in {"tests", "mutants"} and not top.startswith(".")


def test_every_action_is_one_of_the_vocabulary() -> None:
    written = {
        action
        for path in ROOT.glob("*/**/*.sql")
        if is_ours(path)
        for action in re.findall(r"record_(?:audit|own_action)\(\s*(?:[\w.$]+,\s*)?'([^']+)'", path.read_text("utf-8"))
    }
    assert written
    replaced = {"messages.forgotten"}  # by a function of a later migration
    assert written - replaced <= set(AuditAction)
    code = "\n".join(
        path.read_text("utf-8") for path in ROOT.glob("*/**/*.py") if is_ours(path) and path.name != "audit.py"
    )
    unused = {action for action in AuditAction if f"AuditAction.{action.name}" not in code and action not in written}
    assert unused == set()
