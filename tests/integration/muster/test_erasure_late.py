"""Items about messages of erased people that arrive late are processed, and leave nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from campaigns.retention import delete_year_at_once, summarise_year
from core.db import Connection
from core.http.outbound_http import open_outbound_http
from core.runtime import Runtime
from messaging.outbox.archive import archive_chunk, ready_year
from messaging.outbox.dispatcher import Dispatcher
from messaging.outbox.outcomes import Outcome, record_outcomes
from messaging.states import State
from muster import erasure
from muster.jobs import Jobs
from muster.operator import operator
from tests.support.electorate import NOW, add_person
from tests.support.outbox_rows import add_messages, add_step, message, put_in_flight
from tests.support.traces import found_in
from webhooks.inbound_log.inbound_log import process
from webhooks.members.page_views import PageViews
from webhooks.sms import twilio, vonage

PHONE = "+447700900471"
WORDS = ("7700900471", "turquoise")
HANDLERS = {twilio.STATUS: twilio.apply_statuses, vonage.STATUS: vonage.apply_statuses}


async def receipt(db: Connection, sid: str, status: str, message_id: int | None, **more: str) -> None:
    form = {"MessageSid": sid, "MessageStatus": status, "To": PHONE, "ErrorMessage": f"turquoise {PHONE}"} | more
    await db.execute(
        "insert into inbound_log (source, dedupe_key, subject, payload, received_at, next_try_at)"
        " values ($1, $2, $3, $4, $5, $5)",
        twilio.STATUS, f"{sid}:{status}", f"twilio:{sid}", {"form": form, "message_id": message_id},
        datetime.now(UTC) - timedelta(seconds=1),
    )  # fmt: skip


@pytest.mark.parametrize("by", ["member", "address"])
async def test_late_receipts_of_every_try_leave_nothing(runtime: Runtime, db: Connection, by: str) -> None:
    who = "A1" if by == "member" else PHONE
    person = await add_person(db, "A1", sms=PHONE) if by == "member" else 99
    step = await add_step(db)
    old = await add_step(db, position=2, launched_at=NOW, state="finished")
    (moving,) = await add_messages(db, step, "sms", [PHONE], first_person=person, state="sent", provider_id="SM3")
    (final,) = await add_messages(db, old, "sms", [PHONE], first_person=person, state="undelivered", provider_id="SM1")
    await ready_year(db, old.step_id)
    await archive_chunk(db, old.step_id, PageViews())
    for attempt, sid in enumerate(("SM4", "SM5")):
        await db.execute(
            "insert into message_try (message_id, attempt, provider_id, ended_by) values ($1, $2, $3, 'receipt')",
            moving, attempt, sid,
        )  # fmt: skip
    await erasure.erase(runtime, await erasure.look_for(runtime, who), actor=operator("olga"))
    await receipt(db, "SM1", "delivered", final)
    await receipt(db, "SM3", "delivered", moving)
    await receipt(db, "SM4", "undelivered", moving, ErrorCode="30005")
    await receipt(db, "SM5", "undelivered", None)
    await receipt(db, "SM3", "nonsense", moving)  # is set aside, and says as much as the others
    await receipt(db, "SM9", "delivered", None)  # nobody's: it stays

    while await process(runtime, 10, HANDLERS):
        pass
    assert await found_in(db, WORDS) == {"inbound_log"}
    assert await db.fetchval("select array_agg(dedupe_key) from inbound_log where payload <> '{}'") == ["SM9:delivered"]
    after = await message(db, moving)
    assert (after["state"], after["provider_id"]) == ("delivered", None), "it is counted all the same"
    assert not await db.fetchval("select exists (select from suppression where channel <> 'person')")
    assert await db.fetchval("select count(*) from message_event where message_id = $1 and source = 'twilio'", moving)
    assert await db.fetchval("select count(*) from message_event_archive where source = 'twilio'") == 1


async def test_the_digests_of_an_erasure_are_deleted_when_receipts_end(runtime: Runtime, db: Connection) -> None:
    person = await add_person(db, "A1", sms=PHONE)
    await add_messages(db, await add_step(db), "sms", [PHONE], first_person=person, state="sent", provider_id="SM3")
    await erasure.erase(runtime, await erasure.look_for(runtime, "A1"), actor=operator("olga"))
    assert await db.fetchval("select count(*) from erased_subject") == 3  # the message, and its id at either provider
    await erasure.erase_late(db, datetime.now(UTC) - timedelta(days=60))
    assert await db.fetchval("select count(*) from erased_subject") == 3
    await erasure.erase_late(db, datetime.now(UTC) + timedelta(seconds=1))
    assert await db.fetchval("select count(*) from erased_subject") == 0


async def test_a_deleted_archive_year_does_not_stop_the_tidying(runtime: Runtime, db: Connection) -> None:
    person = await add_person(db, "A1", sms=PHONE)
    past = datetime(2024, 3, 1, tzinfo=UTC)
    old = await add_step(db, position=2, launched_at=past, state="finished")
    recent = await add_step(db)
    await add_messages(db, old, "sms", [PHONE], first_person=person, state="delivered", provider_id="SM1")
    (later,) = await add_messages(db, recent, "sms", [PHONE], first_person=person, state="sent", provider_id="SM2")
    await ready_year(db, old.step_id)
    await archive_chunk(db, old.step_id, PageViews())
    await erasure.erase(runtime, await erasure.look_for(runtime, "A1"), actor=operator("olga"))
    await delete_year_at_once(db, await summarise_year(db, 2024), actor=operator("olga"))
    await db.execute(
        "insert into message_event (message_id, state, source, code, detail) values ($1, null, 'twilio', 'x', $2)",
        later, {"reply": f"turquoise {PHONE}"},
    )  # fmt: skip
    await erasure.erase_late(db, datetime.now(UTC) - timedelta(days=60))
    assert await found_in(db, WORDS) == set(), "what is still there is gone through as before"


@pytest.mark.parametrize("place", ["message_event", "message_event_archive"])
async def test_words_that_came_late_with_the_first_try_are_emptied(
    runtime: Runtime, db: Connection, place: str
) -> None:
    """The outcome came after the erasure, and the line about it, below all others, before the tidying."""
    person = await add_person(db, "A1", sms=PHONE)
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", [PHONE], first_person=person)
    await put_in_flight(db, only, wire_at=NOW)
    await erasure.erase(runtime, await erasure.look_for(runtime, "A1"), actor=operator("olga"))
    await db.execute("update in_flight set provider = 'twilio'")
    said = Outcome(only, 1, State.ACCEPTED, code=f"201 turquoise {PHONE}")
    await record_outcomes(db, [said], [], source="twilio", now=NOW)
    if place == "message_event":
        await db.execute("select record_first_tries(array[$1::bigint])", only)
    else:
        await db.execute("update step set state = 'finished', finished_at = now()")
        await ready_year(db, step.step_id)
        await archive_chunk(db, step.step_id, PageViews())
    assert await db.fetchval(f"select code from {place} where event_id = -1") == said.code
    await erasure.erase_late(db, datetime.now(UTC) - timedelta(days=60))
    assert await found_in(db, WORDS) == set()


async def test_tidying_goes_on_where_one_part_of_it_fails(runtime: Runtime, db: Connection, owner: Connection) -> None:
    await receipt(db, "SM9", "delivered", None)
    await db.execute(
        "update inbound_log set state = 'done', processed_at = received_at - interval '1 year',"
        " received_at = received_at - interval '1 year'"
    )
    await owner.execute("alter table erased_subject rename to away")
    async with open_outbound_http(()) as outside:
        jobs = Jobs(runtime, Dispatcher(runtime, {}), outside)
        with pytest.raises(asyncpg.UndefinedTableError):
            await jobs._tidy_alone()
    assert not await db.fetchval("select exists (select from inbound_log)")
