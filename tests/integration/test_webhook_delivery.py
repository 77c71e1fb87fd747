"""Events reach their receivers: signed, in order, once or under the same id, whatever receivers and workers do."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from aiohttp import web
from pydantic import SecretStr
from standardwebhooks import WebhookVerificationError

from messaging.alerts import open_alerts
from messaging.clock import system_clock
from messaging.db import Connection
from messaging.errors import Conflict, InputError
from messaging.runtime import Runtime
from messaging.suppression import suppress
from tests.integration.inbound_rows import Moving
from tests.integration.outbox_rows import until
from tests.integration.receivers import Got, Names, Receiver, Telling, hang, on_loopback, open_receiver, take, telling
from tests.integration.test_schema import ROOT
from webhooks.outgoing.resend import resend, send_test
from webhooks.outgoing.sender import GIVES_UP_AFTER, LONGEST_PAUSE
from webhooks.outgoing.subscriptions import (
    add_subscription,
    deliveries,
    get_subscription,
    pause,
    replay,
    resume,
    rotate,
)


@pytest.fixture
async def told(runtime: Runtime) -> AsyncIterator[Telling]:
    async with telling(on_loopback(runtime)) as told:
        yield told


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as receiver:
        yield receiver


async def happen(db: Connection, n: int = 1, *, first: int = 0) -> None:
    for one in range(first, first + n):
        await suppress(db, channel="sms", address=f"+4477009{one:05}", reason="opted_out", source=f"{one}")


def sources(receiver: Receiver) -> list[str]:
    return [one.event["data"]["source"] for one in receiver.got]


async def test_events_arrive_signed_and_in_order(told: Telling, receiver: Receiver, db: Connection) -> None:
    _, secret = await told.add(receiver)
    await happen(db, 5)
    await told.tell()
    assert sources(receiver) == ["0", "1", "2", "3", "4"]
    for one in receiver.got:
        assert one.verify(secret)["type"] == "opt_out.added"
        assert one.event["id"] == one.webhook_id == f"evt_{one.event['cursor']}"
        with pytest.raises(WebhookVerificationError):
            one.verify("whsec_" + "A" * 43)
    one.body += b" "
    with pytest.raises(WebhookVerificationError):
        one.verify(secret)
    await told.tell()
    assert len(receiver.got) == 5
    assert [(one.status, one.attempt, one.problem) for one in await deliveries(db, "crm")] == [(204, 1, None)] * 5


async def test_each_is_told_what_it_asked_for(told: Telling, db: Connection) -> None:
    async with open_receiver() as one, open_receiver() as other:
        await told.add(one, "opt_out.*", name="one")
        await told.add(other, "claim.voted", name="other")
        await happen(db, 2)
        await told.tell()
        assert (one.types, other.types) == (["opt_out.added"] * 2, [])
        assert (await get_subscription(db, "other")).cursor == one.cursors[-1], "it need not look at these again"


async def test_numbers_are_told_only_where_asked_for_and_allowed(
    told: Telling, receiver: Receiver, db: Connection, runtime: Runtime
) -> None:
    with pytest.raises(InputError, match="may not tell addresses here"):
        await add_subscription(
            told.runtime, name="crm", url=receiver.url, events=["*"], include=["addresses"], actor="ada"
        )
    allowed = on_loopback(runtime, webhook_include=("addresses",))
    await add_subscription(allowed, name="crm", url=receiver.url, events=["*"], include=["addresses"], actor="ada")
    await happen(db, 1)
    async with telling(allowed) as free:
        await free.tell()
    await happen(db, 1, first=1)
    await told.tell()  # where it is no longer allowed, it is no longer told
    assert receiver.got[0].event["data"]["address"] == "+447700900000"
    assert "address" not in receiver.got[1].event["data"]


async def test_both_secrets_sign_for_a_while_after_a_rotation(
    told: Telling, receiver: Receiver, db: Connection
) -> None:
    clock = Moving(system_clock())
    told.runtime = told.sender.runtime = replace(told.runtime, clock=clock)
    _, old = await told.add(receiver)
    new = (await rotate(told.runtime, "crm", overlap=timedelta(minutes=2), actor="ada")).get_secret_value()
    await happen(db, 1)
    await told.tell()
    clock.wait(minutes=3)
    await happen(db, 1, first=1)
    await told.tell()
    before, after = receiver.got
    assert before.verify(old) == before.verify(new)
    after.verify(new)
    with pytest.raises(WebhookVerificationError):
        after.verify(old)
    stored = await db.fetchval("select secret from webhook_subscription")
    assert new.encode() not in stored


async def test_secrets_outlive_a_rotation_of_the_key_that_seals_them(
    told: Telling, receiver: Receiver, db: Connection
) -> None:
    _, secret = await told.add(receiver)
    keys = (SecretStr("a newer secret, first"), *told.runtime.settings.secret_key)
    settings = told.runtime.settings.model_copy(update={"secret_key": keys})
    told.sender.runtime = replace(told.runtime, settings=settings)
    await happen(db, 1)
    await told.tell()
    receiver.got[0].verify(secret)
    told.sender.runtime = replace(told.runtime, settings=settings.model_copy(update={"secret_key": keys[:1]}))
    await happen(db, 1, first=1)
    await told.tell()
    paused = await get_subscription(db, "crm")
    assert (paused.state, len(receiver.got)) == ("paused", 1)
    assert "another MUSTER_SECRET_KEY" in (await open_alerts(db))[0].title


async def test_a_receiver_that_fails_is_tried_again_and_nothing_overtakes(
    told: Telling, receiver: Receiver, db: Connection
) -> None:
    clock = Moving(system_clock())
    told.runtime = told.sender.runtime = replace(told.runtime, clock=clock)
    await told.add(receiver)
    receiver.answers(500, 503, 204)
    await happen(db, 2)
    await told.tell()
    await told.tell()  # not before its time
    assert len(receiver.got) == 1
    for _ in range(3):
        clock.wait(seconds=60)
        await told.tell()
    assert sources(receiver) == ["0", "0", "0", "1"]
    assert len({one.webhook_id for one in receiver.got[:3]}) == 1
    tries = await deliveries(db, "crm")
    assert [(one.attempt, one.status) for one in reversed(tries)] == [(1, 500), (2, 503), (3, 204), (1, 204)]
    assert tries[-1].problem == "It answered 500."
    assert tries[-1].answer == "as told"


async def test_pauses_grow_and_a_receivers_wish_is_heeded(told: Telling, receiver: Receiver, db: Connection) -> None:
    clock = Moving(system_clock())
    told.runtime = told.sender.runtime = replace(told.runtime, clock=clock)
    await told.add(receiver)
    receiver.answers(500)
    await happen(db, 1)
    pauses = []
    for _ in range(11):
        await told.tell()
        waits = (await get_subscription(db, "crm")).next_try_at - clock.now
        pauses.append(waits.total_seconds())
        clock.now += waits
    assert all(longer > shorter for shorter, longer in pairwise(pauses[:8]))
    assert pauses[0] <= 6
    assert pauses[-1] <= LONGEST_PAUSE * 1.2
    receiver.answers(429, **{"Retry-After": "1800"})
    await told.tell()
    assert (await get_subscription(db, "crm")).next_try_at - clock.now == timedelta(seconds=1800)


async def test_after_three_days_it_is_paused_staff_are_told_and_nothing_is_lost(
    told: Telling, receiver: Receiver, db: Connection
) -> None:
    clock = Moving(system_clock())
    told.runtime = told.sender.runtime = replace(told.runtime, clock=clock)
    await told.add(receiver, "opt_out.*")
    receiver.answers(500)
    await happen(db, 2)
    await told.tell()
    clock.wait(hours=2)
    await told.tell()
    [alert] = await open_alerts(db)
    assert (alert.severity, alert.title) == ("warning", "The receiver of the webhook crm takes no events.")
    clock.now += GIVES_UP_AFTER - timedelta(hours=3)
    await told.tell()
    assert (await get_subscription(db, "crm")).state == "active"
    clock.wait(hours=2)
    await told.tell()
    paused = await get_subscription(db, "crm")
    assert (paused.state, paused.waiting) == ("paused", 2)
    [alert] = await open_alerts(db)
    assert (alert.severity, alert.remedy.startswith("Mend the receiver")) == ("error", True)
    clock.wait(days=1)
    await told.tell()
    assert len(receiver.got) == 4, "paused means that it is left alone"

    receiver.answer = take
    await resume(db, "crm", now=clock.now, actor="ada")
    await told.tell()
    assert sources(receiver)[4:] == ["0", "1"]
    assert await open_alerts(db) == []


async def test_410_pauses_for_good(told: Telling, receiver: Receiver, db: Connection) -> None:
    await told.add(receiver)
    receiver.answers(410)
    await happen(db, 1)
    await told.tell()
    assert (await get_subscription(db, "crm")).state == "gone"
    assert "gone for good" in (await open_alerts(db))[0].title
    with pytest.raises(Conflict, match="gone"):
        await resume(db, "crm", now=told.runtime.clock(), actor="ada")


async def test_redirects_are_not_followed(told: Telling, receiver: Receiver, db: Connection) -> None:
    async with open_receiver() as elsewhere:
        await told.add(receiver)
        receiver.answers(307, Location=elsewhere.url)
        await happen(db, 1)
        await told.tell()
        assert elsewhere.got == []
        assert (await deliveries(db, "crm"))[0].problem == "It answered 307, a redirect; redirects are not followed."


async def test_a_name_that_leads_inside_the_second_time_is_refused(runtime: Runtime, db: Connection) -> None:
    names = Names("127.0.0.1", "127.0.0.2")
    async with open_receiver() as public, telling(on_loopback(runtime), resolver=names) as told:
        port = int(public.url.rpartition(":")[2].partition("/")[0])
        async with open_receiver("127.0.0.2", port) as inside:
            await told.add(Receiver(f"http://hooks.example.org:{port}/hook"))
            public.answers(204, Connection="close")
            await happen(db, 2)
            await told.tell()
            assert (sources(public), inside.got, names.asked) == (["0"], [], 2)
            assert (await deliveries(db, "crm"))[0].problem == (
                "It was not asked: 127.0.0.2 is not a public address, and MUSTER_OUTGOING_ALLOW does not name it."
            )


async def test_a_receiver_that_hangs_holds_up_nobody_else(runtime: Runtime, db: Connection) -> None:
    async with open_receiver() as slow, open_receiver() as quick, telling(on_loopback(runtime)) as told:
        slow.answer = hang
        await told.add(slow, name="slow")
        await told.add(quick, name="quick")
        for n in range(3):
            await happen(db, 1, first=n)
            await told.notice()
            await told.sender.start()

            async def arrived(n: int = n) -> bool:
                return len(quick.got) == n + 1

            await until(arrived)
        assert len(slow.got) == 1


async def test_who_does_not_answer_in_time_has_failed(runtime: Runtime, receiver: Receiver, db: Connection) -> None:
    async with telling(on_loopback(runtime), patience=0.3) as told:
        receiver.answer = hang
        await told.add(receiver)
        await happen(db, 1)
        await told.tell()
        assert (await deliveries(db, "crm"))[0].problem == "It did not answer within 0.3 seconds."


async def test_a_receiver_that_dribbles_its_answer_for_ever_is_hung_up_on(
    runtime: Runtime, receiver: Receiver, db: Connection
) -> None:
    async def dribble(_got: Got) -> web.Response:
        async def drops() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)

        return web.Response(status=200, body=drops())

    receiver.answer = dribble
    async with telling(on_loopback(runtime)) as told:
        await told.add(receiver)
        await happen(db, 1)
        await told.tell()
        [tried] = await deliveries(db, "crm")
        assert (tried.status, len(tried.answer)) == (200, 2048)


async def test_down_and_up_again(told: Telling, db: Connection, unused_tcp_port: int) -> None:
    clock = Moving(system_clock())
    told.runtime = told.sender.runtime = replace(told.runtime, clock=clock)
    await told.add(Receiver(f"http://127.0.0.1:{unused_tcp_port}/hook"))
    await happen(db, 3)
    await told.tell()
    assert "could not be reached" in ((await deliveries(db, "crm"))[0].problem or "")
    async with open_receiver(port=unused_tcp_port) as receiver:
        clock.wait(seconds=10)
        await told.tell()
        assert sources(receiver) == ["0", "1", "2"]


async def test_many_workers_keep_the_order(runtime: Runtime, receiver: Receiver, db: Connection) -> None:
    async def think(_got: Got) -> web.Response:
        await asyncio.sleep(0.002)
        return web.Response()

    receiver.answer = think
    here = on_loopback(runtime)
    async with telling(here) as one, telling(here) as two, telling(here) as three:
        await one.add(receiver)
        for n in range(0, 60, 12):
            await happen(db, 12, first=n)
            await asyncio.gather(one.tell(), two.tell(), three.tell())

        async def all_there() -> bool:
            await asyncio.gather(one.tell(), two.tell(), three.tell())
            return len(receiver.got) == 60

        await until(all_there)
    assert sources(receiver) == [str(n) for n in range(60)]


async def test_a_worker_that_is_killed_loses_nothing(
    told: Telling, receiver: Receiver, db: Connection, database_url: str
) -> None:
    await told.add(receiver)
    await happen(db, 8)
    await told.notice()
    reached = asyncio.Event()

    async def wait_at_the_fourth(got: Got) -> web.Response:
        if got.event["data"]["source"] == "3" and not reached.is_set():
            reached.set()
            await asyncio.Event().wait()
        return web.Response()

    receiver.answer = wait_at_the_fourth
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "tests/integration/webhook_worker.py"), database_url,
        told.runtime.settings.redis_url or "", cwd=ROOT,
    )  # fmt: skip
    await asyncio.wait_for(reached.wait(), 60)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    await told.tell()
    assert len(receiver.got) == 4, "its lease still holds"
    await db.execute("update webhook_subscription set lease_until = now() - interval '1 second'")
    await told.tell()
    assert sources(receiver) == ["0", "1", "2", "3", "3", "4", "5", "6", "7"]
    assert Counter(one.webhook_id for one in receiver.got).most_common(1)[0][1] == 2
    assert receiver.got[3].webhook_id == receiver.got[4].webhook_id


async def test_who_lost_the_lease_moves_no_cursor(told: Telling, receiver: Receiver, db: Connection) -> None:
    await told.add(receiver)
    await happen(db, 3)
    await told.tell()

    async def replayed_meanwhile(_got: Got) -> web.Response:
        await replay(db, "crm", after=0, now=told.runtime.clock(), actor="ada")
        receiver.answer = take
        return web.Response()

    receiver.answer = replayed_meanwhile
    await happen(db, 1, first=3)
    await told.tell()
    await told.tell()
    assert sources(receiver) == ["0", "1", "2", "3", "0", "1", "2", "3"]


async def test_replay_tells_again_from_a_cursor_under_the_same_ids(
    told: Telling, receiver: Receiver, db: Connection
) -> None:
    await told.add(receiver)
    await happen(db, 4)
    await told.tell()
    await replay(db, "crm", after=receiver.cursors[1], now=told.runtime.clock(), actor="ada")
    await told.tell()
    assert sources(receiver) == ["0", "1", "2", "3", "2", "3"]
    assert [one.body for one in receiver.got[2:4]] == [one.body for one in receiver.got[4:]]
    with pytest.raises(InputError, match="nothing to replay after 99"):
        await replay(db, "crm", after=99, now=told.runtime.clock(), actor="ada")


async def test_resend_and_test_leave_the_stream_where_it_is(told: Telling, receiver: Receiver, db: Connection) -> None:
    _, secret = await told.add(receiver)
    await happen(db, 2)
    await told.tell()
    await pause(db, "crm", actor="ada")
    first = receiver.cursors[0]
    again = await resend(told.runtime, told.outside, "crm", first)
    tested = await send_test(told.runtime, told.outside, "crm")
    assert (again.problem, tested.problem) == (None, None)
    assert receiver.got[2].webhook_id == receiver.got[0].webhook_id
    assert receiver.got[3].verify(secret)["data"] == {"subscription": "crm"}
    assert (await get_subscription(db, "crm")).cursor == receiver.cursors[1]
    assert [one.reason for one in await deliveries(db, "crm")][:2] == ["test", "resend"]


@pytest.mark.parametrize(
    "url", ["https://", "ftp://x.test/", "https://me:secret@x.test/", "https://x.test/a b", "https://[::1", "x.test"]
)
async def test_addresses_that_cannot_be_right_are_refused(told: Telling, url: str) -> None:
    with pytest.raises(InputError):
        await told.add(Receiver(url))


async def test_plain_http_needs_a_network_that_is_allowed(runtime: Runtime) -> None:
    with pytest.raises(InputError, match="http://"):
        await add_subscription(runtime, name="crm", url="http://x.test/", events=["*"], actor="ada")
