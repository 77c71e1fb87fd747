"""Addresses that were taken out of messages do not come back, also where messages follow their people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from campaigns.date_changes import follow_dates
from core.runtime import Runtime
from muster import erasure
from muster.operator import operator
from tests.support.appointments import add_visit, launched, loader, rows
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, at_noon, connected


async def test_a_dated_message_of_somebody_erased_gets_no_address_again(runtime: Runtime, tmp_path: Path) -> None:
    muster = replace(at_noon(runtime), clock=FixedClock(NOW))
    async with connected(muster) as db:
        await add_visit(db)
    await loader(muster, tmp_path)(
        "1,Ann,+447700900001,,,,2026-11-25 14:30", "2,Bo,,,,,2026-11-25 14:30", "3,Cy,+447700900003,,,,2026-11-25 14:30"
    )
    await launched(muster)
    for number in ("1", "2"):
        await erasure.erase(muster, await erasure.look_for(muster, number), actor=operator("olga"))
    async with connected(muster) as db:
        ids = [row["message_id"] for row in await db.fetch("select message_id from message order by person_id")]
        back = "update message set channel = 'sms', address = '+447700900666', state = 'queued' where message_id = $1"
        for message_id in ids[:2]:
            with pytest.raises(asyncpg.RaiseError, match="cannot be changed"):
                await db.execute(back, message_id)
            await db.execute("update message set date_at = date_at where message_id = $1", message_id)
        await db.execute(back, ids[2])  # that of somebody who is not erased follows them
        await db.execute("insert into date_change (step_id, person_id) select step_id, person_id from message")
    await follow_dates(muster)
    async with connected(muster) as db:
        assert (await rows(db))["3"]["address"] == "+447700900003"
        held = [row["address"] for row in await db.fetch("select address from message order by person_id limit 2")]
    assert held == [f"erased-{ids[0]}", None]
