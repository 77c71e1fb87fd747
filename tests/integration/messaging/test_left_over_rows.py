"""A message that waits no more leaves no row where others look for what waits, whoever ended it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from core.db import Connection, connect
from core.runtime import Runtime
from messaging.outbox import enqueue
from messaging.outbox.archive import archive_chunk, ready_year
from messaging.outbox.claim import claim
from messaging.outbox.history import find_history
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.reasons import Reason
from messaging.states import State
from tests.support.outbox_rows import NOON, Step, add_messages, add_step, dispatcher, reconcile_steadily
from tests.support.past_rows import rows_in
from webhooks.members.page_views import PageViews

ANN = "+447700900123"
PLACES = ("queue", "in_flight")


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    """A connection of its own, as another worker has."""
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def taken(db: Connection, **columns: object) -> tuple[Step, int, int]:
    """A message that a worker has on the wire."""
    step = await add_step(db, **columns)  # type: ignore[arg-type]
    (only,) = await add_messages(db, step, "sms", [ANN])
    (its,) = (await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))).messages
    intent = Intent(only, its.attempt, None, None, "twilio")
    await record_outcomes(db, [], [intent], source="twilio", now=NOON)
    return step, only, its.attempt


async def test_who_ends_a_message_and_knows_no_queue_leaves_nothing_there(db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", [ANN, "+447700900124"])
    await db.execute("update message set state = 'cancelled', reason = 'answered' where message_id = $1", ids[0])
    assert await db.fetchval("select array_agg(message_id) from queue") == ids[1:]


async def test_nobody_waits_for_a_worker_that_is_claiming_it(db: Connection, other: Connection) -> None:
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", [ANN])
    claiming = other.transaction()
    await claiming.start()
    await other.execute("select from queue for update")
    await db.execute("set statement_timeout = '10s'")
    assert await db.execute("update message set state = 'cancelled' where message_id = $1", only) == "UPDATE 1"
    await claiming.rollback()
    await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))
    assert await rows_in(db, *PLACES) == (0, 0)


@pytest.mark.parametrize("code", ["429", "handed_back"])
async def test_a_try_that_is_put_off_waits_only_if_no_receipt_has_ended_it(db: Connection, code: str) -> None:
    _, only, attempt = await taken(db)
    receipt = Receipt(only, "SM1", State.DELIVERED, "twilio", None, datetime.now(UTC))
    await apply_receipts(db, [receipt])
    put_off = Outcome(only, attempt, State.QUEUED, Reason.BUSY, code=code, delay=0.0)
    await record_outcomes(db, [put_off], [], source="twilio", now=NOON)
    assert await db.fetchval("select state from message") == "delivered"
    assert await rows_in(db, *PLACES) == (0, 0)


async def test_an_archived_message_takes_its_rows_along(db: Connection) -> None:
    step, only, _ = await taken(db)
    await db.execute("update message set state = 'delivered'")
    await db.execute(
        "insert into queue (message_id, queue_id, not_before, attempt) select message_id, queue_id, not_before, 1"
        " from in_flight"
    )
    await db.execute("update step set state = 'finished', finished_at = now()")
    await ready_year(db, step.step_id)
    await archive_chunk(db, step.step_id, PageViews())
    assert await rows_in(db, "message", *PLACES) == (0, 0, 0)
    assert only


async def test_an_ordinary_try_goes_into_the_archive_without_an_event_on_the_way(
    db: Connection, owner: Connection
) -> None:
    step, only, attempt = await taken(db)
    await record_outcomes(db, [Outcome(only, attempt, State.ACCEPTED, code="201")], [], source="twilio", now=NOON)
    before = await find_history(db, only)
    assert [event.state for event in before[-2:]] == ["sending", "accepted"]
    await db.execute("update step set state = 'finished', finished_at = now()")
    await ready_year(db, step.step_id)
    await owner.execute(
        "create function no_more() returns trigger language plpgsql as"
        " $$ begin raise exception 'an event to be deleted at once'; end $$;"
        "create trigger no_more before insert on message_event for each row execute function no_more()"
    )
    moved = await archive_chunk(db, step.step_id, PageViews())
    assert (moved.messages, moved.events) == (1, len(before))
    assert await find_history(db, only) == before


async def test_a_cancelled_step_of_which_nothing_is_queued_is_not_looked_through(
    runtime: Runtime, db: Connection
) -> None:
    step = await add_step(db, state="cancelled")
    over, waits = await add_messages(db, step, "sms", [ANN, "+447700900124"])
    await db.execute("update message set state = 'cancelled'")
    # stands for all the entries that an index still has of what was deleted
    await db.execute(
        "insert into queue (message_id, queue_id, not_before, attempt)"
        " values ($1, queue_of($2, 'sms', null), now(), 0)",
        over, step.step_id,
    )  # fmt: skip
    assert (await reconcile_steadily(runtime)).withdrawn == 0
    assert await rows_in(db, "queue") == (1,)
    await db.execute("update message set state = 'queued' where message_id = $1", waits)
    assert (await reconcile_steadily(runtime)).withdrawn == 1
    assert await rows_in(db, "queue") == (0,)


async def test_a_launch_renews_the_statistics_of_the_queue_too(db: Connection) -> None:
    await add_messages(db, await add_step(db), "email", [f"a{n}@x.test" for n in range(40)])
    await db.execute(enqueue.SQL["analyze"])
    for table in ("message", "queue"):
        assert await db.fetchval("select reltuples from pg_class where relname = $1", table) == 40
