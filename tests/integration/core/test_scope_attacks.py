"""A login of staff, with all of SQL, sees what its transaction was signed for, and without a scope nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

import asyncpg
import pytest

from core.access import Actor, ActorKind, Grant, Permission, ReadScope, Scope
from core.db import Connection
from core.db.logins import Login, address_as
from people.scope import sign_scope
from tests.support.electorate import add_person, add_unit
from tests.support.table_access import EVERYONE, TABLES, listed
from tests.support.two_branches import WHOLE, Organisation, of_unit

LOGINS = (Login.STAFF, Login.STAFF_ALL, Login.REPORTS)
NOTHING = ReadScope(Scope(), Scope())
READING = frozenset({Permission.SEE, Permission.SEE_CONTACTS})


async def as_login(organisation: Organisation, login: Login) -> asyncpg.Connection:
    return await asyncpg.connect(address_as(organisation.url, login))


async def readable(db: Connection, login: Login) -> dict[str, str]:
    """Tables that a login may read, with the columns that it may."""
    return {
        table["name"]: ", ".join(
            column
            for column in await db.fetchval(
                "select array_agg(attname::text order by attnum) from pg_attribute"
                " where attrelid = $1 and attnum > 0 and not attisdropped", table["oid"],
            )
            if column not in table["hidden"]
        )
        for table in await db.fetch(TABLES, login)
        if table["readable"]
    }  # fmt: skip


async def counts(db: Connection, columns: dict[str, str]) -> dict[str, int]:
    return {
        name: await db.fetchval(f"select count(*) from (select {listed} from {name}) as t")
        for name, listed in columns.items()
    }


@pytest.mark.parametrize("login", LOGINS)
async def test_a_forgotten_actor_sees_nobody(organisation: Organisation, db: Connection, login: Login) -> None:
    columns = await readable(db, login)
    stranger = await as_login(organisation, login)
    seen = await counts(stranger, columns)
    for table in await db.fetch(TABLES, login):
        if table["name"] not in columns:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.fetch(f"select * from {table['name']}")
    await stranger.close()
    assert {name for name, n in seen.items() if n} <= {name for name, line in listed().items() if line.rows == EVERYONE}


async def test_a_forgotten_where_shows_the_scope_and_no_more(organisation: Organisation, db: Connection) -> None:
    columns = await readable(db, Login.STAFF)
    by_person = {name for name, line in listed().items() if line.rows.startswith("by unit")}
    everything = await counts(db, columns)
    assert all(everything[name] for name in by_person), "otherwise this shows nothing"
    async with organisation.pools.within(organisation.leeds) as scoped:
        leeds = await counts(scoped, columns)
    async with organisation.pools.within(organisation.york) as scoped:
        york = await counts(scoped, columns)
    async with organisation.pools.within(WHOLE) as scoped:
        whole = await counts(scoped, columns)
    async with organisation.pools.within(NOTHING) as scoped:
        nothing = await counts(scoped, columns)
    assert whole == everything
    for name in by_person:
        assert leeds[name] > 0, name
        assert leeds[name] + york[name] <= everything[name], name
        assert nothing[name] == 0, name
    assert {name for name in by_person if york[name]} == {"person", "address"}
    assert (york["person"], york["address"]) == (1, 1)
    assert whole["message_count"] > 0
    assert leeds["alert"] == leeds["step_total"] == leeds["message_count"] == 0


async def test_addresses_take_their_own_permission(organisation: Organisation, db: Connection) -> None:
    leeds = organisation.leeds.people.unit_ids[0]
    viewer = Actor(ActorKind.STAFF, "v", 1, grants=(Grant("viewer", leeds, frozenset({Permission.SEE})),))
    everywhere = Grant("viewer", None, frozenset({Permission.SEE}))
    both = Actor(ActorKind.STAFF, "b", 1, grants=(everywhere, Grant("rep", leeds, READING)))
    async with organisation.pools.as_actor(viewer) as scoped:
        assert await scoped.fetchval("select count(*) from person") > 0
        assert await scoped.fetchval("select count(*) from address") == 0
        assert await scoped.fetchval("select count(*) from reply") == 0
    # alerts name mailboxes and senders
    for contacts, seen in ((Scope(), False), (organisation.leeds.contacts, False), (WHOLE.contacts, True)):
        async with organisation.pools.within(ReadScope(WHOLE.people, contacts)) as scoped:
            assert (await scoped.fetchval("select count(*) from alert") > 0) == seen
    async with organisation.pools.as_actor(both) as scoped:
        assert await scoped.fetchval("select current_user::text") == Login.STAFF_ALL
        assert await scoped.fetchval("select count(*) from person") == await db.fetchval("select count(*) from person")
        theirs = await scoped.fetch("select person_id from address")
    expected = await db.fetch("select person_id from address join person using (person_id) where unit_id = $1", leeds)
    assert sorted(row["person_id"] for row in theirs) == sorted(row["person_id"] for row in expected) != []
    async with organisation.pools.as_actor(both, Permission.EXPORT) as scoped:
        assert await scoped.fetchval("select count(*) from person") == 0, "a permission that nobody gave"


async def test_a_scope_has_everything_below_its_units(organisation: Organisation, db: Connection) -> None:
    region = await add_unit(db, "North again", "region")
    branch = await add_unit(db, "Hull", "branch", region)
    person = await add_person(db, "H-1", unit=branch)
    async with organisation.pools.within(of_unit(region)) as scoped:
        assert [row["person_id"] for row in await scoped.fetch("select person_id from person")] == [person]


SIGNATURE = "split_part(current_setting('muster.scope'), '|', 3)"
NO_RIGHT, READ_ONLY, IN_A_TRANSACTION, NO_SETTING = "42501", "25006", "25001", "42704"
"""Errors of PostgreSQL (SQLSTATE): no right to it, a transaction that only reads, one at all, an unknown setting."""
ATTACKS: Mapping[str, tuple[str | None, str | None]] = {
    "reset role": (None, None),
    "reset session authorization": (None, None),
    "set role muster_worker": (NO_RIGHT, NO_RIGHT),
    "set role muster_owner": (NO_RIGHT, NO_RIGHT),
    "set role muster_staff_all": (NO_RIGHT, NO_RIGHT),
    "set session authorization muster_worker": (NO_RIGHT, NO_RIGHT),
    "set row_security = off": (None, None),
    "set local role none": (None, None),
    "alter table person disable row level security": (READ_ONLY, NO_RIGHT),
    "alter policy staff on person using (true)": (READ_ONLY, NO_RIGHT),
    "drop policy staff on person": (READ_ONLY, NO_RIGHT),
    "create policy mine on person to public using (true)": (READ_ONLY, NO_RIGHT),
    "grant muster_worker to muster_staff": (READ_ONLY, NO_RIGHT),
    "create table mine (x text)": (READ_ONLY, NO_RIGHT),
    "create temp table unit (unit_id bigint, lineage bigint[])": (READ_ONLY, None),
    "create function mine() returns int language sql security definer as 'select 1'": (READ_ONLY, NO_RIGHT),
    "select key from scope_key": (NO_RIGHT, NO_RIGHT),
    "update scope_key set key = key": (READ_ONLY, NO_RIGHT),
    "select * from people_matching(true, '{}', true, '{}', array['e'], true, '', '{}', '{}', 1000)": (
        NO_RIGHT,
        NO_RIGHT,
    ),
    "select people_alike(true, '{}', array['e'], 1000)": (NO_RIGHT, NO_RIGHT),
    'select record_audit(\'{"kind": "system", "name": "muster"}\', \'people.erased\', \'person 1\')': (
        NO_RIGHT,
        NO_RIGHT,
    ),
    "select begin_erasure(1)": (NO_RIGHT, NO_RIGHT),
    "select refresh_statistics('person')": (NO_RIGHT, NO_RIGHT),
    "insert into person (external_id) values ('mine')": (READ_ONLY, NO_RIGHT),
    "update person set first_name = first_name": (READ_ONLY, NO_RIGHT),
    "delete from person": (READ_ONLY, NO_RIGHT),
    "copy person to stdout": (NO_RIGHT, NO_RIGHT),
    "copy person from program 'echo 1'": (NO_RIGHT, NO_RIGHT),
    "select pg_read_file('postgresql.conf')": (NO_RIGHT, NO_RIGHT),
    "select lo_import('/etc/passwd')": (NO_RIGHT, NO_RIGHT),
    "select lo_from_bytea(0, 'planted')": (NO_RIGHT, NO_RIGHT),
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()": (
        NO_RIGHT,
        NO_RIGHT,
    ),
    "select set_config('muster.scope', 'everywhere|everywhere|', true)": (None, None),
    "select set_config('muster.scope', 'everywhere|everywhere|' || repeat('0', 64), true)": (None, None),
    f"select set_config('muster.scope', 'everywhere|everywhere|' || {SIGNATURE}, true)": (None, NO_SETTING),
    f"select set_config('muster.scope', '1,2,3,4,5,6,7,8,9|1,2,3,4,5,6,7,8,9|' || {SIGNATURE}, true)": (
        None,
        NO_SETTING,
    ),
    "select set_config('muster.scope', null, true)": (None, None),
    "select set_config('muster.scope', '|', true)": (None, None),
    "select set_config('search_path', 'pg_temp', true)": (None, None),
    "set local muster.scope = 'everywhere'": (None, None),
    "reset muster.scope": (None, None),
    "reset all": (None, None),
    "discard all": (IN_A_TRANSACTION, None),
}  # fmt: skip
"""Each with the error that refuses it in a page's transaction, and on a login's own connection; None if it is allowed.

