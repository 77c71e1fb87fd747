"""The application's login can erase a person, and empties only that person's data in the ledgers."""

from __future__ import annotations

import asyncpg
import pytest

from core.db import Connection
from tests.support.intruder import erasing, member, refused, suppressed
from tests.support.known_person import MAILBOX, NEAR_MAILBOX, NEAR_PHONE, NEIGHBOUR, NUMBER, PHONE, REP, WORK, fill
from tests.support.rows import row_of


@pytest.fixture
async def intruder(db: Connection) -> Connection:
    """A connection as an intruder, to a database that knows somebody."""
    await fill(db)
    return db


async def test_an_erasure_takes_only_data_from_before_its_transaction(intruder: Connection) -> None:
    """Addresses taken away for a moment, and forged digests, used to empty the whole ledger of opt-outs."""
    neighbour = await member(intruder, NEIGHBOUR)
    digests = (
        "insert into suppression_digest (digest, key, channel, purpose, reason, since)"
        " select sha256(event_id::text::bytea), 'forged', channel, purpose, reason, at from suppression_event"
    )
    everybodys = (
        f"insert into address (person_id, channel, address) select distinct {neighbour}, channel, address"
        " from suppression_event where channel <> 'person' on conflict do nothing"
    )
    first = "has written or locked something already"
    for before in (
        (digests, "delete from suppression", "delete from address"),
        (digests, "delete from address", everybodys),
        (f"select from person where person_id = {neighbour} for update",),
        ("savepoint one", "delete from address", "rollback to one"),
    ):
        for attack in (erasing(neighbour), erasing(PHONE), erasing(MAILBOX, "email")):
            assert first in await refused(intruder, *before, attack), before
    assert "has begun no erasure" in await refused(intruder, "select finish_erasure()")
    assert "has begun no erasure" in await refused(
        intruder, f"select begin_erasure({neighbour})", "select finish_erasure()", "select finish_erasure()"
    )


async def test_a_begun_erasure_is_finished_in_its_transaction(intruder: Connection) -> None:
    neighbour = await member(intruder, NEIGHBOUR)
    begun = f"select begin_erasure({neighbour})"
    assert "not finished" in await refused(intruder, begun, "set constraints all immediate")
    with pytest.raises(asyncpg.RaiseError, match="not finished"):
        await intruder.execute(begun)
    forged = (
        "insert into erasure (transaction, number, channels, addresses, archived)"
        " values (pg_current_xact_id(), '', '{sms}', '{+447700900471}', '{}')"
    )
    for attack in (forged, "update erasure set addresses = '{x}'", "delete from erasure"):
        assert "only a function of the database" in await refused(intruder, attack)


async def test_a_persons_id_is_not_erased_as_an_address(intruder: Connection) -> None:
    assert "belongs to a member" in await refused(intruder, erasing(PHONE))
    assert "ever sent" in await refused(intruder, erasing("+447700900997"))
    archived = await intruder.fetchval("select max(message_id) from message_archive")
    elsewhere = f"select begin_erasure_at('sms', '+447700900997', '{{{archived}}}')"
    assert "was not sent to that address" in await refused(intruder, elsewhere)
    assert "erased already" in await refused(intruder, erasing(987654321))
    for address in ("a", "@", "%", "0", "+1", ".", ".@.", "@x.example", "a@", "a@x", "a b@x.example", "+0123456789"):
        for channel in ("sms", "email", "person"):
            assert "not an address" in await refused(intruder, erasing(address, channel))


async def test_an_erasure_of_too_many_addresses_is_refused(intruder: Connection) -> None:
    """An erasure leaves one row in the audit, so it is of one person."""
    neighbour = await member(intruder, NEIGHBOUR)
    await intruder.execute(
        "insert into address (person_id, channel, address)"
        f" select {neighbour}, 'email', 'm' || n || '@union.example' from generate_series(1, 101) as n"
    )
    assert "more than the 100" in await refused(intruder, erasing(neighbour))


async def test_digits_of_a_count_are_not_taken_for_an_address(intruder: Connection) -> None:
    """Any three digits used to find every row that counts so many messages."""
    await intruder.execute(
        "select record_audit($1, 'campaign.launched', 'campaign 471', $2)",
        {"kind": "operator", "name": "olga"},
        {"messages": 471, "of": "471"},
    )
    for address in ("471", "00471", "+44471471471"):
        await suppressed(intruder, "sms", address)
        await suppressed(intruder, "sms", address, "lift")
        await intruder.execute(erasing(address))
    row = await intruder.fetchrow("select subject, detail from audit_shown where action = 'campaign.launched'")
    assert row is not None
    assert (row["subject"], row["detail"]["messages"]) == ("campaign 471", 471)


