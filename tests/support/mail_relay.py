"""A mail relay that does what a test tells it to: offers, refuses, hangs up, encrypts, and remembers everything."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from core.settings import Settings
from messaging.channels.channel import OutboundEmail, SendResult
from messaging.channels.smtp.channel import SmtpChannel

EVERYTHING = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 0")
LARGEST = 2**24
"""Bytes of a text it takes."""
USUAL = b"usual"
HANG_UP = b""
"""As an answer: closes the connection."""


@dataclass
class Relay:
    """What it offers and says, and what came.

    Attributes:
        offers: extensions in its answer to EHLO.
        answers: for a verb (`BODY` for a text), what it says instead of its usual answer, one after the other; `USUAL`
            for that.
        lazy: it says nothing until a conversation can go no further without it.
        torn: it sends every byte by itself.
        forgetful: it loses what came behind a text, with the text.
        loses: numbers of the lines that it loses of what came behind a text.
        cuts: how many bytes it loses of the beginning of that.
        holds: a verb (or `BODY`) that it does not answer before `gate` is set.
        context: with it, it offers STARTTLS, or speaks TLS from the start where `smtps`.
        password: with it, it wants `user` to sign in.
    """

    offers: Iterable[str] = EVERYTHING
    answers: dict[str, list[bytes]] = field(default_factory=dict)
    lazy: bool = False
    torn: bool = False
    forgetful: bool = False
    loses: Collection[int] = ()
    cuts: int = 0
    holds: str = ""
    context: ssl.SSLContext | None = None
    smtps: bool = False
    password: str | None = None

    connections: int = 0
    commands: list[str] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    """Texts that it said it took."""
    behind: int = 0
    """Texts that had the next envelope behind them, in one packet."""
    clear: list[str] = field(default_factory=list)
    """Commands that came unencrypted."""
    early: list[str] = field(default_factory=list)
    """Commands that came in one packet with another one."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def heard_behind(self) -> bool:
        """Whether a text has come with an envelope behind it."""
        return self.behind > 0

    def count(self, verb: str) -> int:
        return sum(command.split()[0].upper() == verb for command in self.commands)


class _Talk:
    """One connection."""

    def __init__(self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.relay = relay
        self.reader = reader
        self.writer = writer
        self.encrypted = relay.smtps
        self.signed_in = relay.password is None
        self.held = b""
        self.state = "idle"

    async def run(self) -> None:
        await self.say(b"220 relay.test ESMTP\r\n")
        while line := await self.reader.readline():
            command = line.decode().rstrip("\r\n")
            self.relay.commands.append(command)
            if not self.encrypted:
                self.relay.clear.append(command)
            if self.reader._buffer:  # type: ignore[attr-defined]
                self.relay.early.append(command)
            verb = command.split()[0].upper()
            await self.hold(verb)
            others = self.relay.answers.get(verb)
            answer = others.pop(0) if others else USUAL
            if answer == USUAL:
                answer = self.usual(verb, command)
            if answer == HANG_UP:
                return
            ends = verb not in {"MAIL", "RCPT"}
            self.held += answer
            if ends or not self.relay.lazy:
                await self.say(self.held)
                self.held = b""
            if verb == "QUIT":
                return
            if verb == "STARTTLS" and answer.startswith(b"220"):
                assert self.relay.context
                await self.writer.start_tls(self.relay.context)
                self.encrypted, self.state = True, "idle"
            if verb == "DATA" and answer.startswith(b"354") and not await self.take():
                return

    def usual(self, verb: str, command: str) -> bytes:
        if verb == "EHLO":
            offers = ["relay.test", *self.relay.offers]
            if self.relay.context and not self.encrypted:
                offers.append("STARTTLS")
            if self.relay.password and self.encrypted:
                offers.append("AUTH PLAIN LOGIN")
            lines = [f"250{' ' if n == len(offers) - 1 else '-'}{offer}\r\n" for n, offer in enumerate(offers)]
            return "".join(lines).encode()
        if verb == "AUTH":
            given = base64.b64decode(command.split()[2]) if command.upper().startswith("AUTH PLAIN ") else b""
            self.signed_in = given == f"\0user\0{self.relay.password}".encode()
            return b"235 2.7.0 welcome\r\n" if self.signed_in else b"535 5.7.8 who are you\r\n"
        if verb == "STARTTLS":
            return b"220 go ahead\r\n"
        if verb == "MAIL" and not self.signed_in:
            return b"530 5.7.0 sign in first\r\n"
        allowed, following = {"MAIL": ("idle", "mail"), "RCPT": ("mail", "rcpt"), "DATA": ("rcpt", "idle")}.get(
            verb, (self.state, "idle" if verb == "RSET" else self.state)
        )
        if self.state != allowed:
            return b"503 5.5.1 out of order\r\n"
        self.state = following
        return b"354 go on\r\n" if verb == "DATA" else b"250 2.0.0 ok\r\n"

    async def take(self) -> bool:
        """Read a text as RFC 5321 says: only CRLF, dot, CRLF ends it."""
        text = b""
        while not (text.endswith(b"\r\n.\r\n") or text == b".\r\n"):
            text += await self.reader.readuntil(b".\r\n")
        text = text[:-3].removeprefix(b".").replace(b"\r\n..", b"\r\n.")
        self.relay.texts.append(text)
        if self.reader._buffer:  # type: ignore[attr-defined]
            self.relay.behind += 1
        await self.hold("BODY")
        if self.relay.forgetful:
            self.reader._buffer.clear()  # type: ignore[attr-defined]
        self.lose()
        others = self.relay.answers.get("BODY")
        answer = others.pop(0) if others else USUAL
        if answer == USUAL:
            answer = b"250 2.0.0 taken\r\n"
        self.state = "idle"
        if answer.startswith(b"2"):
            self.relay.taken.append(text)
        await self.say(answer)
        return answer != HANG_UP

    def lose(self) -> None:
        """Lose a part of what came behind a text."""
        behind = self.reader._buffer  # type: ignore[attr-defined]
        lines = bytes(behind[self.relay.cuts :]).splitlines(keepends=True)
        behind[:] = b"".join(line for number, line in enumerate(lines) if number not in self.relay.loses)

    async def hold(self, verb: str) -> None:
        if verb == self.relay.holds:
            await self.relay.gate.wait()

    async def say(self, data: bytes) -> None:
        for piece in [bytes([byte]) for byte in data] if self.relay.torn else [data]:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)


