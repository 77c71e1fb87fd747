"""Where providers of email bring what they have to say: verified as each documents it, stored, and only then answered.

A new provider is a file beside this one with a class that has `Provider`'s methods, a line in `PROVIDERS`, and a folder
of payloads for its tests.
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
from webhooks.errors import WINDOW, malformed, note_forged
from webhooks.inbound_log.inbound_log import Handler, Intake, Item

T = TypeVar("T")

LARGEST: Final = 1024 * 1024
"""Bytes; SendGrid sends up to 768 KB of events at once."""
AHEAD: Final = timedelta(minutes=5)
"""How far a provider's clock may be ahead of ours."""


class Forged(Exception):  # noqa: N818  # reads as what it is
    """It is not from the provider, or it is old."""


class Malformed(Exception):  # noqa: N818
    """It cannot be read; the message says why.

    Args:
        why: what is wrong with it.
        once: what proves who sent it and may bring one thing only: that was this.
    """

    def __init__(self, why: str, once: str | None = None) -> None:
        super().__init__(why)
        self.once = once


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it came.

    Attributes:
        key: the same for the same event told twice.
        message_id: ours, where it names one.
        event: what the provider said.
        ignored: nothing is done about it, and nothing of it kept but its key.
    """

    key: str
    message_id: int | None
    event: Mapping[str, Any]
    ignored: bool = False


class Provider(Protocol):
    """What is different from one provider to the next.

    Attributes:
        proves_date: whether what verifies a request also proves when it was made, so that an old one is refused.
    """

    name: str
    proves_date: bool

    def is_set_up(self, settings: Settings) -> bool:
        """Whether there is what its webhooks are verified with."""
        ...

    async def read(self, runtime: Runtime, request: web.Request, body: bytes) -> Sequence[Arrival]:
        """The events in a request, once it is certain who sent it.

        Raises:
            Forged, Malformed: it is not theirs, or cannot be read.
            Unavailable: that cannot be told just now.
        """
        ...

    def understand(self, event: Mapping[str, Any], at: datetime) -> EmailEvent | None:
        """What an event means; None where nobody knows.

        Args:
            event: as it came.
            at: when it came.
        """
        ...


class EventReceiver:
    """One provider's address.

    Args:
        intake: stores what comes in.
        provider: who it is.
    """

    def __init__(self, intake: Intake, provider: Provider) -> None:
        self._intake = intake
        self._provider = provider

    @property
    def route(self) -> web.RouteDef:
        """Where it is."""
        return web.post(f"/webhooks/email/{self._provider.name}", self.receive)

    async def receive(self, request: web.Request) -> web.Response:
        """Take events; the answer comes after the commit of all of them."""
        runtime, provider = request.app[RUNTIME], self._provider
        if not provider.is_set_up(runtime.settings):
            raise web.HTTPNotFound
        body = await read_body(request, largest=LARGEST)
        reading = provider.read(runtime, request, body)
        arrivals = await believed(request, self._intake, source_of(provider.name), provider.name, body, reading)
        await asyncio.gather(*(self._store(runtime, arrival) for arrival in arrivals))
        return web.Response()

    async def _store(self, runtime: Runtime, arrival: Arrival) -> None:
        about = f"message:{arrival.message_id}" if arrival.message_id else f"{self._provider.name}:{arrival.key}"
        await self._intake.store(
            runtime,
            source=source_of(self._provider.name),
            dedupe_key=without_nul(arrival.key)[:200],
            subject=without_nul(about)[:200],
            payload={} if arrival.ignored else {"event": dict(arrival.event), "message_id": arrival.message_id},
            done=arrival.ignored,
        )


async def use_up(runtime: Runtime, intake: Intake, name: str, once: str) -> None:
    """Note that what may bring one thing only has brought it, where nothing of that is kept.

    Args:
        runtime: where to.
        intake: stores what comes in.
        name: the provider's.
        once: what it was, such as a signed token.

    Raises:
        Unavailable: the database does not answer.
    """
    source = source_of(name)
    await intake.store(runtime, source=source, dedupe_key=once, subject=f"{name}:{once}", payload={}, done=True)


async def believed(
    request: web.Request, intake: Intake, source: str, name: str, body: bytes, reading: Awaitable[T]
) -> T:
    """What a provider says in a request, once that is certain.

    Args:
        request: what came.
        intake: stores what comes in.
        source: what a body is kept under that nobody can read.
        name: the provider's.
        body: its body.
        reading: verifies and reads it.

    Raises:
        HTTPForbidden: it is not from them; nothing is kept.
        HTTPBadRequest: it cannot be read; it is kept for a person to look at.
        Unavailable: neither can be told just now.
    """
    try:
        return await reading
    except Forged as error:
        raise refused(request, error) from None
    except Malformed as error:
        if error.once is not None:
            await use_up(request.app[RUNTIME], intake, name, error.once)
        raise await malformed(request, source, str(error), body) from None


def refused(request: web.Request, error: Forged) -> web.HTTPForbidden:
    """What somebody is told who is not the provider; nothing is kept."""
    note_forged(request, "a webhook with a wrong signature", why=str(error))
    return web.HTTPForbidden(text="The signature is missing, wrong or old.\n")


def source_of(provider: str) -> str:
    """What the inbox calls a provider's events."""
    return f"{provider}_event"


def handler(provider: Provider) -> Handler:
    """Who processes a provider's events."""

    async def apply(db: Connection, items: Sequence[Item]) -> None:
        await apply_events(db, provider.name, [_told(provider, item) for item in items])

    return apply


def _told(provider: Provider, item: Item) -> ReportedEvent:
    event = provider.understand(item.payload["event"], item.received_at)
    if event is None:
        raise InputError(f"An event from {provider.name} that nobody knows.")
    return ReportedEvent(item.payload["message_id"], event, item.received_at)


def check_time(said: datetime | None, now: datetime) -> None:
    """Refuse what was signed too long ago, or in the future.

    Raises:
        Forged: it was.
    """
    if said is None or not now - WINDOW <= said <= now + AHEAD:
        raise Forged("signed too long ago, or in the future")


def read_json(body: bytes | str) -> Any:
    """What a body says, as PostgreSQL can keep it.

    Raises:
        Malformed: it is not JSON, or nested without end.
    """
    try:
        return plain_json(orjson.loads(body))
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from None
    except RecursionError:
        raise Malformed("nested too deeply") from None


def read_object(body: bytes | str) -> dict[str, Any]:
    """What a body says, where it has to be an object.

    Raises:
        Malformed: it is none.
    """
    said = read_json(body)
    if not isinstance(said, dict):
        raise Malformed("not a JSON object")
    return said


def table(said: object) -> Mapping[str, Any]:
    """An object inside another; an empty one where something else stands there."""
    return said if isinstance(said, dict) else {}


def text(said: object) -> str:
    """A text or a number inside an object; "" where something else stands there."""
    return str(said) if isinstance(said, str | int | float) and not isinstance(said, bool) else ""