async def test_dates_and_counts_are_not_taken_for_phone_numbers(intruder: Connection) -> None:
    """A number that was made up for it used to empty the dates and counts of rows about others."""
    rows = (
        ("people.left", "person 987", {"on": "2026-11-29"}),
        ("ballot.moved", "ballot pay", {"closes_at": "2026-12-01 17:00:00", "at": "2026-12-01T17:00:00+00:00"}),
        ("campaign.launched", "campaign 1202611", {"messages": 12345678, "of": "12345678", "sha": "ab07700900123cd"}),
        ("staff.signed_in", "from 10.20.30.41 : 8080", {"ip": "10.20.30.41:8080", "id": "SM07700900123"}),
    )
    for action, subject, detail in rows:
        await intruder.execute(
            "select record_audit($1, $2, $3, $4)", {"kind": "operator", "name": "root"}, action, subject, detail
        )
    for number in (
        "+20261129", "+20261201170000", "+12345678", "+1202611", "+10203041", "+102030418080", "+447700900123",
        "20261129", "12345678",
    ):  # fmt: skip
        await suppressed(intruder, "sms", number)
        await suppressed(intruder, "sms", number, "lift")
        await intruder.execute(erasing(number))
    kept = await intruder.fetch(
        "select action, subject, detail from audit_shown where actor = 'root' order by audit_id"
    )
    assert [tuple(row) for row in kept] == list(rows)


async def test_an_opt_out_recorded_nowhere_else_is_kept(intruder: Connection) -> None:
    for channel, address in (("email", WORK), ("sms", NEAR_PHONE), ("email", REP)):
        await suppressed(intruder, channel, address)
    await intruder.execute("delete from address; delete from suppression")
    for channel, address in (("email", WORK), ("sms", NEAR_PHONE), ("email", REP)):
        assert "has not been stored" in await refused(intruder, erasing(address, channel))
    await suppressed(intruder, "email", REP, "lift")
    await intruder.execute(erasing(REP, "email"))  # nothing of theirs stands


async def test_the_history_of_a_living_member_loses_an_address_at_most(intruder: Connection) -> None:
    """Whoever took a member's address away, and gave it back afterwards, had their whole history emptied."""
    person = await member(intruder, NUMBER)
    message = await intruder.fetchval(
        "select max(message_id) from message where person_id = $1 and address = $2", person, MAILBOX
    )
    await intruder.execute(
        "insert into message_event (message_id, state, source, code, detail)"
        " values ($1, 'bounced', 'smtp', '5.1.1', $2)",
        message, {"words": f"550 {MAILBOX}: no such user"},
    )  # fmt: skip
    await intruder.execute(
        "delete from address where address = $1", MAILBOX,
    )  # fmt: skip
    await intruder.execute("delete from suppression_digest")
    await intruder.execute(
        "insert into suppression_digest (digest, key, channel, purpose, reason, since)"
        " select sha256(event_id::text::bytea), 'forged', channel, purpose, reason, at from suppression_event"
    )
    await intruder.execute(erasing(MAILBOX, "email"))
    text = "select code, detail from message_event where message_id = $1 order by event_id desc limit 1"
    assert tuple(await row_of(intruder, text, message)) == ("5.1.1", {"words": "550 erased: no such user"})
    await intruder.execute("select empty_late_words(array(select message_id from message_event))")
    code, detail = await row_of(intruder, text, message)
    assert (code, "words" in detail) == ("5.1.1", True)
    forged = (
        f"insert into erased_message (message_id) values ({message}) on conflict (message_id) do update set upto = 0"
    )
    assert "only a function of the database" in await refused(intruder, forged)
    assert "only a function of the database" in await refused(intruder, "update erased_message set upto = 0")
    row = await intruder.fetchrow("select actor, subject, detail from audit_shown order by audit_id desc limit 1")
    assert row is not None
    assert (row["actor"], row["subject"]) == ("database", "an address"), "it leaves a trace"


async def test_the_id_of_an_archived_message_is_used_once(intruder: Connection) -> None:
    """A new message of that number, to somebody else, would be erased together with the history of the first."""
    archived = await intruder.fetchval("select max(message_id) from message_archive")
    await intruder.execute(
        "insert into message_event_archive (message_id, event_id, at, year, source, code, detail)"
        " values ($1, 99, now(), 2026, 'smtp', '5.1.1', $2)", archived, {"words": "550 no such user"},
    )  # fmt: skip
    neighbour = await member(intruder, NEIGHBOUR)
    await suppressed(intruder, "sms", NEAR_PHONE, "lift")
    await suppressed(intruder, "email", NEAR_MAILBOX, "lift")
    step = await intruder.fetchval("update step set state = 'finished' returning step_id")
    await intruder.execute(
        "insert into message (message_id, step_id, campaign_id, person_id, channel, address, state)"
        " overriding system value values ($1, $2, 1, $3, 'sms', $4, 'failed')", archived, step, neighbour, NEAR_PHONE,
    )  # fmt: skip
    assert "0 of 1" in await refused(intruder, f"select archive_messages('{{{archived}}}')")
    await intruder.execute(erasing(neighbour))
    await intruder.execute("select empty_late_words($1)", [archived])
    said = await intruder.fetchval(
        "select detail ->> 'words' from message_event_archive where message_id = $1 and event_id = 99", archived
    )
    assert said == "550 no such user"


