"""Fixtures for what staff see."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.db import Connection, Pool, open_pool
from core.db.logins import Login, address_as
from people.scope import ScopedPools
from tests.support.electorate import add_person, add_unit
from tests.support.known_person import fill
from tests.support.two_branches import Organisation, of_unit


@pytest.fixture
async def organisation(database_url: str, db: Connection, pool: Pool) -> AsyncIterator[Organisation]:
    person, _ = await fill(db)
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
