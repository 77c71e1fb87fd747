"""Whoever has the application's login, and all of SQL, can add to the ledgers and take nothing away."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from core.db import Connection
from messaging.outbox.archive import archive_chunk, ready_year
from tests.support.known_person import NEAR_PHONE, NUMBER, PHONE, REP, WORK, fill
from tests.support.past_rows import add_past
from tests.support.rows import row_of
from webhooks.members.page_views import PageViews

PRIVILEGES = """
create role intruder;
grant usage on schema public to intruder;
grant select, insert, update, delete on all tables in schema public to intruder;
grant usage, select on all sequences in schema public to intruder;
grant execute on all functions in schema public to intruder;
set local role intruder
"""
"""What the embedded server's `muster` has: see muster/embedded/roles.psql."""
SOURCES = (
    "claim", "audit", "suppression_event", "consent_event", "reply_classification", "message_event",
    "message_event_archive",
    "message_event_archive_2026", "message_archive", "message_archive_2026",
)  # fmt: skip
REFUSED = (asyncpg.RaiseError, asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError)


@pytest.fixture
async def intruder(db: Connection) -> AsyncIterator[Connection]:
    """A login like the application's, in a database that knows somebody; what it does is never committed."""
    await fill(db)
    transaction = db.transaction()
    await transaction.start()
    await db.execute(PRIVILEGES)
    yield db
    await transaction.rollback()


async def refused(db: Connection, *statements: str) -> str:
    """What the last of these statements is refused with; those before it may do what they like."""
    *before, attack = statements
    transaction = db.transaction()
    await transaction.start()
    try:
        for statement in before:
            await db.execute(statement)
        with pytest.raises(REFUSED) as error:
            await db.execute(attack)
    finally:
        await transaction.rollback()
    return str(error.value)


def erasing(
    who: str = "null", number: str = "", address: str = "", messages: str = "'{}'", channel: str = "sms"
) -> str:
    """A call of the erasing function."""
    given = "'{}', '{}'" if not address else f"'{{{channel}}}', array['{address}']"
    return f"select erase_personal_detail({who}, '{number}', {given}, {messages}::bigint[])"


async def test_functions_with_owners_rights_find_the_owners_tables_and_are_nobodys(db: Connection) -> None:
    loose = await db.fetch(
        "select oid::regprocedure::text as name, prosecdef, proconfig, proacl::text from pg_proc"
        " where pronamespace = 'public'::regnamespace"
        " and (prosecdef or prorettype = 'trigger'::regtype or proconfig is not null)"
        " and (coalesce(proconfig, '{}') <> '{\"search_path=public, pg_temp\"}'"
        "   or prosecdef and (proacl is null or exists ("
        "     select from aclexplode(proacl) as a where a.grantee = 0 and a.privilege_type = 'EXECUTE')))"
    )
    assert loose == [], "set search_path = public, pg_temp on it, and revoke all on it from public"
    assert (
        await db.fetchval("select count(*) from pg_proc where prosecdef and pronamespace = 'public'::regnamespace") > 4
    )


async def test_a_function_that_is_yet_to_come_is_nobodys_either(db: Connection) -> None:
    await db.execute("create function another() returns int language sql as 'select 1'")
    assert not await db.fetchval(
        "select exists (select from pg_proc p cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        " where p.proname = 'another' and a.grantee = 0)"
    )


@pytest.mark.parametrize("table", SOURCES)
async def test_nothing_leaves_a_ledger_whatever_is_set(intruder: Connection, table: str) -> None:
    everything = "set local muster.archiving = 'on'; set local muster.erasing = 'on'; set local muster.erased = '{}'"
    assert await intruder.fetchval(f"select count(*) from {table}") > 0, "otherwise this shows nothing"
    for attack in (f"delete from {table}", f"truncate {table}"):
        await refused(intruder, everything, attack)


async def test_a_year_that_is_made_later_is_kept_as_well(intruder: Connection) -> None:
    await intruder.execute("select make_archive_year(2031)")
    await intruder.execute("insert into message_event_archive values (1, 1, now(), null, 2031, 'worker', null, null)")
    await intruder.execute(
        "insert into message_archive (message_id, step_id, campaign_id, person_id, created_at, changed_at, state, year,"
        " attempt) values (1, 1, 1, 1, now(), now(), 'sent', 2031, 1)"
    )
    await intruder.execute("reset role; grant all on all tables in schema public to intruder; set local role intruder")
    for table in ("message_event_archive_2031", "message_archive_2031"):
        assert "append-only" in await refused(intruder, f"delete from {table}")
    assert "append-only" in await refused(intruder, "update message_event_archive_2031 set code = 'x'")


