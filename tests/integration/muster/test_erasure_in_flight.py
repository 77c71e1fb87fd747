"""Erasure of a person while a worker has their messages: nothing more goes out, and no trace comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from core.db import Connection, Pool
from core.db.high_water_mark import WRITERS_TIMEOUT, find_high_water_mark
from core.errors import Conflict
from core.runtime import Runtime
from messaging.channels.channel import Accepted, OutboundMessage, Refused, Retry, SendResult, Trace
from messaging.outbox.dispatcher import Dispatcher
from messaging.reasons import Reason
from muster import erasure
from muster.operator import operator
from people.people_lock import lock_people_shared
from tests.support.electorate import add_person
from tests.support.inbound_rows import look, make_campaign, serve
from tests.support.outbox_rows import add_messages, add_step
from tests.support.traces import found_in
from tests.support.waiting import until

MAILBOX = "zeb.q@example.org"
WORDS = ("zeb.q", "M-4711", "quackenbush")


class Held:
    """A channel with one connection whose answer waits until it is told to give it."""

    name: Final = "email"
    provider = "slow"
    connections = 1

    def __init__(self, outcome: Callable[[], SendResult]) -> None:
        self.outcome = outcome
        self.sent: list[int] = []
        self.gate = asyncio.Event()

    async def send(self, outbound: OutboundMessage) -> SendResult:
        self.sent.append(outbound.message_id)
        await self.gate.wait()
        return self.outcome()

    async def trace(self, outbound: OutboundMessage, since: object) -> list[Trace] | None:
        return None

    async def close(self) -> None:
        return None


@pytest.mark.parametrize(
    ("outcome", "ends"),
    [
        (lambda: Accepted(f"250 2.1.5 <{MAILBOX}> ok"), "accepted"),
        (lambda: Retry(Reason.BUSY, "450", f"450 4.2.0 <{MAILBOX}> greylisted"), "suppressed"),
        (lambda: Refused(Reason.HARD_BOUNCED, "550", f"550 5.1.1 <{MAILBOX}> unknown"), "failed"),
    ],
    ids=["taken", "deferred", "refused"],
)
async def test_an_erasure_stops_messages_and_records_those_in_flight_without_a_trace(
    runtime: Runtime, db: Connection, outcome: Callable[[], SendResult], ends: str
) -> None:
    person = await add_person(db, "M-4711", email=MAILBOX, first_name="Quackenbush")
    ids = []
    for n in (1, 2):
        step = await add_step(db, campaign_id=n, secret=runtime.keyring.current)
        ids += await add_messages(db, step, "email", [MAILBOX], first_person=person)
    channel = Held(outcome)
    dispatcher = Dispatcher(runtime, {"email": channel})
    going = asyncio.create_task(dispatcher.run())
    await until(lambda: _begun(channel))
    erasing = asyncio.create_task(_erase(runtime))
    await until(lambda: _erased(db))
    channel.gate.set()
    await erasing
    dispatcher.stop()
    await going

    assert await found_in(db, WORDS) == set()
    states = [tuple(row) for row in await db.fetch("select state::text, reason from message order by message_id")]
    for message_id, (state, reason) in zip(ids, states, strict=True):
        assert (state, reason) == ("suppressed", "erased") or (message_id in channel.sent and state == ends)
    sent = len(channel.sent)
    await Dispatcher(runtime, {"email": channel}).run(until_idle=True)
    assert len(channel.sent) == sent, "nothing goes to them any more"
    assert not await db.fetchval("select exists (select from suppression where channel <> 'person')")


async def _begun(channel: Held) -> bool:
    return bool(channel.sent)


async def _erased(db: Connection) -> bool:
    return bool(await db.fetchval("select exists (select from person where erased_at is not null)"))


async def _erase(runtime: Runtime) -> None:
    await erasure.erase(runtime, await erasure.look_for(runtime, "M-4711"), actor=operator("olga"))


async def waiting(db: Connection, count: int) -> bool:
    value: int = await db.fetchval(
        "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    return value == count


@pytest.mark.parametrize("page", ["confirm", "preferences", "unsubscribe"])
async def test_a_press_that_waits_for_an_erasure_finds_no_recipient(
    runtime: Runtime, pool: Pool, db: Connection, page: str
) -> None:
    campaign = await make_campaign(runtime, db, now=runtime.clock())
    recipient = await campaign.ask(email=MAILBOX, first_name="Quackenbush")
    path = getattr(recipient, page)
    async with serve(runtime) as client:
        shown = await look(client, path)
        traces = await erasure.look_for(runtime, "P1")
        async with pool.acquire() as other:
            transaction = other.transaction()
            await transaction.start()
            await lock_people_shared(other)
            erasing = asyncio.create_task(erasure.erase(runtime, traces, actor=operator("olga")))
            await until(lambda: waiting(db, 1))
            answer = {"preferences": "stop_all", "unsubscribe": "unsubscribe_here"}.get(page, "voted")
            pressing = asyncio.create_task(client.post(path, data={**shown.fields, "answer": answer}))
            await until(lambda: waiting(db, 2))
            await transaction.commit()
        response = await pressing
        assert response.status == 404
        assert "Quackenbush" not in await response.text()
        await erasing
    assert await found_in(db, ("zeb.q", "quackenbush")) == set()
    assert await db.fetchval("select (select count(*) from claim) + (select count(*) from inbound_log)") == 0


async def test_an_erasure_waits_for_writers_of_the_inbound_log_without_locks(
    runtime: Runtime, pool: Pool, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_person(db, "M-4711", email=MAILBOX)
    traces = await erasure.look_for(runtime, "M-4711")
    waits: list[tuple[bool, float]] = []

    async def seen(
        db: Connection, ledgers: Mapping[str, str], *, writers_timeout: float = WRITERS_TIMEOUT
    ) -> dict[str, int] | None:
        waits.append((db.is_in_transaction(), writers_timeout))
        return await find_high_water_mark(db, ledgers, writers_timeout=min(writers_timeout, 0.1))

    monkeypatch.setattr("webhooks.erasure.find_high_water_mark", seen)
    monkeypatch.setattr(erasure, "MAX_TRIES", 3)
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(
            "insert into inbound_log (source, dedupe_key, subject, payload) values ('x', 'x', 'x', '{}')"
        )
        with pytest.raises(Conflict, match="being written to all the time") as refused:
            await erasure.erase(runtime, traces, actor=operator("olga"))
        await transaction.rollback()
    assert "campaign list" not in refused.value.remedy
    assert len(waits) == 6
    assert all((writers_timeout == 0) == holds for holds, writers_timeout in waits)
    assert await db.fetchval("select external_id from person") == "M-4711", "nothing was done"
    await erasure.erase(runtime, traces, actor=operator("olga"))
    assert await found_in(db, WORDS) == set()
