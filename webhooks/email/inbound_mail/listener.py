"""Mail listener for LMTP (RFC 2033) and SMTP, behind a mail server that faces the internet; built on aiosmtpd.

250 means that the mail is committed. An unknown recipient is refused before any data is sent; while the database is
unavailable everything is answered with 4xx, so that the server in front of us keeps it and tries again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from core.errors import Conflict, SettingsError, Unavailable
from core.runtime import Runtime
from webhooks.email.inbound_mail.addresses import Destination, read_destination
from webhooks.email.inbound_mail.mail_store import store_mail

MailProtocol = Literal["lmtp", "smtp"]

MAX_CONNECTIONS: Final = 50
"""Connections that may be open at once."""
MAX_RECIPIENTS: Final = 20
"""Recipients of one mail by SMTP; by LMTP it is one, so that each has an answer of its own."""
SILENCE_TIMEOUT: Final = 60.0
"""Seconds a client may be silent."""
MAIL_TIMEOUT: Final = 300.0
"""Seconds a client has for a whole mail, however steadily it sends."""
STOP_TIMEOUT: Final = 10.0
"""Seconds that mails in flight get when the listener stops."""
MAX_LINE_LENGTH: Final = 64 * 1024
"""Bytes of a line of a mail; RFC 5321 allows 1,000, but some programs write paragraphs as one line."""

log = structlog.get_logger(__name__)


class _Limits:
    """Limits that aiosmtpd lacks: a timeout for the whole mail, and a maximum line length."""

    line_length_limit = MAX_LINE_LENGTH

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802  # aiosmtpd's name for a command
        """Receive a mail, within its time."""
        taking: Callable[[str | None], Awaitable[None]] = super().smtp_DATA  # type: ignore[misc]
        clock = asyncio.get_running_loop().call_later(MAIL_TIMEOUT, self._end_mail)
        try:
            await taking(arg)
        finally:
            clock.cancel()

    def connection_lost(self, error: Exception | None) -> None:
        """Free the connection's slot."""
        super().connection_lost(error)  # type: ignore[misc]
        self.event_handler.talking.discard(self)  # type: ignore[attr-defined]

    def _timeout_cb(self) -> None:
        """End a session that was silent for too long; aiosmtpd would wait for the client to read our answers."""
        _hang_up(self.transport)  # type: ignore[attr-defined]

    def _end_mail(self) -> None:
        if self.transport is not None:  # type: ignore[attr-defined]
            self.transport.write(b"421 4.4.2 That took too long.\r\n")  # type: ignore[attr-defined]
            _hang_up(self.transport)  # type: ignore[attr-defined]


class _Lmtp(_Limits, LMTP):  # type: ignore[misc]
    pass


class _Smtp(_Limits, SMTP):  # type: ignore[misc]
    pass


def _hang_up(transport: asyncio.Transport | None) -> None:
    """Close a connection, and drop unsent output: a closed transport waits without end for the client to read it."""
    if transport is not None:
        transport.close()
        if transport.get_write_buffer_size():
            transport.abort()


