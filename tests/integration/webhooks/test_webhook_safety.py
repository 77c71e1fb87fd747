"""Safety of webhooks: which fields are sent to whom, to which addresses, and signed by which secret."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from pydantic import SecretStr
from standardwebhooks import WebhookVerificationError

from core.alerts import open_alerts
from core.clock import system_clock
from core.db import Connection
from core.errors import InputError
from core.runtime import Runtime
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.receivers import (
    Got,
    Names,
    Receiver,
    WebhookWorker,
    happen,
    on_loopback,
    open_receiver,
    sources,
    webhook_worker,
)
from webhooks.subscriptions.subscriptions import (
    add_subscription,
    get_subscription,
    list_deliveries,
    renew_secrets,
    rotate,
)


async def test_phone_numbers_are_sent_only_where_requested_and_allowed(
    worker: WebhookWorker, receiver: Receiver, db: Connection, runtime: Runtime
) -> None:
    with pytest.raises(InputError, match="may not include addresses here"):
        await add_subscription(
            worker.runtime, name="crm", url=receiver.url, events=["*"], include=["addresses"], actor=operator("ada")
        )
    allowed = on_loopback(runtime, webhook_include=("addresses",))
    await add_subscription(
        allowed, name="crm", url=receiver.url, events=["*"], include=["addresses"], actor=operator("ada")
    )
    await happen(db, 1)
    async with webhook_worker(allowed) as free:
        await free.deliver()
    await happen(db, 1, first=1)
    await worker.deliver()  # where it is no longer allowed, it is no longer told
    assert receiver.got[0].event["data"]["address"] == "+447700900000"
    assert "address" not in receiver.got[1].event["data"]


async def test_both_secrets_sign_for_a_while_after_a_rotation(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    clock = FixedClock(system_clock())
    worker.runtime = worker.sender.runtime = replace(worker.runtime, clock=clock)
    _, old = await worker.add(receiver)
    new = (await rotate(worker.runtime, "crm", overlap=timedelta(minutes=2), actor=operator("ada"))).get_secret_value()
    await happen(db, 1)
    await worker.deliver()
    clock.wait(minutes=3)
    await happen(db, 1, first=1)
    await worker.deliver()
    before, after = receiver.got
    assert before.verify(old) == before.verify(new)
    after.verify(new)
    with pytest.raises(WebhookVerificationError):
        after.verify(old)
    stored = await db.fetchval("select secret from webhook_subscription")
    assert new.encode() not in stored


async def test_secrets_outlive_a_rotation_of_the_key_that_encrypts_them(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    _, secret = await worker.add(receiver)
    keys = (SecretStr("a newer secret, first"), *worker.runtime.settings.secret_key)
    settings = worker.runtime.settings.model_copy(update={"secret_key": keys})
    worker.sender.runtime = replace(worker.runtime, settings=settings)
    await happen(db, 1)
    await worker.deliver()
    receiver.got[0].verify(secret)
    worker.sender.runtime = replace(worker.runtime, settings=settings.model_copy(update={"secret_key": keys[:1]}))
    await happen(db, 1, first=1)
    await worker.deliver()
    paused = await get_subscription(db, "crm")
    assert (paused.state, len(receiver.got)) == ("paused", 1)
    assert "another MUSTER_SECRET_KEY" in (await open_alerts(db))[0].title


async def test_secrets_are_encrypted_anew_so_that_the_former_key_can_go(
    worker: WebhookWorker, receiver: Receiver, db: Connection
) -> None:
    _, former = await worker.add(receiver)
    secret = await rotate(worker.runtime, "crm", actor=operator("ada"))
    keys = (SecretStr("a newer secret, first"), *worker.runtime.settings.secret_key)
    assert [await renew_secrets(db, keys=keys) for _ in range(2)] == [1, 0]
    settings = worker.runtime.settings.model_copy(update={"secret_key": keys[:1]})
    worker.sender.runtime = replace(worker.runtime, settings=settings)
    await happen(db, 1)
    await worker.deliver()
    receiver.got[0].verify(secret.get_secret_value())
    receiver.got[0].verify(former)


async def test_redirects_are_not_followed(worker: WebhookWorker, receiver: Receiver, db: Connection) -> None:
    async with open_receiver() as elsewhere:
        await worker.add(receiver)
        receiver.answers(307, Location=elsewhere.url)
        await happen(db, 1)
        await worker.deliver()
        assert elsewhere.got == []
        assert (await list_deliveries(db, "crm"))[
            0
        ].problem == "It answered 307, a redirect; redirects are not followed."


async def test_a_name_that_resolves_to_an_inner_address_later_is_refused(runtime: Runtime, db: Connection) -> None:
    names = Names("127.0.0.1", "127.0.0.2")
    async with open_receiver() as public, webhook_worker(on_loopback(runtime), resolver=names) as worker:
        port = int(public.url.rpartition(":")[2].partition("/")[0])
        async with open_receiver("127.0.0.2", port) as inside:
            await worker.add(Receiver(f"http://hooks.example.org:{port}/hook"))
            public.answers(204, Connection="close")
            await happen(db, 2)
            await worker.deliver()
            assert (sources(public), inside.got, names.asked) == (["0"], [], 2)
            assert (await list_deliveries(db, "crm"))[0].problem == (
                "It was not asked: 127.0.0.2 is not a public address, and MUSTER_OUTGOING_ALLOW does not name it."
            )


async def test_a_receiver_that_answers_without_end_is_disconnected(
    runtime: Runtime, receiver: Receiver, db: Connection
) -> None:
    async def dribble(_got: Got) -> web.Response:
        async def drops() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)

        return web.Response(status=200, body=drops())

    receiver.answer = dribble
    async with webhook_worker(on_loopback(runtime)) as worker:
        await worker.add(receiver)
        await happen(db, 1)
        await worker.deliver()
        [tried] = await list_deliveries(db, "crm")
        assert (tried.status, len(tried.answer)) == (200, 2048)


async def test_plain_http_needs_a_network_that_is_allowed(runtime: Runtime) -> None:
    with pytest.raises(InputError, match="http://"):
        await add_subscription(runtime, name="crm", url="http://x.test/", events=["*"], actor=operator("ada"))
    with pytest.raises(InputError, match="http://"):
        await add_subscription(runtime, name="crm", url="HTTP://x.test/", events=["*"], actor=operator("ada"))