async def test_a_person_cannot_be_erased_by_hand(intruder: Connection) -> None:
    """One statement made anybody erased, and another gave the name back when the ledgers were empty."""
    alone = "only a function of the database"
    assert alone in await refused(intruder, "update person set erased_at = now() where external_id = 'N0'")
    assert alone in await refused(
        intruder, "insert into person (external_id, erased_at) values ('erased-0000000000000000', now())"
    )
    change = "update person set person_id = default where external_id = 'N0'"
    assert "cannot be changed" in await refused(intruder, change)
    neighbour = await member(intruder, NEIGHBOUR)
    olga = {"kind": "operator", "name": "olga"}
    await intruder.execute("select record_audit($1, 'people.searched', 'x')", olga)
    await suppressed(intruder, "sms", NEAR_PHONE, "lift")
    await suppressed(intruder, "email", NEAR_MAILBOX, "lift")
    await intruder.execute(erasing(neighbour))
    for back in (
        "update person set erased_at = null", "update person set erased_at = erased_at + interval '1 day'",
        "update person set first_name = 'Cat'", f"update person set external_id = '{NEIGHBOUR}'", "delete from person",
    ):  # fmt: skip
        assert "cannot be undone" in await refused(intruder, f"{back} where person_id = {neighbour}"), back
    row = await intruder.fetchrow(
        "select actor, action, subject, detail from audit_shown order by audit_id desc limit 1"
    )
    assert row is not None
    assert (row["actor"], row["action"], row["subject"]) == ("database", "ledgers.emptied", f"person {neighbour}")
    assert row["detail"]["login"] == await intruder.fetchval("select session_user")


async def test_the_audit_of_other_people_is_unchanged(intruder: Connection) -> None:
    """A number that was taken away for a moment, and a lift at a made-up moment, emptied rows about others."""
    rows = (
        ("people.left", "1003", {"on": "2026-11-01"}),
        ("people.left", "person 987", {"on": "2026-11-01"}),
        ("messages.resumed", "sms ***", {"source": "staff"}),
        ("staff.added", "olga@union.example", {"by": "olga@union.example"}),
        ("staff.added", "root@union.example", {"by": "root@union.example"}),
    )
    await intruder.execute("insert into staff (email, name) values ('Olga@union.example', 'Olga')")
    for action, subject, detail in rows:
        await intruder.execute(
            "select record_audit($1, $2, $3, $4, '2026-11-01')", {"kind": "operator", "name": "root@union.example"},
            action, subject, detail,
        )  # fmt: skip
    neighbour = await member(intruder, NEIGHBOUR)
    await intruder.execute("update person set external_id = '1003' where person_id = $1", neighbour)
    for address in ("olga@union.example", "root@union.example"):
        await intruder.execute(
            "insert into address (person_id, channel, address) values ($1, 'email', $2)", neighbour, address
        )
    for channel, address in (("sms", NEAR_PHONE), ("email", NEAR_MAILBOX)):
        await suppressed(intruder, channel, address, "lift")
    await intruder.execute(
        "insert into suppression_event (channel, address, purpose, action, reason, source, at)"
        " values ('sms', $1, 'all', 'lift', 'opted_in', 'x', '2026-11-01')", NEAR_PHONE,
    )  # fmt: skip
    await intruder.execute(erasing(neighbour))
    kept = await intruder.fetch(
        "select action, subject, detail from audit_shown where actor = 'root@union.example' order by audit_id"
    )
    assert [tuple(row) for row in kept] == list(rows)


async def test_every_erasure_is_recorded_by_the_ledgers_triggers(intruder: Connection) -> None:
    stranger = "+447700900998"
    await suppressed(intruder, "sms", stranger)
    await suppressed(intruder, "sms", stranger, "lift")
    await intruder.execute(
        "select record_audit($1, 'people.searched', $2)",
        {"kind": "operator", "name": "olga"},
        f"about {stranger} and others",
    )
    await intruder.execute(erasing(stranger))
    assert (
        await intruder.fetchval("select subject from audit_shown where action = 'people.searched'")
        == "about erased and others"
    )
    row = await intruder.fetchrow("select actor, subject, detail from audit_shown where action = 'ledgers.emptied'")
    assert row is not None
    assert (row["actor"], row["subject"], row["detail"]["rows"]) == ("database", "an address", 3)
    assert "ever sent" in await refused(intruder, erasing(stranger)), "nothing is left of them"
