"""Fixtures for what staff see."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.db import Connection, Pool, open_pool
from core.db.logins import Login, address_as
from people.scope import ScopedPools
from tests.support.electorate import add_person, add_unit
from tests.support.known_person import MAILBOX, fill
from tests.support.outbox_rows import Step, add_messages, add_step, put_in_flight
from tests.support.two_branches import Organisation, of_unit


@pytest.fixture
async def organisation(database_url: str, db: Connection, pool: Pool) -> AsyncIterator[Organisation]:
    person, step = await fill(db)
    await _send(db, person, step)
    leeds = await db.fetchval("select unit_id from person where person_id = $1", person)
    york = await add_unit(db, "York by itself", "region")
    await add_person(db, "Y-1", unit=york, sms="+447700900651")
    await add_person(db, "Z-1", sms="+447700900652")
    staff, staff_all = [
        await open_pool(address_as(database_url, login), size=1, for_staff=True)
        for login in (Login.STAFF, Login.STAFF_ALL)
    ]
    yield Organisation(
        database_url, pool, ScopedPools(pool, staff, staff_all), staff_all, of_unit(leeds), of_unit(york)
    )
    await staff.close()
    await staff_all.close()


async def _send(db: Connection, person: int, step: Step) -> None:
    """Beside what waits: a message that a worker has, and one that failed."""
    taken, failed = [
        (await add_messages(db, later, "email", [MAILBOX], first_person=person))[0]
        for later in [await add_step(db, campaign_id=step.campaign_id, position=position) for position in (4, 5)]
    ]
    await put_in_flight(db, taken)
    await db.execute(
        "with left_queue as (delete from queue where message_id = $1)"
        " update message set state = 'failed', reason = 'rejected' where message_id = $1", failed,
    )  # fmt: skip
