"""The application's login, with all of SQL, can add to the ledgers and take nothing away."""

from __future__ import annotations

import pytest

from core.db import Connection
from messaging.outbox.archive import archive_chunk, ready_year
from messaging.outbox.claim import claim
from messaging.outbox.history import find_history
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.states import State
from tests.support.intruder import erasing, refused, suppressed
from tests.support.known_person import fill
from tests.support.outbox_rows import NOON, add_messages, add_step, dispatcher
from tests.support.past_rows import add_past
from webhooks.members.page_views import PageViews

ME = """'{"kind": "operator", "name": "me"}'"""
SOURCES = (
    "claim", "response", "audit", "suppression_event", "consent_event", "reply_classification", "message_event",
    "message_event_archive",
    "message_event_archive_2026", "message_archive", "message_archive_2026",
)  # fmt: skip


@pytest.fixture
async def intruder(db: Connection) -> Connection:
    """A connection as an intruder, to a database that knows somebody."""
    await fill(db)
    return db


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


async def test_a_future_function_may_be_called_by_nobody(owner: Connection, db: Connection) -> None:
    await owner.execute("create function another() returns int language sql as 'select 1'")
    assert not await db.fetchval(
        "select exists (select from pg_proc p cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        " where p.proname = 'another' and a.grantee = 0)"
    )


@pytest.mark.parametrize("table", SOURCES)
async def test_no_setting_allows_deleting_from_a_ledger(intruder: Connection, table: str) -> None:
    everything = "set local muster.archiving = 'on'; set local muster.erasing = 'on'; set local muster.erased = '{}'"
    assert await intruder.fetchval(f"select count(*) from {table}") > 0, "otherwise this shows nothing"
    for attack in (f"delete from {table}", f"truncate {table}"):
        await refused(intruder, everything, attack)


async def test_a_year_that_is_made_later_is_kept_as_well(intruder: Connection, owner: Connection) -> None:
    await intruder.execute("select make_archive_year(2031)")
    await intruder.execute("insert into message_event_archive values (1, 1, now(), null, 2031, 'worker', null, null)")
    forged = (
        "insert into {} (message_id, step_id, campaign_id, person_id, created_at, changed_at, state, year,"
        " attempt) values (1, 1, 1, 1, now(), now(), 'sent', 2031, 1)"
    )
    assert "only a function of the database" in await refused(intruder, forged.format("message_archive"))
    await owner.execute(forged.format("message_archive"))
    for table in ("message_event_archive_2031", "message_archive_2031"):
        assert "append-only" in await refused(intruder, f"delete from {table}")
    assert "only a function of the database" in await refused(intruder, forged.format("message_archive_2031"))
    assert "append-only" in await refused(intruder, "update message_event_archive_2031 set code = 'x'")


async def test_a_table_of_ones_own_is_not_taken_for_the_owners(intruder: Connection) -> None:
    """A trigger of the intruder's on a table that a function took for the ledger ran as the ledger's owner."""
    await suppressed(intruder, "sms", "+447700900999")
    await suppressed(intruder, "sms", "+447700900999", "lift")
    await intruder.execute(
        "create temp table suppression_event (channel text, address text, message_id bigint, action text,"
        " at timestamptz);"
        "grant all on pg_temp.suppression_event to public;"
        "insert into pg_temp.suppression_event values ('sms', '+447700900999', 1, 'lift', now());"
        "create function pg_temp.rob() returns trigger language plpgsql as"
        " $$ begin perform set_config('robbed.by', current_user, false); return new; end $$;"
        "create trigger rob before update on pg_temp.suppression_event for each row execute function pg_temp.rob()"
    )
    await intruder.execute(erasing("+447700900999"))
    assert not await intruder.fetchval("select current_setting('robbed.by', true)")
    await intruder.execute("drop table pg_temp.suppression_event; drop function pg_temp.rob()")


async def test_a_catalogue_of_ones_own_makes_nobody_the_owner(intruder: Connection) -> None:
    """Without a search path of its own, a trigger asks any temporary table called pg_class who owns the ledger."""
    catalogue = (
        "create temp table pg_class as select c.oid, current_user::regrole::oid as relowner from pg_catalog.pg_class c;"
        "set local muster.archiving = 'on'; set local muster.erasing = 'on'; set local muster.erased = '{\"rows\": 0}'"
    )
    assert "append-only" in await refused(intruder, catalogue, "delete from public.message_event")
    assert "append-only" in await refused(intruder, catalogue, "update public.claim set recorder = 'x'")
    empty = "create temp table message (step_id bigint, sender_id bigint); grant all on pg_temp.message to public"
    senders = "delete from public.sender where sender_id in (select sender_id from public.message)"
    assert "that messages name" in await refused(intruder, empty, senders)


async def test_a_year_goes_when_its_ballots_are_long_closed_and_no_earlier(
    intruder: Connection, owner: Connection
) -> None:
    past = await add_past(owner, "pay-2025", people=8)
    await ready_year(intruder, past.step_id)
    await archive_chunk(intruder, past.step_id, PageViews())
    assert "no year 2031" in await refused(intruder, f"select drop_archive_year(2031, {ME})")
    closed = "update ballot set opens_at = now() - interval '90 days', closes_at = now() - interval '{} days'"
    forget = f"select drop_archive_year(2026, {ME})"
    assert "cannot be deleted yet" in await refused(intruder, closed.format(60), forget)
    assert "were not launched in that year" in await refused(
        intruder, closed.format(62), "update step set launched_at = launched_at - interval '1 year'", forget
    )
    await intruder.execute(closed.format(62))
    await intruder.execute(forget)
    detail = await intruder.fetchval("select detail from audit_shown where action = 'messages.deleted'")
    assert (detail["campaigns"]["pay-2025"], detail["login"]) == (8, await intruder.fetchval("select session_user"))