What is allowed must show no more. (A login may take its own role.)
"""


@pytest.mark.parametrize("scope", ["york", "nothing"])
async def test_no_statement_gets_more(organisation: Organisation, scope: str) -> None:
    """Each is run as injected SQL would be, in the page's own transaction; some are refused, and none shows more."""
    mine = organisation.york if scope == "york" else NOTHING
    for attack, (error, _) in ATTACKS.items():
        with refused(error, attack):
            async with organisation.pools.within(mine) as scoped:
                await scoped.execute(attack)
                await see_no_more(scoped, attack, most=1 if scope == "york" else 0)


@pytest.mark.parametrize("login", LOGINS)
async def test_no_statement_makes_up_a_scope(organisation: Organisation, login: Login) -> None:
    for attack, (_, error) in ATTACKS.items():
        stranger = await as_login(organisation, login)
        with refused(None if attack == f"set role {login}" else error, attack):
            await stranger.execute(attack)
            await see_no_more(stranger, attack, most=0)
        await stranger.close()


@contextmanager
def refused(error: str | None, attack: str) -> Iterator[None]:
    """Expect exactly this error; an attack that is refused for another reason, such as a slip in it, proves nothing."""
    with nullcontext() if error is None else pytest.raises(asyncpg.PostgresError) as caught:
        yield
    assert caught is None or caught.value.sqlstate == error, f"{attack}: {caught.value}"