async def test_a_table_of_ones_own_is_not_taken_for_the_owners(intruder: Connection) -> None:
    """A trigger of the intruder's on a table that a function took for the ledger ran as the ledger's owner."""
    await intruder.execute(
        "create temp table suppression_event (channel text, address text, message_id bigint, action text,"
        " at timestamptz);"
        "grant all on pg_temp.suppression_event to public;"
        "insert into pg_temp.suppression_event values ('sms', '+447700900999', 1, 'lift', now());"
        "create function pg_temp.rob() returns trigger language plpgsql as"
        " $$ begin perform set_config('robbed.by', current_user, false); return new; end $$;"
        "create trigger rob before update on pg_temp.suppression_event for each row execute function pg_temp.rob()"
    )
    await intruder.execute(erasing(address="+447700900999"))
    assert not await intruder.fetchval("select current_setting('robbed.by', true)")


async def test_a_catalogue_of_ones_own_makes_nobody_the_owner(intruder: Connection) -> None:
    """Without a search path of its own, a trigger asks any temporary table called pg_class who owns the ledger."""
    catalogue = (
        "create temp table pg_class as select c.oid, 'intruder'::regrole::oid as relowner from pg_catalog.pg_class c;"
        "set local muster.archiving = 'on'; set local muster.erasing = 'on'; set local muster.erased = '{\"rows\": 0}'"
    )
    assert "append-only" in await refused(intruder, catalogue, "delete from public.message_event")
    assert "append-only" in await refused(intruder, catalogue, "update public.claim set recorder = 'x'")
    empty = "create temp table message (step_id bigint, sender_id bigint); grant all on pg_temp.message to public"
    senders = "delete from public.sender where sender_id in (select sender_id from public.message)"
    assert "that messages name" in await refused(intruder, empty, senders)


async def test_who_is_not_being_erased_is_not_touched(intruder: Connection) -> None:
    person, message = await row_of(
        intruder, "select person_id, (select max(m.message_id) from message m where m.person_id = p.person_id)"
        " from person p where external_id = $1", NUMBER,
    )  # fmt: skip
    archived = await intruder.fetchval("select max(message_id) from message_archive")
    assert "not being erased" in await refused(intruder, erasing(who=str(person)))
    assert "somebody's" in await refused(intruder, erasing(number=NUMBER))
    assert "somebody's" in await refused(intruder, erasing(address=PHONE))
    assert "not theirs" in await refused(intruder, erasing(messages=f"array[{message}]"))
    assert "not theirs" in await refused(intruder, erasing(messages=f"array[{archived}]"))
    assert "not theirs" in await refused(intruder, erasing(messages="array[987654321]"))
    for address in ("a", "@", "%", "0", "+1", ".", ".@.", "@x.example", "a@", "a@x", "a b@x.example", "+0123456789"):
        for channel in ("sms", "email", "person"):
            assert "no address" in await refused(intruder, erasing(address=address, channel=channel))


async def test_digits_of_a_count_are_no_address(intruder: Connection) -> None:
    """Any three digits used to find every row that counts so many messages."""
    await intruder.execute(
        "insert into audit (actor, action, subject, detail) values ('olga', 'campaign.launched', 'campaign 471',"
        ' \'{"messages": 471, "of": "471"}\')'
    )
    for address in ("471", "00471", "+44471471471"):
        await intruder.execute(erasing(address=address))
    row = await intruder.fetchrow("select subject, detail from audit where action = 'campaign.launched'")
    assert row is not None
    assert (row["subject"], row["detail"]["messages"]) == ("campaign 471", 471)


async def test_an_opt_out_that_stands_nowhere_else_stays(intruder: Connection) -> None:
    for channel, address in (("email", WORK), ("sms", NEAR_PHONE), ("email", REP)):
        await intruder.execute(
            "insert into suppression_event (channel, address, purpose, action, reason, source)"
            " values ($1, $2, 'all', 'suppress', 'opted_out', 'x')", channel, address,
        )  # fmt: skip
        freed = f"delete from address where address = '{address}'; delete from suppression"
        assert "no digest" in await refused(intruder, freed, erasing(address=address, channel=channel))
    lifted = (
        "insert into suppression_event (channel, address, purpose, action, reason, source)"
        f" values ('email', '{REP}', 'all', 'lift', 'opted_in', 'x')"
    )
    await intruder.execute(lifted)
    await intruder.execute(erasing(address=REP, channel="email"))  # nothing of theirs stands