@asynccontextmanager
async def serving(relay: Relay, *, host: str = "127.0.0.1") -> AsyncIterator[Relay]:
    """The relay, listening; `relay.url` says where."""
    talks: set[asyncio.Task[Any]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        talks.add(task)
        relay.connections += 1
        talk = _Talk(relay, reader, writer)
        try:
            await talk.run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # the other end is gone, or the test has ended
        finally:
            talk.writer.close()

    server = await asyncio.start_server(accept, host, 0, ssl=relay.context if relay.smtps else None, limit=LARGEST)
    scheme = "smtps" if relay.smtps else "smtp"
    signing_in = f"user:{relay.password}@" if relay.password else ""
    relay.url = f"{scheme}://{signing_in}{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@asynccontextmanager
async def channel_to(url: str, *, timeout: float = 20, **settings: Any) -> AsyncIterator[SmtpChannel]:  # noqa: ASYNC109
    """A channel to a relay, closed at the end."""
    channel = SmtpChannel(
        Settings(_env_file=None, smtp_url=SecretStr(url), smtp_connections=2, **settings), timeout=timeout
    )
    try:
        yield channel
    finally:
        await channel.close()


def mail(to: str = "ann@x.test", content: bytes = b"From: a@union.test\r\n\r\nHello\r\n") -> OutboundEmail:
    return OutboundEmail(1, "b+1-abc@union.test", to, content)


async def send_in_turn(channel: SmtpChannel, mails: Iterable[OutboundEmail]) -> list[SendResult]:
    """Send mails as one task of a pipeline does: while one is sent, the channel may ask for the next."""
    waiting, announced = deque(mails), deque[OutboundEmail]()
    results: list[SendResult] = []

    def following() -> OutboundEmail | None:
        if waiting and not announced:
            announced.append(waiting.popleft())
        return announced[0] if announced else None

    while waiting or announced:
        outbound = announced.popleft() if announced else waiting.popleft()
        outbound.following = following
        results.append(await channel.send(outbound))
        assert len(announced) <= 1
    return results


def numbered(count: int, *, first: int = 1) -> list[OutboundEmail]:
    """So many mails, each to somebody else and with a text of its own."""
    return [
        OutboundEmail(n, f"b+{n}-abc@union.test", f"m{n}@x.test", b"From: a@union.test\r\n\r\nHello %d\r\n" % n)
        for n in range(first, first + count)
    ]


def always(answers: dict[str, bytes]) -> dict[str, list[bytes]]:
    """The same answers a thousand times."""
    return defaultdict(list, {verb: [answer] * 1000 for verb, answer in answers.items()})
