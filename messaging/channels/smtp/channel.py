"""Send email to a relay by SMTP (RFC 5321) on connections that are kept open and reused.

The phase of each session is known at every moment: before the final dot of the message nothing was sent; if no reply
comes after it, the outcome is unknown. A connection that timed out is closed and never reused.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.errors import AddressError
from core.settings import Settings
from messaging.channels.channel import (
    Accepted,
    OutboundEmail,
    OutboundMessage,
    Refused,
    Retry,
    SendResult,
    Trace,
    Unknown,
    Withheld,
)
from messaging.channels.smtp.codes import SmtpPhase, result_of
from messaging.channels.smtp.dkim import open_signer
from messaging.channels.smtp.provider_headers import reference_header
from messaging.channels.smtp.smtp_connection import CLOSING_CODE, SmtpConnection
from messaging.channels.smtp.smtp_transport import connect, read_smtp_url, trusted
from messaging.content.mime import ascii_domain, seven_bit
from messaging.reasons import Reason

EMAIL_TIMEOUT: Final = 60.0
"""Seconds one email may take. RFC 5321 would wait longer, but a connection that hangs sends nothing."""
MAILS_PER_CONNECTION: Final = 1000
"""Most emails on one connection. Relays limit this; new connections also spread over a relay's hosts."""
NOOP_TIMEOUT: Final = 5.0
"""Seconds an idle connection gets to answer NOOP."""
NOOP_AFTER: Final = 5.0
"""Seconds after which an unused connection is tested by NOOP before it is reused."""
MAX_IDLE_TIME: Final = 60.0
"""Seconds after which an unused connection is closed."""
QUIT_TIMEOUT: Final = 2.0
"""Seconds a relay gets to answer QUIT."""
_NEEDS_UTF8: Final = "The relay takes no addresses with letters beyond ASCII before the @ (it does not offer SMTPUTF8)."


@dataclass(slots=True)
class _Session:
    """Open connection, with its number of emails, time of last use and phase."""

    connection: SmtpConnection
    mails: int = 0
    used_at: float = 0.0
    phase: SmtpPhase = SmtpPhase.MAIL