async def test_nobody_can_say_that_a_message_was_emptied(intruder: Connection) -> None:
    """Whoever could write `erased-12` as an address took every provider's words out of the history."""
    message, person = await intruder.fetchrow("select max(message_id), max(person_id) from message") or (0, 0)
    archived = await intruder.fetchval("select max(message_id) from message_archive")
    stays = "went where it went"
    setting = "set local muster.erasing = 'on'"
    for table, number in (("message", message), ("message_archive", archived), ("message_archive_2026", archived)):
        for change in (
            f"address = 'erased-{number}'",
            "address = 'x@y.example'",
            "person_id = person_id + 1",
            "address = null",
        ):
            attack = f"update {table} set {change} where message_id = {number}"
            assert stays in await refused(intruder, setting, attack), attack
    given = f"null, '{{sms}}', '{{+447700900999}}', array[{message}]"
    assert "not theirs" in await refused(intruder, f"select erase_places({given})")
    erased = f"update person set erased_at = now() where person_id = {person}"
    assert "not being erased" in await refused(
        intruder, erased, f"select erase_places({person}, '{{}}', '{{}}', array[{message}])"
    ), "with a name, whoever it is"
    forged = (
        "insert into message_archive (message_id, step_id, campaign_id, person_id, created_at, changed_at, state, year,"
        f" attempt, channel, address) select message_id, step_id, campaign_id, person_id, now(), now(), 'sent', 2026,"
        f" 1, channel, 'erased-' || message_id from message where message_id = {message}"
    )
    assert "not been emptied" in await refused(intruder, forged, erasing(messages=f"array[{message}]"))


async def test_who_was_erased_stays_erased(intruder: Connection) -> None:
    erase = "update person set erased_at = now() where external_id = 'N0'"
    for back in ("erased_at = null", "erased_at = erased_at + interval '1 day'"):
        assert "stays so" in await refused(intruder, erase, f"update person set {back} where external_id = 'N0'")


async def test_an_erasure_by_hand_is_written_down_by_the_ledgers_themselves(intruder: Connection) -> None:
    stranger = "+447700900998"
    await intruder.execute(
        f"insert into audit (actor, action, subject) values ('olga', 'asked', 'about {stranger} and others')"
    )
    await intruder.execute(erasing(address=stranger))
    assert await intruder.fetchval("select subject from audit where action = 'asked'") == "about erased and others"
    row = await intruder.fetchrow("select actor, subject, detail from audit where action = 'ledgers.emptied'")
    assert row is not None
    assert (row["actor"], row["subject"], row["detail"]["rows"]) == ("database", "an address", 1)
    await intruder.execute(erasing(address=stranger))
    assert await intruder.fetchval("select count(*) from audit where action = 'ledgers.emptied'") == 1, "nothing to say"


async def test_a_year_goes_when_its_ballots_are_long_closed_and_no_earlier(intruder: Connection) -> None:
    await intruder.execute("reset role")
    past = await add_past(intruder, "pay-2025", people=8)
    await ready_year(intruder, past.step_id)
    await archive_chunk(intruder, past.step_id, PageViews())
    await intruder.execute("set local role intruder")
    assert "no year 2031" in await refused(intruder, "select drop_archive_year(2031, 'me')")
    closed = "update ballot set opens_at = now() - interval '90 days', closes_at = now() - interval '{} days'"
    forget = "select drop_archive_year(2026, 'me')"
    assert "cannot be forgotten yet" in await refused(intruder, closed.format(60), forget)
    assert "were not launched then" in await refused(
        intruder, closed.format(62), "update step set launched_at = launched_at - interval '1 year'", forget
    )
    await intruder.execute(closed.format(62))
    await intruder.execute(forget)
    detail = await intruder.fetchval("select detail from audit where action = 'forget'")
    assert (detail["campaigns"]["pay-2025"], detail["login"]) == (8, await intruder.fetchval("select session_user"))


async def test_history_follows_its_messages_and_goes_nowhere_else(intruder: Connection) -> None:
    hot = await intruder.fetchval("select max(message_id) from message_event")
    assert "0 of 1 are there" in await refused(intruder, f"select archive_history(array[{hot}])")
    forged = (
        "insert into message_archive (message_id, step_id, campaign_id, person_id, created_at, changed_at, state, year,"
        f" attempt) select message_id, step_id, campaign_id, person_id, now(), now(), 'sent', 2031, 1 from message"
        f" where message_id = {hot}"
    )
    steps = (
        "select make_archive_year(2031)", forged, f"delete from link where message_id = {hot}",
        f"delete from message where message_id = {hot}", "update step set state = 'finished'",
    )  # fmt: skip
    assert "0 of 1 are there" in await refused(intruder, *steps, f"select archive_history(array[{hot}])")