async def see_no_more(db: Connection, attack: str, *, most: int) -> None:
    for table, column in (
        ("person", "person_id"),
        ("address", "address_id"),
        ("claim", "claim_id"),
        ("reply", "reply_id"),
    ):
        try:
            async with db.transaction():
                n = await db.fetchval(f"select count({column}) from public.{table}")
        except asyncpg.InsufficientPrivilegeError:
            continue  # without policies nothing is shown, and to the login of reports no table at all
        assert n <= most, (attack, table)
    who = await db.fetchrow("select session_user::text, current_user::text")
    assert who is not None
    assert set(who) <= {"muster_staff", "muster_staff_all", "muster_reports"}, attack


async def test_a_signature_is_worth_nothing_in_another_transaction(organisation: Organisation) -> None:
    async with organisation.pools.within(WHOLE) as scoped:
        taken = await scoped.fetchval("select current_setting('muster.scope')")
        assert await scoped.fetchval("select count(*) from person") > 2
        pid = await scoped.fetchval("select pg_backend_pid()")
        # a savepoint is the same transaction
        async with scoped.transaction():
            assert await scoped.fetchval("select count(*) from person") > 2
        stranger = await as_login(organisation, Login.STAFF_ALL)
        async with stranger.transaction():
            await stranger.execute("select set_config('muster.scope', $1, true)", taken)
            assert await stranger.fetchval("select count(*) from person") == 0, "another connection at the same time"
        await stranger.close()
    async with organisation.staff_all.acquire() as raw, raw.transaction():
        assert await raw.fetchval("select pg_backend_pid()") == pid, "the very connection"
        await raw.execute("select set_config('muster.scope', $1, true)", taken)
        assert await raw.fetchval("select count(*) from person") == 0


async def test_a_scope_ends_with_its_transaction(organisation: Organisation) -> None:
    async with organisation.pools.within(WHOLE) as scoped:
        assert await scoped.fetchval("select count(*) from person") > 2
    async with organisation.staff_all.acquire() as raw:
        assert await raw.fetchval("select count(*) from person") == 0
        assert await raw.fetchval("select count(*) from count_change") == 0


async def test_two_scopes_at_once_do_not_meet(organisation: Organisation) -> None:
    async def look(scope: ReadScope, expected: int) -> None:
        for _ in range(20):
            async with organisation.pools.within(scope) as scoped:
                assert (
                    await scoped.fetchval("select count(*) from person where external_id in ('Y-1', 'Z-1')") == expected
                )

    await asyncio.gather(look(organisation.york, 1), look(organisation.leeds, 0), look(WHOLE, 2), look(NOTHING, 0))