class _Busy(asyncio.Protocol):
    """MailProtocol for connections beyond the limit: refuses and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"421 4.3.2 Too many connections; please come again.\r\n")
        _hang_up(transport)


class _Receiver:
    """Hooks for aiosmtpd: decide on recipients, and store mail.

    Args:
        runtime: the runtime.
        protocol: the protocol spoken.

    Attributes:
        talking: open sessions, from the accepted connection until it is gone.
    """

    def __init__(self, runtime: Runtime, protocol: MailProtocol) -> None:
        self._runtime = runtime
        self._protocol: MailProtocol = protocol
        self.talking: set[Any] = set()

    def open(self) -> asyncio.Protocol:
        """Return a session, or a refusal if there are too many."""
        if len(self.talking) >= MAX_CONNECTIONS:
            log.warning("too many connections to the mailroom", most=MAX_CONNECTIONS)
            return _Busy()
        kind = _Lmtp if self._protocol == "lmtp" else _Smtp
        largest = self._runtime.settings.mailroom_largest * 1024 * 1024
        session: SMTP = kind(
            self,
            data_size_limit=largest,
            enable_SMTPUTF8=True,
            hostname="muster",
            ident="Muster",
            timeout=SILENCE_TIMEOUT,
        )
        self.talking.add(session)
        return session  # type: ignore[no-any-return]

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Announce LMTP's extensions (RFC 2033, 5); PIPELINING is safe, because commands are read one by one."""
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", *responses[1:]]

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str | None, options: list[str]
    ) -> str:
        """Accept every sender, including the empty one of bounces."""
        envelope.mail_from = address or "<>"  # aiosmtpd takes an empty sender for a missing one
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept only addresses of ours."""
        destination = self._destination(address)
        if destination is None:
            return "550 5.1.1 There is no such mailbox here."
        if len(envelope.rcpt_tos) >= (1 if self._protocol == "lmtp" else MAX_RECIPIENTS):
            return "452 4.5.3 Too many recipients; please send the others by themselves."
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store the mail for each of its recipients before confirming it."""
        assert isinstance(envelope.content, bytes)
        sender = (envelope.mail_from or "").strip("<>")
        try:
            for recipient in envelope.rcpt_tos:
                destination = self._destination(recipient)
                if destination is not None:
                    await store_mail(
                        self._runtime, envelope.content, sender=sender, recipient=recipient,
                        destination=destination, received_by=self._protocol,
                    )  # fmt: skip
        except Unavailable:
            return "451 4.3.0 It cannot be stored just now; please come again."
        return "250 2.0.0 Stored."

    async def handle_exception(self, error: Exception) -> str:
        """Answer an unexpected error; only confirmed mails have been stored."""
        log.error("a mail could not be taken in: an unexpected error", error=repr(error))
        return "451 4.3.0 Something went wrong here; please try again later."

    def _destination(self, address: str) -> Destination | None:
        return read_destination(self._runtime.settings, self._runtime.keyring, address)


@asynccontextmanager
async def listening(runtime: Runtime, protocol: MailProtocol, where: str) -> AsyncIterator[str]:
    """Receive mail as long as this context is open.

    Args:
        runtime: the runtime.
        protocol: the protocol spoken.
        where: `host:port`, or `unix:/path/of/socket`.

    Yields:
        The address, with the actual port where `where` has port 0.

    Raises:
        SettingsError, Conflict: nothing can listen there.
    """
    # aiosmtpd logs every command, with members' addresses in it
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    receiver = _Receiver(runtime, protocol)
    server, address, path = await _bind(receiver.open, protocol, where)
    try:
        yield address
    finally:
        server.close()
        await _finish(receiver)
        await server.wait_closed()
        if path is not None:
            path.unlink(missing_ok=True)


async def _finish(receiver: _Receiver) -> None:
    """Let mails in flight finish, then close all connections."""
    tasks = [session._handler_coroutine for session in receiver.talking if session._handler_coroutine is not None]  # noqa: SLF001
    idle = [session for session in receiver.talking if not (session.envelope and session.envelope.rcpt_tos)]
    busy = [session for session in receiver.talking if session not in idle]
    for session in idle:
        _hang_up(session.transport)
    deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
    while any(
        session.envelope and session.envelope.rcpt_tos and not session.transport.is_closing()
        for session in busy
        if session.transport
    ):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.05)
    for session in busy:
        _hang_up(session.transport)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _bind(
    factory: Callable[[], asyncio.Protocol], protocol: MailProtocol, where: str
) -> tuple[asyncio.Server, str, Path | None]:
    loop = asyncio.get_running_loop()
    name = f"MUSTER_MAILROOM_{protocol.upper()}"
    try:
        if where.startswith("unix:"):
            path = Path(where.removeprefix("unix:"))
            _make_way(path)
            server = await loop.create_unix_server(factory, path)
            os.chmod(path, 0o666)  # noqa: PTH101, S103  # the folder restricts access; Postfix runs as another user
            return server, where, path
        host, _, port = where.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise SettingsError(f"{name} is {where!r}.", remedy="It must be host:port or unix:/path/of/socket.")
        server = await loop.create_server(factory, host.strip("[]"), int(port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Conflict(f"Nothing can listen on {where}: {why}.", remedy=f"Check {name}.") from error
    return server, f"{host}:{server.sockets[0].getsockname()[1]}", None


def _make_way(path: Path) -> None:
    """Remove a killed listener's socket; refuse if the path is in use or another kind of file."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise Conflict(f"{path} is no socket.", remedy="Check MUSTER_MAILROOM_LMTP and MUSTER_MAILROOM_SMTP.")
        import socket

        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink()
                return
        raise Conflict(f"Another process listens on {path} already.", remedy="Stop that mailroom first.")