class SmtpChannel:
    """Channel for email through one relay.

    Args:
        settings: has the relay's address, its trusted authorities, and the number of connections.
        timeout: seconds for one email.

    Raises:
        SettingsError: the relay's address or a file the settings name cannot be used.
    """

    name: Final = "email"
    provider: Final = "smtp"

    def __init__(self, settings: Settings, *, timeout: float = EMAIL_TIMEOUT) -> None:
        assert settings.smtp_url is not None
        self._relay = read_smtp_url(settings.smtp_url.get_secret_value())
        self._context = trusted(settings.smtp_ca_file)
        self._signer = open_signer(settings)
        self._header = reference_header(settings)
        self._timeout = timeout
        self._local_name = settings.bounce_host
        self._idle: list[_Session] = []
        self._closing: set[asyncio.Task[None]] = set()
        self.connections: Final = settings.smtp_connections

    async def send(self, outbound: OutboundMessage) -> SendResult:
        """Send one email to the relay."""
        assert isinstance(outbound, OutboundEmail)
        mail = outbound
        if self._header is not None:  # before signing: this header is not among those signed
            mail = replace(mail, content=self._header(outbound.envelope) + outbound.content)
        if self._signer is not None:
            mail = replace(mail, content=self._signer.sign(seven_bit(mail.content)))
        recipient = envelope_path(outbound.to)
        if recipient is None:
            return Refused(Reason.RECIPIENT_REFUSED, reply="The address has characters SMTP cannot carry.")
        session = await self._take()
        if session is not None:
            result = await self._try(session, recipient, mail)
            if result is not None:
                return result
        opened = await self._open()
        if not isinstance(opened, _Session):
            return opened
        return await self._try(opened, recipient, mail) or Retry(
            Reason.NOT_REACHED, reply="The relay hung up before the message.", slow=True
        )

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:  # noqa: ARG002
        """Return None: a relay has no list that could be searched."""
        return None

    async def close(self) -> None:
        """Send QUIT on every idle connection and close it."""
        while self._idle:
            self._dismiss(self._idle.pop())
        while self._closing:
            await asyncio.wait(self._closing)

    async def _try(self, session: _Session, recipient: bytes, mail: OutboundEmail) -> SendResult | None:
        """Send one email on one connection; None if the connection broke before the first reply."""
        session.phase = SmtpPhase.MAIL
        reusable = False
        try:
            async with asyncio.timeout(self._timeout):
                result = await _transfer(session, recipient, mail)
        except OSError as error:  # TimeoutError is an OSError
            words = f"{type(error).__name__} at {session.phase}: {error}"[:200]
            if session.phase is SmtpPhase.BODY:
                return Unknown(words)
            if session.phase is SmtpPhase.MAIL and not isinstance(error, TimeoutError):
                return None
            return Retry(Reason.NOT_REACHED, reply=words, slow=True)
        else:
            reusable = session.connection.is_sound
            return result
        finally:  # also when cancelled: an interrupted session is never reused
            if reusable:
                self._keep(session)
            else:
                session.connection.close()

    async def _take(self) -> _Session | None:
        """Take the open connection that was used last; close those unused for too long."""
        while self._idle:
            session = self._idle.pop()
            unused_for = time.monotonic() - session.used_at
            fit = session.connection.is_sound and unused_for < NOOP_AFTER
            try:
                fit = fit or (
                    session.connection.is_sound and unused_for < MAX_IDLE_TIME and await _answers(session.connection)
                )
            finally:
                if not fit:
                    session.connection.close()
            if fit:
                return session
        return None

    def _keep(self, session: _Session) -> None:
        session.mails += 1
        session.used_at = now = time.monotonic()
        while self._idle and now - self._idle[0].used_at > MAX_IDLE_TIME:  # the one used last is taken first
            self._dismiss(self._idle.pop(0))
        if session.mails < MAILS_PER_CONNECTION:
            self._idle.append(session)
        else:
            self._dismiss(session)

    async def _open(self) -> _Session | Retry | Refused:
        opened = await connect(self._relay, self._context, self._local_name, self._timeout)
        return _Session(opened) if isinstance(opened, SmtpConnection) else opened

    def _dismiss(self, session: _Session) -> None:
        """Send QUIT and close a connection, in the background."""
        task = asyncio.create_task(_hang_up(session.connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _transfer(session: _Session, recipient: bytes, mail: OutboundEmail) -> SendResult:
    """Send one email on an open connection. One timeout covers all of its commands."""
    connection = session.connection
    content = mail.content
    if "8bitmime" not in connection.extensions:
        content = seven_bit(content)
    opening = _opening(connection.extensions, recipient, mail.envelope, content)
    if isinstance(opening, Refused):
        return opening
    refused = await _introduce(session, opening, b"RCPT TO:<%b>" % recipient)
    if refused is not None:
        return refused
    if not mail.still_ours():  # the replies may have taken a minute, or this process may have been suspended
        connection.close()
        return Withheld()
    connection.send_text(dot_stuffed(content))
    session.phase = SmtpPhase.BODY
    ((code, words),) = await connection.read_replies()
    if code // 100 == 2:
        return Accepted(f"{code} {words}"[:200])
    if code < 400:
        raise ConnectionResetError(f"the server answered {code}")
    return result_of(code, words, SmtpPhase.BODY)


async def _introduce(session: _Session, opening: bytes, recipient: bytes) -> Retry | Refused | None:
    """Send MAIL, RCPT and DATA; return None if the server waits for the text."""
    connection = session.connection
    steps = ((SmtpPhase.MAIL, opening), (SmtpPhase.RCPT, recipient), (SmtpPhase.DATA, b"DATA"))
    at_once = len(steps) if "pipelining" in connection.extensions else 1
    for first in range(0, len(steps), at_once):
        batch = steps[first : first + at_once]
        connection.send_commands(*(command for _, command in batch))
        replies = await connection.read_replies()
        for (phase, _), (code, words) in zip(batch, replies, strict=False):
            session.phase = phase
            if code // 100 == (3 if phase is SmtpPhase.DATA else 2):  # RFC 5321, 4.3.2: the first digit says what to do
                continue
            if code < 400:
                raise ConnectionResetError(f"the server answered {code}")
            if code == CLOSING_CODE and phase is SmtpPhase.MAIL and session.mails:
                raise ConnectionResetError("the server takes no more on this connection")
            await _start_over(connection, text_awaited=phase is SmtpPhase.RCPT and replies[-1][0] == 354)
            return result_of(code, words, phase)
        if len(replies) < len(batch):
            raise ConnectionResetError("the server hung up in the middle")
    return None


def _opening(extensions: Mapping[str, str], recipient: bytes, envelope: str, content: bytes) -> bytes | Refused:
    """Return `MAIL FROM` with the parameters of this email, or a refusal if the server cannot take it."""
    command = b"MAIL FROM:<%b>" % envelope.encode("ascii")
    if "size" in extensions:  # RFC 1870
        limit = extensions["size"]
        if limit.isdecimal() and 0 < int(limit) < len(content):
            return Refused(Reason.CONTENT_REFUSED, reply=f"It has {len(content)} bytes; the relay takes {limit}.")
        command += b" SIZE=%d" % len(content)
    if not content.isascii() and "8bitmime" in extensions:  # RFC 6152
        command += b" BODY=8BITMIME"
    if not recipient.isascii():  # RFC 6531; the header To is in UTF-8 too
        if "smtputf8" not in extensions:
            return Refused(Reason.RECIPIENT_REFUSED, reply=_NEEDS_UTF8)
        command += b" SMTPUTF8"
    return command


async def _start_over(connection: SmtpConnection, *, text_awaited: bool) -> None:
    """Reset a connection after a refusal for the next email, or close it.

    A server with pipelining may wait for the text of an email whose recipient it has refused: it gets an empty text,
    which it refuses, too (RFC 2920, 3.1).
    """
    try:
        if text_awaited:
            connection.send_text(b".\r\n")
            await connection.read_replies()
        connection.send_commands(b"RSET")
        await connection.read_replies()
    except OSError:
        connection.close()


async def _answers(connection: SmtpConnection) -> bool:
    """Tell whether an unused connection still works."""
    try:
        async with asyncio.timeout(NOOP_TIMEOUT):
            connection.send_commands(b"NOOP")
            ((code, _),) = await connection.read_replies()
    except OSError:
        return False
    return code == 250


async def _hang_up(connection: SmtpConnection) -> None:
    with contextlib.suppress(OSError):
        async with asyncio.timeout(QUIT_TIMEOUT):
            connection.send_commands(b"QUIT")
            await connection.read_replies()
    connection.close()


def dot_stuffed(content: bytes) -> bytes:
    """Return the content as DATA carries it: CRLF line ends, dots doubled at the start of a line, the final dot.

    Every line end in the content, even a bare CR or LF, becomes CRLF, so that no server can take anything inside for
    the end of the email.
    """
    content = b"\r\n".join(content.splitlines())
    if b"\n." in content:
        content = content.replace(b"\n.", b"\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content + b"\r\n.\r\n"


def envelope_path(address: str) -> bytes | None:
    """Return an address as RCPT TO takes it, in UTF-8; None if SMTP cannot carry it."""
    try:
        path = ascii_domain(address).encode()
    except (AddressError, UnicodeError):
        return None
    return None if any(byte <= 32 or byte in b"<>\x7f" for byte in path) else path