async def test_conditions_are_not_asked_of_hidden_rows(organisation: Organisation) -> None:
    async with organisation.pools.within(organisation.york) as scoped:
        sum_of = "select count(*) from person where 1 / (case when external_id = 'Y-1' then 1 else 0 end) = 1"
        assert await scoped.fetchval(sum_of) == 1, "an error would tell of a hidden row"
        assert await scoped.fetchval("select count(*) from pg_stats where tablename in ('person', 'address')") == 0
        hidden = "select count(*) from pg_stats where tablename = 'message' and attname in ('address', 'variables')"
        assert await scoped.fetchval(hidden) == 0


SEARCHES = (
    "select * from find_people(array[$1], true, '', '{}', '{}', 50)",
    "select * from find_people(array['e', 'e', $1], false, '', '{}', '{}', 50)",
    "select * from find_people(array['no such name'], false, $1, array[$1], '{}', 50)",
    "select * from find_people(array['no such name'], false, '', '{}', array[$1, $1], 50)",
    "select * from find_people(array['no such name'], false, '', '{}', array['12', $1], 50)",
)


@pytest.mark.parametrize("scope", ["york", "nothing"])
@pytest.mark.parametrize("gathered", [False, True])
async def test_a_search_tells_nothing_of_hidden_people(
    organisation: Organisation, db: Connection, owner: Connection, scope: str, *, gathered: bool
) -> None:
    """What somebody hidden is called ends as what nobody is, whatever signs of a pattern are around it."""
    person = await db.fetchval("select person_id from person where unit_id = $1", organisation.leeds.people.unit_ids[0])
    await db.execute(
        "update person set first_name = 'Zebedee', last_name = 'Quill', external_id = 'L-77' where person_id = $1",
        person,
    )
    await db.execute("delete from address where person_id = $1", person)
    await db.execute("insert into address (person_id, channel, address) values ($1, 'sms', '+447700900777')", person)
    if gathered:  # the planner asks its sample of values, too, once it is large enough
        for n in range(30):
            await add_person(db, f"L-1{n:02}", unit=organisation.leeds.people.unit_ids[0], sms=f"+4477009005{n:02}")
        await owner.execute("analyze person, address")
    known = ("zebedee", "zebedee quill l-7", "l-7", "+44770090077", "44770090077", "90077")
    unknown = ("zebediah", "zebediah quill l-8", "l-8", "+44770090088", "44770090088", "90088")
    for search in SEARCHES:
        for before, after in (("", ""), ("%", "\\"), ("", "%"), ("_", "_"), ("\\", ""), ("", "\\\\")):
            outcomes = [await outcome(organisation, scope, search, f"{before}{w}{after}") for w in (*known, *unknown)]
            assert outcomes == [[]] * len(outcomes), (search, before, after)


async def outcome(organisation: Organisation, scope: str, search: str, word: str) -> object:
    """What whoever smuggled in a search gets: rows, or an error."""
    try:
        async with organisation.pools.within(organisation.york if scope == "york" else NOTHING) as scoped:
            return [tuple(row) for row in await scoped.fetch(search, word)]
    except asyncpg.PostgresError as error:
        return str(error)


async def test_the_database_checks_what_python_signs(
    organisation: Organisation, db: Connection, owner: Connection
) -> None:
    """HMAC-SHA256, as RFC 2104 has it: in SQL and in Python the same."""
    key = await db.fetchval("select key from scope_key")
    async with owner.transaction():
        there = await owner.fetchval("select transaction_key()")
        await owner.execute(
            "select set_config('muster.scope', $1, true)", f"7,8|9|{sign_scope(key, '7,8', '9', there)}"
        )
        assert await owner.fetchval("select scope_units()") == [7, 8]
        assert await owner.fetchval("select contact_units()") == [9]
        assert await owner.fetchval("select scope_is_partial() and not scope_is_everywhere()")
        await owner.execute("select set_config('muster.scope', $1, true)", f"7,8|9|{sign_scope(key, '7', '9', there)}")
        assert await owner.fetchval("select scope_units()") == []


async def test_the_workers_login_cannot_change_the_key(db: Connection) -> None:
    for attack in ("update scope_key set key = key", "delete from scope_key"):
        with pytest.raises(asyncpg.PostgresError, match="only a function of the database"):
            await db.execute(attack)
