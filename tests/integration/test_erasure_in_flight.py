"""Somebody is erased while a worker has their messages: nothing more goes to them, and no trace comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from messaging.channels.base import Accepted, Outcome, Parcel, Refused, Retry, Trace
from messaging.db import Connection
from messaging.outbox.send import Courier
from messaging.outbox.states import Reason
from messaging.runtime import Runtime
from muster import erasure
from tests.integration.electorate import add_person
from tests.integration.outbox_rows import add_messages, add_step, until
from tests.integration.test_erasure import found_in

MAILBOX = "zeb.q@example.org"
WORDS = ("zeb.q", "M-4711", "quackenbush")


class Held:
    """A channel with one connection whose answer waits until it is told to give it."""

    name = "email"
    provider = "slow"
    connections = 1

    def __init__(self, outcome: Callable[[], Outcome]) -> None:
        self.outcome = outcome
        self.sent: list[int] = []
        self.gate = asyncio.Event()

    async def send(self, parcel: Parcel) -> Outcome:
        self.sent.append(parcel.message_id)
        await self.gate.wait()
        return self.outcome()

    async def trace(self, parcel: Parcel, since: object) -> list[Trace] | None:
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
async def test_what_is_on_the_wire_is_recorded_without_a_trace_and_the_rest_is_stopped(
    runtime: Runtime, db: Connection, outcome: Callable[[], Outcome], ends: str
) -> None:
    person = await add_person(db, "M-4711", email=MAILBOX, first_name="Quackenbush")
    ids = []
    for n in (1, 2):
        step = await add_step(db, campaign_id=n, secret=runtime.keyring.current)
        ids += await add_messages(db, step, "email", [MAILBOX], first_person=person)
    channel = Held(outcome)
    courier = Courier(runtime, {"email": channel})
    going = asyncio.create_task(courier.run())
    await until(lambda: _begun(channel))
    erasing = asyncio.create_task(_erase(runtime))
    await until(lambda: _erased(db))
    channel.gate.set()
    await erasing
    courier.stop()
    await going

    assert await found_in(db, WORDS) == set()
    states = [tuple(row) for row in await db.fetch("select state::text, reason from message order by message_id")]
    for message_id, (state, reason) in zip(ids, states, strict=True):
        assert (state, reason) == ("suppressed", "erased") or (message_id in channel.sent and state == ends)
    sent = len(channel.sent)
    await Courier(runtime, {"email": channel}).run(until_idle=True)
    assert len(channel.sent) == sent, "nothing goes to them any more"
    assert not await db.fetchval("select exists (select from suppression where channel <> 'person')")


async def _begun(channel: Held) -> bool:
    return bool(channel.sent)


async def _erased(db: Connection) -> bool:
    return bool(await db.fetchval("select exists (select from person where erased_at is not null)"))


async def _erase(runtime: Runtime) -> None:
    await erasure.erase(runtime, await erasure.look_for(runtime, "M-4711"), actor="olga")
