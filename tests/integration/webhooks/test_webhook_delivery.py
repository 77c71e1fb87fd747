"""Events reach their receivers: signed, in order, once or under the same id, whatever receivers and workers do."""

import asyncio
import signal
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from aiohttp import web
from standardwebhooks import WebhookVerificationError

from core.alerts import open_alerts
from core.clock import system_clock
from core.db import Connection
from core.errors import Conflict, InputError
from core.runtime import Runtime
from core.settings import ROOT
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.receivers import (
    Got,
    Receiver,
    WebhookWorker,
    hang,
    happen,
    on_loopback,
    open_receiver,
    sources,
    take,
    webhook_worker,
)
from tests.support.waiting import until
from webhooks.subscriptions.delivery import GIVES_UP_AFTER, MAX_PAUSE
from webhooks.subscriptions.redelivery import resend, send_test
from webhooks.subscriptions.subscriptions import get_subscription, list_deliveries, pause, replay, resume


async def test_events_arrive_signed_and_in_order(worker: WebhookWorker, receiver: Receiver, db: Connection) -> None:
    _, secret = await worker.add(receiver)
    await happen(db, 5)
    await worker.deliver()
    assert sources(receiver) == ["0", "1", "2", "3", "4"]
    for request in receiver.got:
        assert request.verify(secret)["type"] == "opt_out.added"
        assert request.event["id"] == request.webhook_id == f"evt_{request.event['cursor']}"
        with pytest.raises(WebhookVerificationError):
            request.verify("whsec_" + "A" * 43)
    request.body += b" "
    with pytest.raises(WebhookVerificationError):
        request.verify(secret)
    await worker.deliver()
    assert len(receiver.got) == 5
    assert [(delivery.status, delivery.attempt, delivery.problem) for delivery in await list_deliveries(db, "crm")] == [
        (204, 1, None)
    ] * 5


async def test_each_subscription_gets_the_events_it_asked_for(worker: WebhookWorker, db: Connection) -> None:
    async with open_receiver() as first, open_receiver() as other:
        await worker.add(first, "opt_out.*", name="one")
        await worker.add(other, "claim.voted", name="other")
        await happen(db, 2)
        await worker.deliver()
        assert (first.types, other.types) == (["opt_out.added"] * 2, [])
        assert (await get_subscription(db, "other")).cursor == first.cursors[-1], "it need not look at these again"


