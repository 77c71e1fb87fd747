"""Inbound mail that a provider accepts for us and posts to `/webhooks/email/<provider>/inbound`: verified and stored.

Each provider can post a mail as raw MIME, and should be set up that way, because only then are reports complete. A mail
that is posted in parsed form is put together again, without its attachments.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.message import Message
from email.policy import compat32
from typing import Final, Protocol
from weakref import WeakValueDictionary

import structlog
from aiohttp import web

from core.errors import Unavailable
from core.http.client_network import INSIDE, client_network
from core.http.request_bodies import read_body, refuse_large
from core.http.web import RUNTIME
from core.runtime import Runtime
from core.settings import Settings
from webhooks.email.inbound_mail.addresses import read_destination
from webhooks.email.inbound_mail.mail_store import store_mail
from webhooks.email.receiver import Forged, mark_token_used, refused, source_of, verify_and_read
from webhooks.email.uploads import Uploads
from webhooks.inbound_log.inbound_log import Intake

MAX_AT_ONCE: Final = 8
"""Mails that are processed at the same time: in JSON or a form each may take twice its size."""
MAX_UNKNOWN: Final = 2
"""… from one network and not verified yet."""
SLOT_TIMEOUT: Final = 5.0
"""Seconds that a further mail waits for a slot."""
MAX_RECIPIENTS: Final = 20
"""Recipients of one mail that are looked at, and attachments that are named."""
MAX_HEADER_LENGTH: Final = 4000
"""Characters kept of a header."""

_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,76}", re.ASCII)
_OWN: Final = frozenset({"mime-version", "content-type", "content-transfer-encoding", "content-disposition"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PostedMail:
    """Mail that was posted by a provider.

    Attributes:
        raw: as it came, or put together again.
        sender: of the envelope.
        recipients: of the envelope.
        once: the token, if that is signed instead of the mail: it is accepted once.
    """

    raw: bytes
    sender: str
    recipients: Sequence[str]
    once: str | None = None


class InboundProvider(Protocol):
    """Interface of a provider that accepts mail for us."""

    name: str

    def is_set_up(self, settings: Settings) -> bool:
        """Tell whether the settings hold the key or password that verifies its webhooks."""
        ...

    def recognise(self, runtime: Runtime, request: web.Request) -> bool:
        """Tell whether the headers alone prove who sends this; the body has not been read yet.

        Raises:
            Forged: the headers prove another sender.
        """
        ...

    async def read_mail(self, runtime: Runtime, request: web.Request, body: bytes) -> PostedMail | None:
        """Read the mail in a request and verify its sender; None if it brings none.

        Raises:
            Forged, Malformed: the request is not from the provider, or cannot be read.
            Unavailable: the request cannot be verified just now.
        """
        ...


class InboundReceiver:
    """Receives mail that one provider posts.

    Args:
        intake: stores what comes in.
        provider: the provider.
    """

    def __init__(self, intake: Intake, provider: InboundProvider) -> None:
        self._intake = intake
        self._provider = provider
        self._uploads = Uploads()
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._unknown: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = WeakValueDictionary()

    @property
    def routes(self) -> list[web.RouteDef]:
        """Return its routes; Mailgun posts a mail as raw MIME only if the URL ends in `mime`."""
        path = f"/webhooks/email/{self._provider.name}/inbound"
        return [web.post(path, self.receive), web.post(f"{path}/mime", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """Receive a mail; the answer comes after the commit."""
        runtime, provider = request.app[RUNTIME], self._provider
        if not provider.is_set_up(runtime.settings):
            raise web.HTTPNotFound
        largest = runtime.settings.mailroom_largest * 1024 * 1024
        most = 2 * largest + 1024 * 1024
        refuse_large(request, most)
        try:
            known = provider.recognise(runtime, request)
        except Forged as error:
            raise refused(request, error) from None
        async with AsyncExitStack() as slot:
            posted = await self._read(slot, request, most, known=known)
            if posted is not None:
                await self._store(runtime, posted, largest)
        return web.Response()

    async def _read(self, slot: AsyncExitStack, request: web.Request, most: int, *, known: bool) -> PostedMail | None:
        """Read and verify a mail. It takes a slot only once its body is here, so that slow senders occupy none."""
        name, reads = self._provider.name, self._provider.read_mail
        async with AsyncExitStack() as unverified:
            if known:
                body = await read_body(request, largest=most)
            else:
                body = await unverified.enter_async_context(self._uploads.receive(request, most))
            await self._take_slot(slot, unverified, client_network(request), known=known)
            reading = reads(request.app[RUNTIME], request, body)
            return await verify_and_read(request, self._intake, f"{name}_mail", name, body, reading)

    async def _take_slot(self, slot: AsyncExitStack, unverified: AsyncExitStack, where: str, *, known: bool) -> None:
        """Wait for a slot; a network that is not verified yet gets few, so that others get some too."""
        few = MAX_AT_ONCE if known or where == INSIDE else MAX_UNKNOWN
        try:
            async with asyncio.timeout(SLOT_TIMEOUT):
                # weak: the semaphore disappears when no request of that network holds or awaits it
                await unverified.enter_async_context(self._unknown.setdefault((where, few), asyncio.Semaphore(few)))
                await slot.enter_async_context(self._slots)
        except TimeoutError:
            raise Unavailable("Too many mails come at once.", remedy="Please try again in a minute.") from None

    async def _store(self, runtime: Runtime, posted: PostedMail, largest: int) -> None:
        """Store a mail, and record that its token is used up, even if nothing is stored."""
        name = self._provider.name
        fits = len(posted.raw) <= largest
        if not (fits and await _store_for_each(runtime, name, posted)) and posted.once is not None:
            await mark_token_used(runtime, self._intake, name, posted.once)
        if not fits:
            raise web.HTTPRequestEntityTooLarge(largest, len(posted.raw), text="That is too large.\n")


async def _store_for_each(runtime: Runtime, name: str, posted: PostedMail) -> bool:
    """Store a mail for each of its recipients that is an address of ours; return whether there was one."""
    known = 0
    for recipient in dict.fromkeys(posted.recipients[:MAX_RECIPIENTS]):
        destination = read_destination(runtime.settings, runtime.keyring, recipient)
        if destination is None:
            continue
        known += 1
        await store_mail(
            runtime, posted.raw, sender=posted.sender, recipient=recipient, destination=destination, received_by=name,
            once=None if posted.once is None else (source_of(name), posted.once),
        )  # fmt: skip
        if posted.once is not None:
            break
    if not known:
        log.info("mail to an unknown address", received_by=name)
    return known > 0


def compose_mail(headers: Sequence[tuple[str, str]], text: str, html: str, attachments: int) -> bytes:
    """Rebuild a mail that was posted in parsed form: headers, text, and a placeholder for each attachment.

    Args:
        headers: names and values, in order; those that describe the MIME structure are left out.
        text: its text.
        html: the same as HTML: it may mark quotations that the text does not.
        attachments: their number; their content is not in it.
    """
    mail = Message(policy=compat32)
    for name, value in headers:
        if _HEADER_NAME.fullmatch(name) and name.lower() not in _OWN:
            mail[name] = " ".join(value[:MAX_HEADER_LENGTH].split())
    mail["MIME-Version"] = "1.0"
    mail["Content-Type"] = "multipart/mixed"
    mail.set_payload([])
    for content_type, content in (("text/plain", text), ("text/html", html)):
        if content.strip():
            words = Message(policy=compat32)
            words["Content-Type"] = content_type
            words.set_payload(content.encode("utf-8", "replace").decode(), "utf-8")
            mail.attach(words)
    for _ in range(min(attachments, MAX_RECIPIENTS)):
        thing = Message(policy=compat32)
        thing["Content-Type"] = "application/octet-stream"
        thing["Content-Disposition"] = "attachment"
        mail.attach(thing)
    # deterministic: the same mail must give the same bytes, or it would be stored twice
    everything = repr((headers, text, html, attachments)).encode(errors="replace")
    mail.set_boundary(f"=_{hashlib.sha256(everything).hexdigest()[:32]}")
    return mail.as_bytes()


def header_lines(text: str) -> list[tuple[str, str]]:
    """Parse headers as they stand in a mail, folded ones on one line."""
    lines: list[tuple[str, str]] = []
    for line in text.replace("\r\n", "\n").split("\n")[:2000]:
        if line.startswith((" ", "\t")) and lines:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line.strip()}"[:MAX_HEADER_LENGTH])
        elif ":" in line:
            name, _, value = line.partition(":")
            lines.append((name, value.strip()))
    return lines


def form_field(fields: Mapping[str, bytes], name: str) -> str:
    """Return a field of a form as text."""
    return fields.get(name, b"").decode(errors="replace")
