"""Grants: who may do what, where and until when; given by those who may, and never leaving nobody in charge."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from core.access import Actor, ActorKind, Grant, Permission
from core.db import Connection, Pool
from core.errors import Conflict, InputError, NotFound
from muster.operator import operator
from staff.accounts import disable_staff
from staff.grant_file import give_from_file
from staff.grants import count_administrators, give_grant, grants_of, list_grants, revoke_grant
from staff.roles import ROLES, Role
from tests.support.electorate import add_unit
from tests.support.staff_accounts import BY, add_account

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


async def acting(db: Connection, staff_id: int, email: str = "ada@union.test") -> Actor:
    return Actor(ActorKind.STAFF, email, staff_id, "192.0.2.0/24", await grants_of(db, staff_id, NOW))


async def test_a_grant_counts_from_its_start_to_its_end(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", now=NOW)
    leeds = await add_unit(db, "Leeds")
    begins, ends = NOW + timedelta(days=1), NOW + timedelta(days=3)
    await give_grant(db, ada, "Rep", by=BY, now=NOW, unit_id=leeds, starts_at=begins, ends_at=ends)
    assert await grants_of(db, ada, NOW) == ()
    assert await grants_of(db, ada, begins) == (Grant("rep", leeds, ROLES["rep"].permissions),)
    assert await grants_of(db, ada, ends) == ()
    assert [row["unit"] for row in await list_grants(db, now=NOW)] == ["Leeds"]


async def test_the_same_role_is_given_once_at_a_time(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "viewer", now=NOW)
    with pytest.raises(Conflict, match="already"):
        await give_grant(db, ada, "viewer", by=BY, now=NOW)
    assert await revoke_grant(db, ada, "viewer", by=BY, now=NOW) == 1
    ends = NOW + timedelta(days=1)
    await give_grant(db, ada, "viewer", by=BY, now=NOW, ends_at=ends)
    await give_grant(db, ada, "viewer", by=BY, now=NOW, starts_at=ends)  # right after it
    with pytest.raises(Conflict, match="already"):
        await give_grant(db, ada, "viewer", by=BY, now=NOW, starts_at=NOW + timedelta(hours=23))
    with pytest.raises(InputError, match="before it begins"):
        await give_grant(db, ada, "rep", by=BY, now=NOW, starts_at=ends, ends_at=ends)
    with pytest.raises(InputError, match=r"no role “viewr”\. Did you mean viewer\?"):
        await give_grant(db, ada, "viewr", by=BY, now=NOW)


async def test_grants_are_history(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "viewer", now=NOW)
    for attempt in (
        "delete from staff_grant",
        "update staff_grant set role = 'administrator'",
        "update staff_grant set ends_at = null, starts_at = now()",
        "update staff_grant set unit_id = null, revoked_at = null, given_by = 'me'",
    ):
        with pytest.raises(asyncpg.RaiseError, match=r"append-only|only be revoked, and once"):
            await db.execute(attempt)
    await revoke_grant(db, ada, "viewer", by=BY, now=NOW)
    with pytest.raises(asyncpg.PostgresError, match="revoked, and once"):
        await db.execute("update staff_grant set revoked_at = null, revoked_by = null")
    audit = await db.fetch(
        "select action, subject, detail from audit_shown where action like 'grant.%' order by audit_id"
    )
    assert [(row["action"], row["subject"]) for row in audit] == [
        ("grant.given", f"staff {ada}"), ("grant.revoked", f"staff {ada}"),
    ]  # fmt: skip


async def test_nobody_widens_their_own_grants(db: Connection) -> None:
    await add_account(db, "olga@union.test", "administrator", now=NOW)
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    actor = await acting(db, ada)
    with pytest.raises(Conflict, match="their own"):
        await give_grant(db, ada, "vetter", by=actor, now=NOW)
    with pytest.raises(Conflict, match="their own"):
        await revoke_grant(db, ada, "administrator", by=actor, now=NOW)
    assert [grant.role for grant in await grants_of(db, ada, NOW)] == ["administrator"]


async def test_staff_give_no_more_than_they_answer_for(db: Connection) -> None:
    north, south = await add_unit(db, "North", "region"), await add_unit(db, "South", "region")
    leeds = await add_unit(db, "Leeds", parent=north)
    regional = await add_account(db, "ada@union.test", "administrator", now=NOW, unit=north)
    bob = await add_account(db, "bob@union.test", now=NOW)
    actor = await acting(db, regional)
    await give_grant(db, bob, "rep", by=actor, now=NOW, unit_id=leeds)
    await give_grant(db, bob, "vetter", by=actor, now=NOW, unit_id=north)
    for unit in (south, None):
        with pytest.raises(Conflict, match="lack the permission"):
            await give_grant(db, bob, "rep", by=actor, now=NOW, unit_id=unit)
    await give_grant(db, bob, "rep", by=BY, now=NOW, unit_id=south)
    with pytest.raises(Conflict, match="lack the permission"):
        await revoke_grant(db, bob, "rep", by=actor, now=NOW, everywhere=True)
    assert len(await grants_of(db, bob, NOW)) == 3, "all or nothing"
    permission = await db.fetchval("select permission from audit_shown where actor = 'ada@union.test' limit 1")
    assert permission == Permission.GRANT


async def test_who_may_not_revoke_has_not_revoked(db: Connection) -> None:
    north = await add_unit(db, "North", "region")
    regional = await add_account(db, "ada@union.test", "administrator", now=NOW, unit=north)
    bob = await add_account(db, "bob@union.test", "viewer", now=NOW)
    async with db.transaction():  # a caller who goes on after the refusal
        with contextlib.suppress(Conflict):
            await revoke_grant(db, bob, "viewer", by=await acting(db, regional), now=NOW)
    assert [grant.role for grant in await grants_of(db, bob, NOW)] == ["viewer"]
    assert await db.fetchval("select count(*) from audit_shown where action = 'grant.revoked'") == 0


async def test_an_administrator_gives_vetting_where_they_are_administrator(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = {**ROLES, "granter": Role("granter", "gives access", "nothing", frozenset({Permission.GRANT}))}
    for module in ("staff.grants", "staff.roles"):
        monkeypatch.setattr(f"{module}.ROLES", roles)
    north = await add_unit(db, "North", "region")
    ada = await add_account(db, "ada@union.test", "granter", now=NOW)
    await give_grant(db, ada, "administrator", by=BY, now=NOW, unit_id=north)
    bob = await add_account(db, "bob@union.test", now=NOW)
    with pytest.raises(Conflict, match="lack the permission “vet”"):
        await give_grant(db, bob, "vetter", by=await acting(db, ada), now=NOW)
    await give_grant(db, bob, "vetter", by=await acting(db, ada), now=NOW, unit_id=north)


async def test_a_grant_does_not_begin_in_the_past(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", now=NOW)
    await give_grant(db, ada, "viewer", by=BY, now=NOW, starts_at=NOW - timedelta(days=2000))
    assert [row["starts_at"] for row in await list_grants(db, now=NOW)] == [NOW]
    with pytest.raises(InputError, match="before it begins"):
        await give_grant(db, ada, "rep", by=BY, now=NOW, starts_at=NOW - timedelta(days=9), ends_at=NOW)


async def test_what_was_revoked_while_a_page_was_open_gives_nothing(db: Connection) -> None:
    await add_account(db, "olga@union.test", "administrator", now=NOW)
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    bob = await add_account(db, "bob@union.test", now=NOW)
    actor = await acting(db, ada)
    await revoke_grant(db, ada, "administrator", by=BY, now=NOW)
    with pytest.raises(Conflict, match="lack the permission"):
        await give_grant(db, bob, "viewer", by=actor, now=NOW)


@pytest.mark.parametrize("role", sorted(ROLES.keys() - {"administrator"}))
async def test_no_other_role_gives_access(db: Connection, role: str) -> None:
    ada = await add_account(db, "ada@union.test", role, now=NOW)
    bob = await add_account(db, "bob@union.test", now=NOW)
    for wanted in ("reporter", role, "administrator"):
        with pytest.raises(Conflict):
            await give_grant(db, bob, wanted, by=await acting(db, ada), now=NOW)


@pytest.mark.parametrize("kind", [ActorKind.KEY, ActorKind.MEMBER])
async def test_programs_and_members_give_nothing(db: Connection, kind: ActorKind) -> None:
    ada = await add_account(db, "ada@union.test", now=NOW)
    everything = (Grant("administrator", None, frozenset(Permission)),)
    with pytest.raises(Conflict):
        await give_grant(db, ada, "viewer", by=Actor(kind, "hr", 1, "", everything), now=NOW)


async def test_the_last_administrator_stays(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    bob = await add_account(db, "bob@union.test", now=NOW)
    await give_grant(db, bob, "administrator", by=BY, now=NOW, ends_at=NOW + timedelta(days=30))
    assert await count_administrators(db, NOW) == 1, "one that ends by itself is no stay"
    with pytest.raises(Conflict, match="nobody would be administrator"):
        await revoke_grant(db, ada, "administrator", by=BY, now=NOW)
    with pytest.raises(Conflict, match="nobody would be administrator"):
        async with db.transaction():
            await disable_staff(db, ada, NOW)
    assert len(await grants_of(db, ada, NOW)) == 1
    assert await db.fetchval("select disabled_at from staff where staff_id = $1", ada) is None
    with pytest.raises(NotFound):
        await revoke_grant(db, ada, "viewer", by=BY, now=NOW)


async def test_two_administrators_who_revoke_each_other_leave_one(pool: Pool, db: Connection) -> None:
    for turn in range(4):
        ada = await add_account(db, f"ada{turn}@union.test", "administrator", now=NOW)
        bob = await add_account(db, f"bob{turn}@union.test", "administrator", now=NOW)
        for row in await list_grants(db, now=NOW):
            if row["staff_id"] not in {ada, bob}:
                await revoke_grant(db, row["staff_id"], "administrator", by=BY, now=NOW)

        async def revoke(by: int, whom: int) -> None:
            async with pool.acquire() as own, own.transaction():
                await revoke_grant(own, whom, "administrator", by=await acting(own, by), now=NOW)

        async def disable(whom: int) -> None:
            async with pool.acquire() as own, own.transaction():
                await disable_staff(own, whom, NOW)

        other = revoke(bob, ada) if turn % 2 else disable(ada)
        outcomes = await asyncio.gather(revoke(ada, bob), other, return_exceptions=True)
        assert sorted(outcome is None for outcome in outcomes) == [False, True], outcomes
        assert await count_administrators(db, NOW) == 1
        await db.execute("update staff set disabled_at = null")


async def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grants.csv"
    path.write_text(text, encoding="utf-8")
    return path


async def test_an_operator_who_names_themselves_does_not_change_their_own_grants(db: Connection) -> None:
    olga = await add_account(db, "olga@union.test", now=NOW)
    herself = operator("Olga@union.test")
    await give_grant(db, olga, "administrator", by=herself, now=NOW)  # the first of all: nobody else to ask
    for attempt in (
        give_grant(db, olga, "vetter", by=herself, now=NOW),
        revoke_grant(db, olga, "administrator", by=herself, now=NOW),
    ):
        with pytest.raises(Conflict, match="their own"):
            await attempt
    await give_grant(db, await add_account(db, "ada@union.test", now=NOW), "vetter", by=herself, now=NOW)
    await give_grant(db, olga, "vetter", by=BY, now=NOW)


async def test_a_refusal_says_where_and_what_they_hold(db: Connection) -> None:
    south = await add_unit(db, "South", "region")
    dover = await add_unit(db, "Dover", parent=south)
    ada = await add_account(db, "ada@union.test", "viewer", now=NOW, unit=dover)
    with pytest.raises(Conflict, match="viewer of South / Dover already"):
        await give_grant(db, ada, "viewer", by=BY, now=NOW, unit_id=dover)
    with pytest.raises(NotFound, match=r"not viewer of the whole organisation\. They are viewer of South / Dover\."):
        await revoke_grant(db, ada, "viewer", by=BY, now=NOW)
    with pytest.raises(NotFound, match=r"not viewer of South\. "):
        await revoke_grant(db, ada, "viewer", by=BY, now=NOW, unit_id=south)


async def test_a_file_gives_many_at_once(pool: Pool, db: Connection, tmp_path: Path) -> None:
    ada, bob = [await add_account(db, f"{name}@union.test", now=NOW) for name in ("ada", "bob")]
    leeds = await add_unit(db, "Leeds")
    path = await write(
        tmp_path,
        "Email,Role,Unit,From,Until\nADA@union.test,Rep,leeds,,31/12/2026\n"
        "bob@union.test,service-manager,Whole organisation,1 January 2027,\n",
    )
    given = await give_from_file(pool, path, by=BY, zone=LONDON, now=NOW)
    assert given.new == (
        "ada@union.test is rep of Leeds until Thursday 31 December 2026 (last day).",
        "bob@union.test will be service manager of the whole organisation from Friday 1 January 2027.",
    )
    assert await grants_of(db, ada, NOW) == (Grant("rep", leeds, ROLES["rep"].permissions),)
    assert await grants_of(db, ada, datetime(2027, 1, 1, tzinfo=UTC)) == (), "its last day is the 31st"
    assert await grants_of(db, bob, NOW) == ()
    assert [grant.role for grant in await grants_of(db, bob, datetime(2027, 1, 1, tzinfo=UTC))] == ["service manager"]


async def test_a_file_that_was_extended_is_loaded_again(pool: Pool, db: Connection, tmp_path: Path) -> None:
    for name in ("ada", "bob"):
        await add_account(db, f"{name}@union.test", now=NOW)
    await add_unit(db, "Leeds")
    rows = "email,role,unit,from,until\nada@union.test,rep,Leeds,,31/12/2026\nada@union.test,viewer,Leeds,2027-01-01,\n"
    await give_from_file(pool, await write(tmp_path, rows), by=BY, zone=LONDON, now=NOW)
    longer = await write(tmp_path, f"{rows}bob@union.test,rep,Leeds,,\n")
    later = NOW + timedelta(days=1)
    given = await give_from_file(pool, longer, by=BY, zone=LONDON, now=later)
    assert (given.new, given.known) == (("bob@union.test is rep of Leeds.",), 2)
    changed = await write(tmp_path, rows.replace("31/12/2026", "31/01/2027"))
    with pytest.raises(InputError, match="rep of Leeds already"):
        await give_from_file(pool, changed, by=BY, zone=LONDON, now=later)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("email,role,units\nada@union.test,rep,Leeds\n", "There is no column “units”; did you mean unit?"),
        ("email,role,unit\nada@union.test,rep, \n", "Row 2: It names no unit. Name one, or write: whole organisation."),
        ("email,role\nada@union.test,rep\n", "Row 2: It names no unit."),
        ("email,role,unit\nada@union.test,,Leeds\n", "Row 2: It names no role."),
    ],
)
async def test_no_slip_in_a_file_gives_a_role_everywhere(
    pool: Pool, db: Connection, tmp_path: Path, text: str, words: str
) -> None:
    await add_account(db, "ada@union.test", now=NOW)
    await add_unit(db, "Leeds")
    with pytest.raises(InputError) as refused:
        await give_from_file(pool, await write(tmp_path, text), by=BY, zone=LONDON, now=NOW)
    assert refused.value.problems[0].startswith(words)
    assert await db.fetchval("select count(*) from staff_grant") == 0


async def test_a_file_with_a_problem_gives_nothing(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await add_account(db, "ada@union.test", now=NOW)
    await add_unit(db, "Leeds")
    path = await write(
        tmp_path,
        "email,role,unit,until\nada@union.test,rep,Leeds,\neve@union.test,repp,Leeds,\nada@union.test,viewer,Leds,\n"
        "ada@union.test,viewer,Leeds,tomorrow\n",
    )
    with pytest.raises(InputError) as refused:
        await give_from_file(pool, path, by=BY, zone=LONDON, now=NOW)
    assert [problem[:45] for problem in refused.value.problems] == [
        "Row 3: Nobody on the staff has the address “e", "Row 3: There is no role “repp”. Did you mean ",
        "Row 4: There is no unit “Leds”. Did you mean ", "Row 5: “tomorrow” is not a date such as 2026-",
    ], "each thing that is wrong with a row"  # fmt: skip
    assert await db.fetchval("select count(*) from staff_grant") == 0
