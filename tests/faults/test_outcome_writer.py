"""The database closes the writer's connection while it waits for outcomes: later outcomes are written all the same."""

from __future__ import annotations

from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.claim import claim
from messaging.outbox.outcome_writer import OutcomeWriter
from messaging.outbox.outcomes import Intent, Outcome
from messaging.states import State
from tests.support.outbox_rows import NOON, add_messages, add_step, dispatcher
from tests.support.waiting import until

OTHERS = "from pg_stat_activity where datname = current_database() and pid <> all ($1)"


async def test_outcomes_are_written_after_the_server_hung_up(
    runtime: Runtime, db: Connection, superuser: Connection
) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", ["+447700900001"])
    (message,) = (await claim(db, step.due("sms"), limit=1, now=NOON, dispatcher_id=await dispatcher(db))).messages
    writer = OutcomeWriter(runtime, "sms", "twilio")
    intent = Intent(message.message_id, message.attempt, None, None, "twilio")
    assert await writer.write([], [intent], []) == {message.message_id: State.SENDING}

    ours = [await connection.fetchval("select pg_backend_pid()") for connection in (db, superuser)]
    assert await superuser.fetchval(f"select count(pg_terminate_backend(pid)) {OTHERS}", ours) >= 1

    async def is_cut() -> bool:
        return not await superuser.fetch(f"select {OTHERS}", ours)

    await until(is_cut)
    accepted = Outcome(message.message_id, message.attempt, State.ACCEPTED, provider_id="SM1")
    assert await writer.write([accepted], [], []) == {}
    await writer.close()
    row = await db.fetchrow("select state::text, provider_id from message where message_id = $1", message.message_id)
    assert row is not None
    assert tuple(row) == ("accepted", "SM1")
