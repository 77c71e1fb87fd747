"""Erasing a person takes nothing from anybody else: neither their words, nor open replies, nor the audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ballots.counts import correct_sums, find_totals
from campaigns.erasure import find_traces
from core.db import Connection, Pool
from core.runtime import Runtime
from messaging.suppression import active_suppressions, suppress
from messaging.suppression_digests import DigestKeys
from muster import erasure
from muster.operator import operator
from people.lists.suppressions import import_suppressions
from people.returning import lift_erased
from tests.support.electorate import NOW, add_ballot, add_person, add_unit
from tests.support.known_person import NEAR_MAILBOX, NEAR_PHONE, NUMBER, PHONE, REP, fill
from tests.support.member_files import import_members
from tests.support.traces import found_in
from webhooks.inbound_log.inbound_log import process
from webhooks.sms import twilio
from webhooks.sms.twilio_texts import INBOUND


async def erase(runtime: Runtime, who: str, *, may_return: bool = False) -> dict[str, int]:
    return await erasure.erase(
        runtime, await erasure.look_for(runtime, who), actor=operator("olga"), may_return=may_return
    )


async def test_words_of_others_are_kept_without_the_address(runtime: Runtime, db: Connection) -> None:
    await fill(db)
    await erase(runtime, NUMBER)
    rows = {row["dedupe_key"]: row for row in await db.fetch("select * from inbound_log")}
    assert (rows["unread"]["state"], rows["unread"]["payload"]["form"]["Body"]) == ("new", "STOP it, and erased")
    assert rows["read"]["payload"]["form"] == {
        "From": NEAR_PHONE, "To": "us", "Body": "now\nwrite to erased or erased",
    }  # fmt: skip
    assert rows["for-them"]["payload"] == {}
    assert rows["for-other"]["payload"] == {"sender": REP, "t": "mauve"}
    assert (rows["parked"]["state"], rows["parked"]["payload"]["n"]) == ("parked", "erased")
    raw = await db.fetchval("select raw from inbound_mail where inbound_id = $1", rows["parked"]["inbound_id"])
    assert raw == f"From: Zara <{NEAR_MAILBOX}>\r\n\r\nFrom: erased\r\nmauve \xe9".encode("latin-1")
    replies = await db.fetch("select address, text, note, state from reply where text <> '' order by reply_id")
    assert [tuple(row) for row in replies] == [
        (NEAR_PHONE, "write to erased or erased", "see erased", "open"), (REP, "mauve", None, "open"),
    ]  # fmt: skip
    assert [suppression.reason for suppression in await active_suppressions(db, channel="email", address=REP)] == [
        "opted_out"
    ]


async def test_a_text_of_somebody_else_is_still_obeyed(runtime: Runtime, db: Connection) -> None:
    await fill(db)
    await erase(runtime, NUMBER)
    await process(runtime, 10, {INBOUND: twilio.read_texts})
    assert [suppression.reason for suppression in await active_suppressions(db, channel="sms", address=NEAR_PHONE)] == [
        "opted_out"
    ]
    assert await db.fetchval("select text from reply order by reply_id desc limit 1") == "STOP it, and erased"


async def test_the_audit_keeps_that_opt_outs_were_taken_back(runtime: Runtime, db: Connection) -> None:
    person, _ = await fill(db)
    await erase(runtime, NUMBER)
    resumed = await db.fetch("select detail from audit_shown where action = 'messages.resumed'")
    assert [row["detail"] for row in resumed] == [{"source": "sms_reply"}] * 2
    changed = await db.fetch(
        "select subject, detail from audit_shown where action in ('preferences.changed', 'people.left')"
    )
    assert [tuple(row) for row in changed] == [(f"person {person}", {})] * 2


async def test_an_address_that_wrote_for_somebody_is_not_theirs(runtime: Runtime, db: Connection) -> None:
    await fill(db)
    traces = await find_traces(db, NUMBER, region="GB")
    assert ("email", REP) not in {*traces.own, *traces.shared}
    await erase(runtime, REP)  # who does ask for it themselves
    assert await found_in(db, (REP,)) == set()
    kept = await db.fetch("select text from reply where text in ('turquoise', 'mauve') order by text")
    assert [row["text"] for row in kept] == ["mauve", "turquoise"], "what was said for members is theirs"


@pytest.mark.parametrize("secret", ["the same", "changed since"])
async def test_a_suppression_list_outlives_an_erased_members_return(
    runtime: Runtime, pool: Pool, db: Connection, tmp_path: Path, secret: str
) -> None:
    await add_person(db, "A1", sms=PHONE, email=["anna@example.org"])
    await suppress(db, channel="email", address="anna@example.org", purpose="marketing", reason="opted_out", source="x")
    keys = DigestKeys(runtime.settings.secret_key)
    await erase(runtime, "A1")
    if secret == "changed since":
        keys = DigestKeys(
            [type(runtime.settings.secret_key[0])("another secret of tests"), *runtime.settings.secret_key]
        )
    path = tmp_path / "list.csv"
    path.write_text(f"phone,member_id,reason\n{PHONE},,opted_out\n{PHONE},,complained\n,A1,deceased\n,A3,opted_out\n")
    report = await import_suppressions(
        pool, path, actor=operator("ann"), region="GB", zone=ZoneInfo("UTC"), now=datetime.now(UTC), keys=keys
    )
    assert (report.added, report.known, report.rejected) == (2, 1, 1)
    assert report.by_reason == {"opted_out": 1, "deceased": 1}
    assert await found_in(db, (PHONE[1:],)) == set()
    path = tmp_path / "members.csv"
    path.write_text(f"member id,mobile,email\nA1,{PHONE},anna@example.org\n")
    await import_members(pool, path, keys=keys)
    assert await lift_erased(db, "A1", region="GB", keys=keys, actor=operator("olga"))
    back = await db.fetchval("select person_id::text from person where external_id = 'A1'")
    assert [suppression.reason for suppression in await active_suppressions(db, channel="person", address=back)] == [
        "deceased"
    ]
    assert [suppression.reason for suppression in await active_suppressions(db, channel="sms", address=PHONE)] == [
        "opted_out"
    ]
    left = await active_suppressions(db, channel="email", address="anna@example.org")
    assert [(suppression.reason, suppression.purpose) for suppression in left] == [("opted_out", "marketing")]


async def test_a_digest_is_deleted_for_one_purpose_alone(runtime: Runtime, db: Connection) -> None:
    stranger = "+447700900888"
    await suppress(db, channel="sms", address=stranger, purpose="marketing", reason="opted_out", source="twilio")
    await erase(runtime, stranger)
    keys = DigestKeys(runtime.settings.secret_key)
    assert await lift_erased(db, stranger, region="GB", keys=keys, actor=operator("olga"))
    assert await db.fetchval("select array_agg(reason || ' ' || purpose) from suppression_digest") == [
        "opted_out marketing"
    ]


async def test_a_stop_after_the_return_is_kept_when_the_erasure_is_lifted(runtime: Runtime, db: Connection) -> None:
    await add_person(db, "A1", sms=PHONE)
    await suppress(db, channel="sms", address=PHONE, reason="erased", source="before erasure")
    assert await suppress(db, channel="sms", address=PHONE, reason="opted_out", source="sms_reply")
    assert not await lift_erased(
        db, "A1", region="GB", keys=DigestKeys(runtime.settings.secret_key), actor=operator("olga")
    )
    assert [suppression.reason for suppression in await active_suppressions(db, channel="sms", address=PHONE)] == [
        "opted_out"
    ]


async def test_a_leaving_member_is_no_elector_after_the_leaving_day(runtime: Runtime, db: Connection) -> None:
    unit = await add_unit(db, "Leeds")
    person, other = await add_person(db, "A1", unit=unit, sms=PHONE), await add_person(db, "A2", unit=unit)
    long = await add_ballot(db, name="long", closes=NOW + timedelta(days=60))
    short = await add_ballot(db, name="short", closes=NOW + timedelta(days=1))
    for ballot in (long, short):
        for person_id in (person, other):
            await db.execute(
                "insert into elector (ballot_id, person_id, unit_id) values ($1, $2, $3)", ballot, person_id, unit
            )
        await correct_sums(db, ballot)
    await db.execute("update person set left_at = $1", NOW + timedelta(days=30))
    await erase(runtime, "A1")
    electors = await db.fetch("select ballot_id, person_id from elector order by ballot_id, person_id")
    assert [tuple(row) for row in electors] == sorted([(long, other), (short, person), (short, other)])
    assert [(await find_totals(db, ballot))["electorate"] for ballot in (long, short)] == [1, 2]


async def test_an_arrival_that_is_committed_after_a_later_one_is_found(
    runtime: Runtime, pool: Pool, db: Connection
) -> None:
    await add_person(db, "A1", sms=PHONE)
    store = "insert into inbound_log (source, dedupe_key, subject, payload) values ('x', $1, 'x', $2)"
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(store, "early", {"about": PHONE})
        await db.execute(store, "late", {"about": PHONE})
        traces = await erasure.look_for(runtime, "A1")
        await transaction.commit()
    await erasure.erase(runtime, traces, actor=operator("olga"))
    assert await found_in(db, (PHONE[1:],)) == set()
