"""Receivers of webhooks: a real web server on loopback that behaves well and badly, and keeps the requests it got."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

import orjson
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook

from core.db import Connection
from core.http.outbound_http import OutboundHttp, open_outbound_http
from core.runtime import Runtime
from messaging.suppression import suppress
from muster.operator import operator
from webhooks.subscriptions.delivery import WebhookDelivery
from webhooks.subscriptions.event_log import EventLog
from webhooks.subscriptions.subscriptions import Subscription, add_subscription

LOOPBACK = ip_network("127.0.0.1/32")


@dataclass
class Got:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.body)
        return body

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> Any:
        """By the library that receivers use."""
        return Webhook(secret).verify(self.body, self.headers)


async def take(_got: Got) -> web.Response:
    return web.Response(status=204)


@dataclass
class Receiver:
    """A receiver; `answer` is what it does with each request."""

    url: str = ""
    answer: Callable[[Got], Awaitable[web.Response]] = take
    got: list[Got] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [request.event["type"] for request in self.got]

    @property
    def cursors(self) -> list[int]:
        return [request.event["cursor"] for request in self.got]

    def answers(self, *statuses: int, **headers: str) -> None:
        """Answer with these, one after the other; the last one from then on."""
        left = list(statuses)

        async def answer(_got: Got) -> web.Response:
            return web.Response(status=left.pop(0) if len(left) > 1 else left[0], headers=headers, text="as told")

        self.answer = answer


@asynccontextmanager
async def open_receiver(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def receive(request: web.Request) -> web.Response:
        got = Got({name.lower(): value for name, value in request.headers.items()}, await request.read())
        receiver.got.append(got)
        return await receiver.answer(got)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", receive)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    receiver.url = f"http://{host}:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def on_loopback(runtime: Runtime, **settings: Any) -> Runtime:
    """A runtime that may tell receivers on this machine."""
    update = {"outgoing_allow": (LOOPBACK,), **settings}
    return replace(runtime, settings=runtime.settings.model_copy(update=update))


@dataclass
class WebhookWorker:
    """What a worker does to tell others, one look at a time."""

    runtime: Runtime
    outside: OutboundHttp
    stream: EventLog
    sender: WebhookDelivery

    async def record_new_events(self) -> None:
        while await self.stream.record_new_events():
            pass

    async def deliver(self) -> None:
        """Notice and deliver until nothing is left to do now."""
        await self.record_new_events()
        await self.sender.start()
        await self.sender.idle()

    async def add(self, receiver: Receiver, *events: str, name: str = "crm") -> tuple[Subscription, str]:
        added, secret = await add_subscription(
            self.runtime, name=name, url=receiver.url, events=events or ("*",), actor=operator("ada")
        )
        return added, secret.get_secret_value()


@asynccontextmanager
async def webhook_worker(
    runtime: Runtime, *, request_timeout: float = 15.0, resolver: AbstractResolver | None = None
) -> AsyncIterator[WebhookWorker]:
    async with open_outbound_http(
        runtime.settings.outgoing_allow, resolver=resolver, request_timeout=request_timeout
    ) as outside:
        sender = WebhookDelivery(runtime, outside)
        yield WebhookWorker(runtime, outside, EventLog(runtime, state_changes_every=0), sender)
        await sender.stop(0.2)


class Names(AbstractResolver):
    """A name server that may say something else each time: the next of some addresses, the last one from then on."""

    def __init__(self, *addresses: str) -> None:
        self._left = list(addresses)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        address = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


async def hang(_got: Got) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("nobody waits that long")


async def happen(db: Connection, n: int = 1, *, first: int = 0) -> None:
    """Something that is told: each an opt-out whose source is its number."""
    for number in range(first, first + n):
        await suppress(db, channel="sms", address=f"+4477009{number:05}", reason="opted_out", source=f"{number}")


def sources(receiver: Receiver) -> list[str]:
    """What of it arrived, in order."""
    return [request.event["data"]["source"] for request in receiver.got]