async def test_only_messages_that_are_over_go_into_the_archive(intruder: Connection) -> None:
    hot = await intruder.fetchval("select max(message_id) from message_event")
    archive = f"select archive_messages(array[{hot}])"
    await intruder.execute("update step set state = 'running'")
    assert "0 of 1" in await refused(intruder, archive)
    waiting = f"update message set state = 'queued' where message_id = {hot}"
    assert "0 of 1" in await refused(intruder, "update step set state = 'finished'", waiting, archive)
    assert "0 of 1" in await refused(intruder, "select archive_messages('{987654321}')")


async def test_no_message_is_made_anew_for_somebody_else(intruder: Connection) -> None:
    """Whoever could write `erased-12` as an address took every provider's words out of the history."""
    message = await intruder.fetchval("select max(message_id) from message")
    archived = await intruder.fetchval("select max(message_id) from message_archive")
    stays = "cannot be changed"
    setting = "set local muster.erasing = 'on'"
    for table, number in (("message", message), ("message_archive", archived), ("message_archive_2026", archived)):
        changes = [
            f"address = 'erased-{number}'",
            "address = 'x@y.example'",
            "person_id = person_id + 1",
            "address = null",
        ]
        changes.append("message_id = default" if table == "message" else "message_id = message_id + 1000")
        for change in changes:
            attack = f"update {table} set {change} where message_id = {number}"
            problem = await refused(intruder, setting, attack)
            assert stays in problem or (change == "address = null" and "check constraint" in problem), (attack, problem)
    links = f"delete from link where message_id = {message}"
    alone = "only a function of the database"
    assert alone in await refused(intruder, links, f"delete from message where message_id = {message}")
    assert alone in await refused(intruder, setting, "set local muster.archiving = 'on'", "delete from message")
    forged = (
        "insert into {} (message_id, step_id, campaign_id, person_id, created_at, changed_at, state, year,"
        " attempt, channel, address) select message_id, step_id, campaign_id, person_id, now(), now(), 'sent', 2026,"
        f" 1, channel, 'erased-' || message_id from message where message_id = {message}"
    )
    for table in ("message_archive", "message_archive_2026"):
        assert alone in await refused(intruder, forged.format(table))


async def first_try(db: Connection, *, accepted: bool) -> int:
    """A message of a step by people's dates that a worker has on the wire, or that its provider simply accepted."""
    step = await add_step(db, dated="before", send_before=NOON.replace(year=2030))
    (only,) = await add_messages(db, step, "email", ["a@x.test"], date_at=NOON.replace(year=2029))
    (taken,) = (await claim(db, step.due("email"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))).messages
    intent = Intent(only, taken.attempt, None, None, "smtp")
    assert await record_outcomes(db, [], [intent], source="smtp", now=NOON) == {only: State.SENDING}
    if accepted:
        outcome = Outcome(only, taken.attempt, State.ACCEPTED, code="250 yes", provider_id="PM1")
        await record_outcomes(db, [outcome], [], source="smtp", now=NOON)
        assert await db.fetchval("select accepted_reply from message where message_id = $1", only) == "250 yes"
    return only


@pytest.mark.parametrize(
    "attack",
    [
        "update message set wire_at = null, provider_id = null, sent_at = null, accepted_reply = null",
        "update message set wire_at = null, provider_id = null, accepted_reply = ''",
        "update message set wire_at = now() - interval '9 days', sent_at = now() - interval '9 days'",
        "update message set accepted_reply = '250 no', provider = 'other', attempt = 7, dispatcher_id = 7",
        "update message set state = 'queued', wire_at = null, provider_id = null, sent_at = null",
    ],
)
async def test_what_only_columns_say_of_a_first_try_stays_in_the_history(db: Connection, attack: str) -> None:
    only = await first_try(db, accepted=True)
    before = await find_history(db, only)
    assert [(event.state, event.code) for event in before[-2:]] == [("sending", None), ("accepted", "250 yes")]
    await db.execute(f"{attack} where message_id = {only}")
    assert await find_history(db, only) == before
    moves = f"update message set address = 'b@x.test' where message_id = {only}"
    assert "cannot be changed" in await refused(db, "delete from provider_message; delete from message_try", moves)


@pytest.mark.parametrize(
    "attack",
    [
        "delete from in_flight",
        "update in_flight set wire_at = null; delete from in_flight",
        "update in_flight set message_id = 987654321",
        "insert into queue select message_id, queue_id, not_before, date_at, 0 from in_flight; delete from in_flight",
    ],
)
async def test_what_was_on_the_wire_stays_in_the_history(db: Connection, attack: str) -> None:
    only = await first_try(db, accepted=False)
    before = await find_history(db, only)
    assert before[-1].state == "sending"
    await db.execute(attack)
    assert await find_history(db, only) == before
    moves = f"update message set address = 'b@x.test' where message_id = {only}"
    assert "cannot be changed" in await refused(db, moves)


async def test_no_guard_costs_sending_a_lock_on_each_message(intruder: Connection) -> None:
    """PostgreSQL locks a row, and logs that, before it asks whether a trigger that fires before concerns the update."""
    before_each_row = "tgtype & 1 = 1 and tgtype & 2 = 2 and tgtype & 16 = 16"
    rows_found = await intruder.fetch(
        f"select tgname from pg_trigger where tgrelid = 'message'::regclass and {before_each_row}"
    )
    assert rows_found == []
