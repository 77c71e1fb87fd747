"""The database closes the writer's connection while it waits for outcomes: later outcomes are written all the same."""

from __future__ import annotations

import asyncpg

from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.outcome_writer import OutcomeWriter
from tests.support.outbox_rows import until


async def test_outcomes_are_written_after_the_server_hung_up(runtime: Runtime, superuser: Connection) -> None:
    writer = OutcomeWriter(runtime, "sms", "twilio")
    assert await writer.write([], [], []) == {}
    connection = await writer._connection.get()
    await superuser.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and datname = current_database()"
    )

    async def is_closed() -> bool:
        try:
            return connection.is_closed()
        except asyncpg.InterfaceError:  # the pool has taken it back
            return True

    await until(is_closed)
    assert await writer.write([], [], []) == {}
    await writer.close()
