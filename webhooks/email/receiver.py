"""Receiver of email providers' events: each request is verified as the provider documents it, stored, then answered.

A new provider is a module in `providers/` with a class that has `EventProvider`'s methods, `PROVIDER` at its end, one
in `messaging/channels/smtp/relays/` for the header that carries our id, and payloads for its tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import orjson
from aiohttp import web

from core.db import Connection
from core.errors import InputError
from core.http.request_bodies import plain_json, read_body, without_nul
from core.http.web import RUNTIME
from core.runtime import Runtime
from core.settings import Settings
from webhooks.email.events import EmailEvent, ReportedEvent, apply_events
from webhooks.errors import malformed, note_forged
from webhooks.inbound_log.inbound_log import Intake, Item, ItemHandler
from webhooks.verification import SIGNATURE_AGE

T = TypeVar("T")

MAX_REQUEST_SIZE: Final = 1024 * 1024
"""Bytes of a request; SendGrid sends up to 768 KB of events at once."""
MAX_CLOCK_LEAD: Final = timedelta(minutes=5)
"""Maximum that a provider's clock may be ahead of ours."""


class Forged(Exception):  # noqa: N818  # reads as what it is
    """The request is not from the provider, or it is old."""


class Malformed(Exception):  # noqa: N818
    """The request cannot be read; the message says why.

    Args:
        why: the error in it.
        once: the token that proves the sender and is accepted once: it is used up by this request.
    """

    def __init__(self, why: str, once: str | None = None) -> None:
        super().__init__(why)
        self.once = once


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """Event as the provider sent it.

    Attributes:
        key: the same for every repetition of an event.
        message_id: our message, if it names one.
        event: as the provider sent it.
        ignored: it has no effect, and only its key is kept.
    """

    key: str
    message_id: int | None
    event: Mapping[str, Any]
    ignored: bool = False


class EventProvider(Protocol):
    """Interface of a provider: the parts that differ between providers.

    Attributes:
        proves_date: whether the verification of a request also proves when it was made, so that an old one is refused.
    """

    name: str
    proves_date: bool

    def is_set_up(self, settings: Settings) -> bool:
        """Tell whether the settings hold the key or password that verifies its webhooks."""
        ...

    async def read(self, runtime: Runtime, request: web.Request, body: bytes) -> Sequence[ReceivedEvent]:
        """Read the events in a request and verify its sender.

        Raises:
            Forged, Malformed: the request is not from the provider, or cannot be read.
            Unavailable: the request cannot be verified just now.
        """
        ...

    def understand(self, event: Mapping[str, Any], at: datetime) -> EmailEvent | None:
        """Convert an event; None if its type is unknown.

        Args:
            event: as it came.
            at: when it came.
        """
        ...


class EventReceiver:
    """Receives the events of one provider.

    Args:
        intake: stores what comes in.
        provider: the provider.
    """

    def __init__(self, intake: Intake, provider: EventProvider) -> None:
        self._intake = intake
        self._provider = provider

    @property
    def route(self) -> web.RouteDef:
        """Return its route."""
        return web.post(f"/webhooks/email/{self._provider.name}", self.receive)

    async def receive(self, request: web.Request) -> web.Response:
        """Receive events; the answer comes after the commit of all of them."""
        runtime, provider = request.app[RUNTIME], self._provider
        if not provider.is_set_up(runtime.settings):
            raise web.HTTPNotFound
        body = await read_body(request, largest=MAX_REQUEST_SIZE)
        reading = provider.read(runtime, request, body)
        arrivals = await verify_and_read(request, self._intake, source_of(provider.name), provider.name, body, reading)
        await asyncio.gather(*(self._store(runtime, arrival) for arrival in arrivals))
        return web.Response()

    async def _store(self, runtime: Runtime, arrival: ReceivedEvent) -> None:
        about = f"message:{arrival.message_id}" if arrival.message_id else f"{self._provider.name}:{arrival.key}"
        await self._intake.store(
            runtime,
            source=source_of(self._provider.name),
            dedupe_key=without_nul(arrival.key)[:200],
            subject=without_nul(about)[:200],
            payload={} if arrival.ignored else {"event": dict(arrival.event), "message_id": arrival.message_id},
            done=arrival.ignored,
        )


async def mark_token_used(runtime: Runtime, intake: Intake, name: str, once: str) -> None:
    """Record that a token has been used, if nothing else of its request is stored.

    Args:
        runtime: the runtime.
        intake: stores what comes in.
        name: the provider's.
        once: the token, such as a signed one.

    Raises:
        Unavailable: the database does not answer.
    """
    source = source_of(name)
    await intake.store(runtime, source=source, dedupe_key=once, subject=f"{name}:{once}", payload={}, done=True)


async def verify_and_read(
    request: web.Request, intake: Intake, source: str, name: str, body: bytes, reading: Awaitable[T]
) -> T:
    """Verify and read a request, and turn failures into HTTP errors.

    Args:
        request: the request.
        intake: stores what comes in.
        source: the source under which an unreadable body is kept.
        name: the provider's.
        body: its body.
        reading: verifies and reads it.

    Raises:
        HTTPForbidden: the request is not from the provider; nothing is kept.
        HTTPBadRequest: the request cannot be read; its body is kept for a person to look at.
        Unavailable: the request cannot be verified or stored just now.
    """
    try:
        return await reading
    except Forged as error:
        raise refused(request, error) from None
    except Malformed as error:
        if error.once is not None:
            await mark_token_used(request.app[RUNTIME], intake, name, error.once)
        raise await malformed(request, source, str(error), body) from None


def refused(request: web.Request, error: Forged) -> web.HTTPForbidden:
    """Refuse a request that is not from the provider; nothing is kept."""
    note_forged(request, "a webhook with a wrong signature", why=str(error))
    return web.HTTPForbidden(text="The signature is missing, wrong or old.\n")


def source_of(provider: str) -> str:
    """Return the source of a provider's events in the inbound log."""
    return f"{provider}_event"


def handler(provider: EventProvider) -> ItemHandler:
    """Return the handler that processes a provider's events."""

    async def apply(db: Connection, items: Sequence[Item]) -> None:
        await apply_events(db, provider.name, [_reported(provider, item) for item in items])

    return apply


def _reported(provider: EventProvider, item: Item) -> ReportedEvent:
    event = provider.understand(item.payload["event"], item.received_at)
    if event is None:
        raise InputError(f"{provider.name} sent an event of an unknown kind.")
    return ReportedEvent(item.payload["message_id"], event, item.received_at)


def check_time(signed_at: datetime | None, now: datetime) -> None:
    """Refuse a request that was signed too long ago, or in the future.

    Raises:
        Forged: the request is too old, or from the future.
    """
    if signed_at is None or not now - SIGNATURE_AGE <= signed_at <= now + MAX_CLOCK_LEAD:
        raise Forged("signed too long ago, or in the future")


def read_json(body: bytes | str) -> Any:
    """Parse JSON, and remove characters that PostgreSQL cannot store.

    Raises:
        Malformed: the body is not JSON, or nested too deeply.
    """
    try:
        return plain_json(orjson.loads(body))
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from None
    except RecursionError:
        raise Malformed("nested too deeply") from None


def read_object(body: bytes | str) -> dict[str, Any]:
    """Parse JSON that has to be an object.

    Raises:
        Malformed: the body is no JSON object.
    """
    parsed = read_json(body)
    if not isinstance(parsed, dict):
        raise Malformed("not a JSON object")
    return parsed


def table(value: object) -> Mapping[str, Any]:
    """Return an object inside another; an empty one if there is something else."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """Return a text or a number inside an object as text; "" if there is something else."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
