"""Send email to a relay by SMTP (RFC 5321) on connections that are kept open and reused.

A connection that timed out is closed and never reused. An email whose envelope was said ahead (`smtp_session`) has its
connection already; if that breaks before the text, the email takes another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime
from typing import Final

import structlog

from core.settings import Settings
from messaging.channels.channel import (
    OutboundEmail,
    OutboundMessage,
    Refused,
    Retry,
    SendResult,
    Trace,
    Unknown,
    Withheld,
)
from messaging.channels.smtp.codes import SmtpPhase
from messaging.channels.smtp.dkim import open_signer
from messaging.channels.smtp.provider_headers import reference_header
from messaging.channels.smtp.smtp_connection import SmtpConnection
from messaging.channels.smtp.smtp_session import (
    EnvelopeLostError,
    PreparedEmail,
    SmtpSession,
    dot_stuffed,
    envelope_path,
    no_path,
)
from messaging.channels.smtp.smtp_transport import connect, read_smtp_url, trusted
from messaging.content.mime import seven_bit
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

log = structlog.get_logger(__name__)


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
        self._idle: list[SmtpSession] = []
        self._announced: dict[int, SmtpSession] = {}
        self._says_ahead = True
        self._closing: set[asyncio.Task[None]] = set()
        self.connections: Final = settings.smtp_connections

    async def send(self, outbound: OutboundMessage) -> SendResult:
        """Send one email to the relay, and say ahead the envelope of the one that `following` names."""
        assert isinstance(outbound, OutboundEmail)
        session = self._announced.pop(outbound.message_id, None) if self._announced else None
        if session is None:
            session = await self._take()
        if session is not None:
            result = await self._try(session, outbound)
            if result is not None:
                return result
            if not outbound.still_ours():
                return Withheld()
        if envelope_path(outbound.to) is None:  # no connection has to be opened to see that
            return no_path()
        opened = await self._open()
        if not isinstance(opened, SmtpSession):
            return opened
        return await self._try(opened, outbound) or Retry(
            Reason.NOT_REACHED, reply="The relay hung up before the message.", slow=True
        )

    def give_up_announced(self, outbound: OutboundMessage) -> None:
        """Give up an email that `following` named and that will not be sent: its connection waits for its text."""
        session = self._announced.pop(outbound.message_id, None)
        if session is not None:
            session.connection.close()

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:  # noqa: ARG002
        """Return None: a relay has no list that could be searched."""
        return None

    async def close(self) -> None:
        """Send QUIT on every idle connection and close it."""
        while self._announced:
            self._announced.popitem()[1].connection.close()
        while self._idle:
            self._dismiss(self._idle.pop())
        while self._closing:
            await asyncio.wait(self._closing)

    async def _try(self, session: SmtpSession, outbound: OutboundEmail) -> SendResult | None:
        """Send one email on one connection; None if the connection broke and another one may be tried at once."""
        announced, session.phase = session.ahead is not None, SmtpPhase.MAIL
        at_its_end = False
        session.connection.allow(self._timeout)
        try:
            result = await self._converse(session, outbound)
        except OSError as error:  # TimeoutError is an OSError
            words = f"{type(error).__name__} at {session.phase}: {error}"[:200]
            if session.phase is SmtpPhase.BODY:
                return Unknown(words)
            timed_out = isinstance(error, TimeoutError)
            if announced and (timed_out or isinstance(error, EnvelopeLostError)):
                self._stop_announcing(words)
            if not timed_out and (announced or session.phase is SmtpPhase.MAIL):
                return None
            return Retry(Reason.NOT_REACHED, reply=words, slow=True)
        else:
            at_its_end = True
            return result
        finally:  # also when cancelled: an interrupted session is never reused
            if not at_its_end:
                session.connection.close()
            elif session.ahead is not None:
                session.mails += 1
            elif session.connection.is_sound:
                self._keep(session)
            else:
                session.connection.close()

    async def _converse(self, session: SmtpSession, outbound: OutboundEmail) -> SendResult:
        email = session.ahead or self._prepared(session, outbound)
        if isinstance(email, Refused):
            return email
        refused = await session.say_envelope(email)
        if refused is not None:
            return refused
        following, ahead = self._next(session, outbound)
        result = await session.say_text(outbound, email, ahead)
        if following is not None and session.ahead is not None:
            self._announced[following.message_id] = session
        return result

    def _next(
        self, session: SmtpSession, outbound: OutboundEmail
    ) -> tuple[OutboundEmail, PreparedEmail] | tuple[None, None]:
        """Ask for the email after this one, and prepare it for being said ahead."""
        if not self._says_ahead or not session.pipelines or session.mails + 1 >= MAILS_PER_CONNECTION:
            return None, None
        following = outbound.following()
        if following is None:
            return None, None
        try:
            email = self._prepared(session, following)
        except Exception:  # noqa: BLE001  # its own try will meet the same error; this email must not suffer from it
            return None, None
        return (None, None) if isinstance(email, Refused) else (following, email)

    def _prepared(self, session: SmtpSession, outbound: OutboundEmail) -> PreparedEmail | Refused:
        """Sign an email if need be, and put it into the form that the server of a session takes."""
        content, needs_no_stuffing = outbound.content, outbound.needs_no_stuffing
        if self._header is not None:  # before signing: this header is not among those signed
            header = self._header(outbound.envelope)
            content = header + content
            needs_no_stuffing = needs_no_stuffing and dot_stuffed(header) == header + b".\r\n"
        if self._signer is not None:
            content, needs_no_stuffing = self._signer.sign(seven_bit(content)), False
        elif not session.takes_8bit and not content.isascii():
            content, needs_no_stuffing = seven_bit(content), False
        return session.prepare(outbound.envelope, outbound.to, content, needs_no_stuffing=needs_no_stuffing)

    def _stop_announcing(self, words: str) -> None:
        """Say no envelope ahead any more: a relay that loses those behind a text would keep each connection waiting."""
        if self._says_ahead:
            log.warning("the relay did not take an envelope sent with the text before it", error=words)
        self._says_ahead = False

    async def _take(self) -> SmtpSession | None:
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

    def _keep(self, session: SmtpSession) -> None:
        session.mails += 1
        session.used_at = now = time.monotonic()
        while self._idle and now - self._idle[0].used_at > MAX_IDLE_TIME:  # the one used last is taken first
            self._dismiss(self._idle.pop(0))
        if session.mails < MAILS_PER_CONNECTION:
            self._idle.append(session)
        else:
            self._dismiss(session)

    async def _open(self) -> SmtpSession | Retry | Refused:
        opened = await connect(self._relay, self._context, self._local_name, self._timeout)
        return SmtpSession(opened) if isinstance(opened, SmtpConnection) else opened

    def _dismiss(self, session: SmtpSession) -> None:
        """Send QUIT and close a connection, in the background."""
        task = asyncio.create_task(_hang_up(session.connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


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
