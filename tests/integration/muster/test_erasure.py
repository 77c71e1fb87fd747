"""Somebody who asks for it is gone from every column of every table, and nothing that is counted changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ballots.counts import find_differences, find_totals, refresh_reach
from campaigns.erasure import begin_erasure, find_traces, renamed
from core.audit import seal, verify
from core.db import Connection, Pool
from core.errors import Conflict, NotFound
from core.runtime import Runtime
from messaging.outbox.counts import step_counts
from messaging.suppression import active_suppressions, suppress
from messaging.suppression_digests import DigestKeys
from muster import erasure
from muster.operator import operator
from people.lists.suppression_lookup import find_suppression
from people.people import find_person
from tests.support.electorate import NOW, add_person
from tests.support.known_person import MAILBOX, NUMBER, PHONE, fill
from tests.support.traces import found_in

SPEAKS: frozenset[str] = frozenset(
    {
        "address", "alert", "audit_detail", "campaign", "claim", "consent_event", "erased_place", "inbound_log",
        "inbound_mail", "inbound_malformed", "message", "message_archive_2026", "message_event",
        "message_event_archive_2026", "sent_once", "page_view", "person", "reply", "response", "response_comment",
        "soft_bounce", "suppression", "suppression_event", "transactional", "webhook_delivery", "webhook_event",
    }
)  # fmt: skip
"""Tables that say something of people; the test below puts the person into each."""
SILENT: frozenset[str] = frozenset(
    {
        "api_key", "attribute", "audit", "audit_seal", "backfill_position", "ballot", "ballot_unit", "claim_status",
        "consent", "count_change", "date_change", "dated_step", "dispatcher", "elector", "erased_message",
        "erased_subject", "erasure", "event_source_position", "feed_backlog", "followed_state", "goal", "goal_met",
        "in_flight", "inbound_digest", "link", "member_import",
        "message_archive", "message_count", "message_event_archive", "message_exception", "message_try", "notice",
        "outbox_move",
        "passkey_challenge", "provider_message",
        "question", "question_answer", "queue",
        "reply_classification", "reported_status", "response_count", "response_status", "schema_migrations",
        "scope_key", "sender", "sign_in", "sign_in_backoff", "sns_certificate", "staff", "staff_grant",
        "staff_invitation",
        "staff_passkey", "staff_recovery_code", "staff_session", "staff_totp", "staged_person", "staged_unit", "step",
        "step_total", "suppression_digest", "turnout_change", "turnout_export", "unit", "unread_mail",
        "webhook_subscription",
    }
)  # fmt: skip
"""Tables that hold ids, digests and what is the same for everybody; `staged_…` are empty but during an import."""


SOURCES = (
    "claim",
    "response",
    "response_status",
    "suppression_event",
    "consent_event",
    "message",
    "message_archive",
    "reply",
    "claim_status",
)


async def counted(db: Connection, campaign_id: int) -> dict[str, Any]:
    """Everything that a report shows, but for whom an open ballot can still reach."""
    (ballot_id,) = await db.fetchrow("select ballot_id from ballot") or (0,)
    await refresh_reach(db, ballot_id)
    turnout = {name: n for name, n in (await find_totals(db, ballot_id)).items() if not name.startswith("reach")}
    return {
        "turnout": turnout,
        "recount": await find_differences(db, ballot_id),
        "steps": [step for step in await step_counts(db, campaign_id) if step.position < 3],  # the third waits
        "archived": [tuple(row) for row in await db.fetch("select * from step_total order by 1, 2, 3")],
        "opened": await db.fetchval("select count(*) from page_view where agent = 'browser'"),
        "answers": [tuple(row) for row in await db.fetch("select answer, sum(n) from response_count group by 1")],
        "readings": [tuple(row) for row in await db.fetch("select reading, count(*) from reply group by 1")],
        "ledgers": {table: await db.fetchval(f"select count(*) from {table}") for table in SOURCES},
    }


async def test_every_table_says_either_something_of_people_or_nothing(db: Connection) -> None:
    tables = {
        row["relname"]
        for row in await db.fetch(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        )
    }
    assert tables - SPEAKS - SILENT == set(), (
        "say in this test what a new table holds, and see to it that erasure knows it"
    )


async def test_nothing_leads_to_an_erased_person_and_every_count_stays(runtime: Runtime, db: Connection) -> None:
    person, step = await fill(db)
    assert await found_in(db) == SPEAKS
    before = await counted(db, step.campaign_id)
    await seal(db)

    done = await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))

    assert await found_in(db) == set()
    audit = await verify(db)
    assert (audit.problems, audit.erased > 2) == ((), True), "emptied rows are known by the row of the erasure"
    before["ledgers"]["suppression_event"] += 1  # that they were erased
    assert await counted(db, step.campaign_id) == before
    assert (done["messages"], done["archived_messages"], done["replies"], done["withdrawn"]) == (2, 1, 2, 1)
    row = await db.fetchrow("select * from audit_shown where action = 'people.erased'")
    assert row is not None
    assert (row["actor"], row["subject"], row["detail"]["messages"]) == ("olga", f"person {person}", 2)
    assert await db.fetchval("select subject from audit_shown where subject = 'campaign nudges'")
    assert [tuple(row) for row in await db.fetch("select state::text, reason from message order by message_id")] == [
        ("delivered", None), ("suppressed", "erased"),
    ]  # fmt: skip
    assert not await db.fetchval("select count(*) from link")
    with pytest.raises(NotFound):
        await find_person(db, NUMBER)
    with pytest.raises(NotFound):
        await erasure.look_for(runtime, NUMBER)


async def test_ledgers_refuse_every_other_change(db: Connection) -> None:
    await fill(db)
    refused = [
        "update claim set kind = 'refused'", "update claim set recorder = 'x'", "delete from claim",
        "update response set recorder = 'x'", "delete from response", "update response_comment set comment = 'x'",
        "update audit_detail set detail = '{}'", "update audit set actor = 'x'", "delete from audit",
        "update suppression_event set address = 'x'", "delete from suppression_event where false",
        "update consent_event set wording = ''", "delete from consent_event", "update message_event set code = 'x'",
        "delete from message_event", "update message_event_archive set code = 'x'", "delete from message_event_archive",
    ]  # fmt: skip
    for change in refused:
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await db.execute(change)
    for change in ("update claim set kind = 'refused'", "update suppression_event set at = now()", "delete from audit",
                   "update message_event set state = null", "update audit set actor = 'x'"):  # fmt: skip
        async with db.transaction():
            await db.execute("set local muster.erasing = 'on'")
            with pytest.raises(asyncpg.RaiseError, match="append-only"):
                async with db.transaction():
                    await db.execute(change)


async def test_nobody_but_the_owner_of_a_ledger_can_pass_for_an_erasure(db: Connection) -> None:
    await fill(db)
    transaction = db.transaction()
    await transaction.start()
    await db.execute("set local muster.erasing = 'on'")
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await db.execute("update audit_detail set detail = '{}'")
    await transaction.rollback()


async def test_somebody_in_no_member_file_is_erased_by_address(runtime: Runtime, db: Connection) -> None:
    stranger = "+447700900777"
    await suppress(db, channel="sms", address=stranger, reason="opted_out", source="twilio")
    inbound_id = await db.fetchval(
        "insert into inbound_log (source, dedupe_key, subject, payload, state)"
        " values ('twilio_inbound', 'SM1', $1, $2, 'done')"
        " returning inbound_id", f"phone:{stranger}", {"form": {"From": stranger, "Body": "who is this"}},
    )  # fmt: skip
    await db.execute(
        "insert into reply (inbound_id, channel, address, sender, text, reading, rule, rule_version)"
        " values ($1, 'sms', $2, 'us', 'who is this', 'unclear', 'r', '1')", inbound_id, stranger,
    )  # fmt: skip
    await erasure.erase(runtime, await erasure.look_for(runtime, "07700 900777"), actor=operator("olga"))
    assert await found_in(db, ("7700900777", "who is this")) == set()
    suppressed = await find_suppression(db, stranger, region="GB", keys=DigestKeys(runtime.settings.secret_key))
    assert [suppression.reason for suppression in suppressed.active_suppressions] == ["opted_out"]
    with pytest.raises(NotFound, match="nothing was ever sent there"):
        await erasure.look_for(runtime, "+447700900778")


async def test_an_address_of_members_is_not_erased_by_itself(runtime: Runtime, db: Connection) -> None:
    await fill(db)
    with pytest.raises(Conflict, match="belongs to the member M-4711") as refused:
        await erasure.look_for(runtime, PHONE)
    assert "muster people erase M-4711" in refused.value.remedy


async def test_a_shared_phone_is_kept_for_the_others(runtime: Runtime, db: Connection) -> None:
    person, _ = await fill(db)
    await add_person(db, "N9", sms=PHONE)
    await suppress(db, channel="sms", address=PHONE, reason="opted_out", source="twilio")
    traces = await find_traces(db, NUMBER, region="GB")
    assert traces.shared == (("sms", PHONE),)
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    assert [suppression.reason for suppression in await active_suppressions(db, channel="sms", address=PHONE)] == [
        "opted_out"
    ]
    assert not await db.fetchval(
        "select exists (select from message where person_id = $1 and address = $2)", person, PHONE
    )
    assert (
        await found_in(db, ("zebedee", MAILBOX)) == set()
    )  # what came from the phone and nobody has read may be either's


async def test_reach_of_a_ballot_that_is_over_stays(runtime: Runtime, db: Connection) -> None:
    await fill(db)
    await db.execute("update ballot set closes_at = $1", NOW)
    (ballot_id,) = await db.fetchrow("select ballot_id from ballot") or (0,)
    await refresh_reach(db, ballot_id)
    before = await find_totals(db, ballot_id)
    assert before["reachable"] == 4
    await erasure.erase(
        replace(runtime, clock=lambda: NOW + timedelta(days=1)),
        await erasure.look_for(runtime, NUMBER),
        actor=operator("olga"),
    )
    await refresh_reach(db, ballot_id)
    assert await find_totals(db, ballot_id) == before


async def test_an_import_in_progress_is_not_disturbed(runtime: Runtime, pool: Pool, db: Connection) -> None:
    await fill(db)
    traces = await erasure.look_for(runtime, NUMBER)
    async with pool.acquire() as other, other.transaction():
        await other.execute("select pg_advisory_xact_lock(hashtextextended('muster: import of people', 0))")
        with pytest.raises(Conflict, match="being imported"):
            await erasure.erase(runtime, traces, actor=operator("olga"))
    await erasure.erase(runtime, traces, actor=operator("olga"))
    assert await found_in(db) == set()


async def test_an_erasure_waits_for_message_locks_without_a_deadlock(
    runtime: Runtime, pool: Pool, db: Connection
) -> None:
    """Another transaction has one message and wants the other one: in whatever order, both end."""
    person, _ = await fill(db)
    ids = [row["message_id"] for row in await db.fetch("select message_id from message where person_id = $1", person)]
    traces = await erasure.look_for(runtime, NUMBER)
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("select from message where message_id = $1 for update", max(ids))
        with pytest.raises(asyncpg.LockNotAvailableError):  # it does not wait for that one while it holds the other
            async with db.transaction():
                await begin_erasure(db, traces.traces)
        going = asyncio.create_task(erasure.erase(runtime, traces, actor=operator("olga")))
        await other.execute("select from message where message_id = $1 for update", min(ids))
        await transaction.commit()
    await going
    assert await found_in(db) == set()


async def test_late_words_of_a_provider_are_removed_by_the_next_look(runtime: Runtime, db: Connection) -> None:
    await fill(db)
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    message_id = await db.fetchval("select max(message_id) from message")
    await db.execute(
        "insert into message_event (message_id, source, code, detail) values ($1, 'ses', '5.1.1', $2)",
        message_id, {"words": f"<{MAILBOX}> is unknown", "status": "5.1.1"},
    )  # fmt: skip
    await db.execute(
        "insert into inbound_log (source, dedupe_key, subject, payload, state) values ('mail', 'late', $1, $2, 'done')",
        f"message:{message_id}", {"recipient": MAILBOX},
    )  # fmt: skip
    assert await found_in(db) == {"message_event", "inbound_log"}
    await erasure.erase_late(db, datetime.now(UTC) - timedelta(days=60))
    assert await found_in(db) == set()
    assert await db.fetchval("select detail ->> 'status' from message_event order by event_id desc limit 1") == "5.1.1"


def test_only_what_names_members_is_renamed() -> None:
    spec = {"members": ["7", "8"], "unit": ["7"], "not": {"members": ["7"]}, "title": "7"}
    assert renamed(spec, "7", "x") == {"members": ["x", "8"], "unit": ["7"], "not": {"members": ["x"]}, "title": "7"}


async def test_the_planner_keeps_nothing_of_somebody_who_was_erased(
    runtime: Runtime, db: Connection, owner: Connection
) -> None:
    await fill(db)
    await db.execute(
        "insert into person (external_id) select 'S' || n from generate_series(1, 9) as n;"
        "insert into address (person_id, channel, address) select person_id, 'email', external_id || '@union.test'"
        " from person where external_id like 'S%';"
        "insert into suppression_event (channel, address, action, reason, purpose, source)"
        " select channel, address, 'suppress', 'left', 'all', 'staff' from address"
    )
    await owner.execute("analyze")
    kept = (
        "select string_agg(distinct s.schemaname || '.' || s.tablename, ', ') from pg_stats s"
        " where s.schemaname = 'public' and to_jsonb(s)::text like any ($1)"
    )
    words = [f"%{secret}%" for secret in (MAILBOX, PHONE, NUMBER)]
    assert await db.fetchval(kept, words), "otherwise this shows nothing"
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    assert not await db.fetchval(kept, words)