async def test_a_receiver_that_fails_is_tried_again_and_nothing_overtakes(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    clock = FixedClock(system_clock())
    worker.runtime = worker.sender.runtime = replace(worker.runtime, clock=clock)
    await worker.add(receiver)
    receiver.answers(500, 503, 204)
    await happen(db, 2)
    await worker.deliver()
    await worker.deliver()  # not before its time
    assert len(receiver.got) == 1
    for _ in range(3):
        clock.wait(seconds=60)
        await worker.deliver()
    assert sources(receiver) == ["0", "0", "0", "1"]
    assert len({request.webhook_id for request in receiver.got[:3]}) == 1
    tries = await list_deliveries(db, "crm")
    assert [(attempt.attempt, attempt.status) for attempt in reversed(tries)] == [
        (1, 500),
        (2, 503),
        (3, 204),
        (1, 204),
    ]
    assert tries[-1].problem == "It answered 500."
    assert tries[-1].answer == "as told"


async def test_retries_grow_apart_and_retry_after_is_followed(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    clock = FixedClock(system_clock())
    worker.runtime = worker.sender.runtime = replace(worker.runtime, clock=clock)
    await worker.add(receiver)
    receiver.answers(500)
    await happen(db, 1)
    pauses = []
    for _ in range(11):
        await worker.deliver()
        waits = (await get_subscription(db, "crm")).next_try_at - clock.now
        pauses.append(waits.total_seconds())
        clock.now += waits
    assert all(longer > shorter for shorter, longer in pairwise(pauses[:8]))
    assert pauses[0] <= 6
    assert pauses[-1] <= MAX_PAUSE * 1.2
    receiver.answers(429, **{"Retry-After": "1800"})
    await worker.deliver()
    assert (await get_subscription(db, "crm")).next_try_at - clock.now == timedelta(seconds=1800)


async def test_after_three_days_a_subscription_is_paused_with_an_alert_and_nothing_lost(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    clock = FixedClock(system_clock())
    worker.runtime = worker.sender.runtime = replace(worker.runtime, clock=clock)
    await worker.add(receiver, "opt_out.*")
    receiver.answers(500)
    await happen(db, 2)
    await worker.deliver()
    clock.wait(hours=2)
    await worker.deliver()
    [alert] = await open_alerts(db)
    assert (alert.severity, alert.title) == ("warning", "The receiver of the webhook crm accepts no events.")
    clock.now += GIVES_UP_AFTER - timedelta(hours=3)
    await worker.deliver()
    assert (await get_subscription(db, "crm")).state == "active"
    clock.wait(hours=2)
    await worker.deliver()
    paused = await get_subscription(db, "crm")
    assert (paused.state, paused.waiting) == ("paused", 2)
    [alert] = await open_alerts(db)
    assert (alert.severity, alert.remedy.startswith("Fix the receiver")) == ("error", True)
    clock.wait(days=1)
    await worker.deliver()
    assert len(receiver.got) == 4, "paused means that it is left alone"

    receiver.answer = take
    await resume(db, "crm", now=clock.now, actor=operator("ada"))
    await worker.deliver()
    assert sources(receiver)[4:] == ["0", "1"]
    assert await open_alerts(db) == []


async def test_a_410_stops_a_subscription_for_good(worker: WebhookWorker, receiver: Receiver, db: Connection) -> None:
    await worker.add(receiver)
    receiver.answers(410)
    await happen(db, 1)
    await worker.deliver()
    assert (await get_subscription(db, "crm")).state == "gone"
    assert "gone for good" in (await open_alerts(db))[0].title
    with pytest.raises(Conflict, match="gone"):
        await resume(db, "crm", now=worker.runtime.clock(), actor=operator("ada"))


async def test_a_receiver_that_hangs_holds_up_nobody_else(runtime: Runtime, db: Connection) -> None:
    async with open_receiver() as slow, open_receiver() as quick, webhook_worker(on_loopback(runtime)) as worker:
        slow.answer = hang
        await worker.add(slow, name="slow")
        await worker.add(quick, name="quick")
        for n in range(3):
            await happen(db, 1, first=n)
            await worker.record_new_events()

            async def arrived(n: int = n) -> bool:
                await worker.sender.start()  # again: the one before may still be writing down that it arrived
                return len(quick.got) == n + 1

            await until(arrived)
        assert len(slow.got) == 1


async def test_an_answer_that_comes_too_late_counts_as_failed(
    runtime: Runtime, receiver: Receiver, db: Connection
) -> None:
    async with webhook_worker(on_loopback(runtime), request_timeout=0.3) as worker:
        receiver.answer = hang
        await worker.add(receiver)
        await happen(db, 1)
        await worker.deliver()
        assert (await list_deliveries(db, "crm"))[0].problem == "It did not answer within 0.3 seconds."


async def test_a_receiver_that_returns_gets_all_events_in_order(
    worker: WebhookWorker, db: Connection, unused_tcp_port: int
) -> None:
    clock = FixedClock(system_clock())
    worker.runtime = worker.sender.runtime = replace(worker.runtime, clock=clock)
    await worker.add(Receiver(f"http://127.0.0.1:{unused_tcp_port}/hook"))
    await happen(db, 3)
    await worker.deliver()
    assert "could not be reached" in ((await list_deliveries(db, "crm"))[0].problem or "")
    async with open_receiver(port=unused_tcp_port) as receiver:
        clock.wait(seconds=10)
        await worker.deliver()
        assert sources(receiver) == ["0", "1", "2"]


async def test_many_workers_keep_the_order(runtime: Runtime, receiver: Receiver, db: Connection) -> None:
    async def think(_got: Got) -> web.Response:
        await asyncio.sleep(0.002)
        return web.Response()

    receiver.answer = think
    here = on_loopback(runtime)
    async with webhook_worker(here) as first, webhook_worker(here) as second, webhook_worker(here) as third:
        await first.add(receiver)
        for n in range(0, 60, 12):
            await happen(db, 12, first=n)
            await asyncio.gather(first.deliver(), second.deliver(), third.deliver())

        async def all_there() -> bool:
            await asyncio.gather(first.deliver(), second.deliver(), third.deliver())
            return len(receiver.got) == 60

        await until(all_there)
    assert sources(receiver) == [str(n) for n in range(60)]


async def test_a_worker_that_is_killed_loses_nothing(
    worker: WebhookWorker, receiver: Receiver, db: Connection, database_url: str
) -> None:
    await worker.add(receiver)
    await happen(db, 8)
    await worker.record_new_events()
    reached = asyncio.Event()

    async def wait_at_the_fourth(got: Got) -> web.Response:
        if got.event["data"]["source"] == "3" and not reached.is_set():
            reached.set()
            await asyncio.Event().wait()
        return web.Response()

    receiver.answer = wait_at_the_fourth
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "tests/support/webhook_worker.py"), database_url,
        worker.runtime.settings.redis_url or "", cwd=ROOT,
    )  # fmt: skip
    await asyncio.wait_for(reached.wait(), 60)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await worker.deliver()
    assert len(receiver.got) == 4, "its lease still holds"
    await db.execute("update webhook_subscription set lease_until = now() - interval '1 second'")
    await worker.deliver()
    assert sources(receiver) == ["0", "1", "2", "3", "3", "4", "5", "6", "7"]
    assert Counter(request.webhook_id for request in receiver.got).most_common(1)[0][1] == 2
    assert receiver.got[3].webhook_id == receiver.got[4].webhook_id


async def test_a_worker_without_the_lease_moves_no_cursor(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    await worker.add(receiver)
    await happen(db, 3)
    await worker.deliver()

    async def replayed_meanwhile(_got: Got) -> web.Response:
        await replay(db, "crm", after=0, now=worker.runtime.clock(), actor=operator("ada"))
        receiver.answer = take
        return web.Response()

    receiver.answer = replayed_meanwhile
    await happen(db, 1, first=3)
    await worker.deliver()
    await worker.deliver()
    assert sources(receiver) == ["0", "1", "2", "3", "0", "1", "2", "3"]


async def test_replay_sends_again_from_a_cursor_under_the_same_ids(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    await worker.add(receiver)
    await happen(db, 4)
    await worker.deliver()
    await replay(db, "crm", after=receiver.cursors[1], now=worker.runtime.clock(), actor=operator("ada"))
    await worker.deliver()
    assert sources(receiver) == ["0", "1", "2", "3", "2", "3"]
    assert [request.body for request in receiver.got[2:4]] == [request.body for request in receiver.got[4:]]
    with pytest.raises(InputError, match="nothing to replay after 99"):
        await replay(db, "crm", after=99, now=worker.runtime.clock(), actor=operator("ada"))


async def test_resend_and_test_do_not_move_the_cursor(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    _, secret = await worker.add(receiver)
    await happen(db, 2)
    await worker.deliver()
    await pause(db, "crm", actor=operator("ada"))
    first = receiver.cursors[0]
    again = await resend(worker.runtime, worker.outside, "crm", first)
    tested = await send_test(worker.runtime, worker.outside, "crm")
    assert (again.problem, tested.problem) == (None, None)
    assert receiver.got[2].webhook_id == receiver.got[0].webhook_id
    assert receiver.got[3].verify(secret)["data"] == {"subscription": "crm"}
    assert (await get_subscription(db, "crm")).cursor == receiver.cursors[1]
    assert [delivery.reason for delivery in await list_deliveries(db, "crm")][:2] == ["test", "resend"]
