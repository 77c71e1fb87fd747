"""Email to a relay by SMTP (RFC 5321) on connections that are kept open and used again.

Each command is sent by itself, so that it is known how far a conversation had come when it failed: before the message's
final dot nothing was sent; after it, silence is unknown. A connection that timed out is closed, never used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException
from aiosmtplib.protocol import normalize_message_line_endings

from messaging.channels.base import Accepted, Mail, Outcome, Parcel, Refused, Retry, Trace, Unknown
from messaging.channels.smtp_codes import Phase, judge
from messaging.errors import SettingsError
from messaging.outbox.states import Reason
from messaging.settings import Settings

TIMEOUT: Final = 60.0
"""Seconds one email may take. RFC 5321 would wait longer, but a lease has to outlast it."""
MAILS_PER_CONNECTION: Final = 1000
"""Relays limit this; a fresh connection also spreads over a relay's hosts."""
PATIENCE: Final = 20.0
"""Seconds opening a connection may take."""
IDLE: Final = 15.0
"""Seconds after which an unused connection is not trusted any more."""


@dataclass(frozen=True, slots=True)
class Relay:
    """Where mail goes, as `MUSTER_SMTP_URL` says it."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    start_tls: bool | None


def read_smtp_url(url: str) -> Relay:
    """Read `smtp://user:password@host:port?starttls=never|auto|always` or `smtps://…`.

    Raises:
        SettingsError: it is not like that; never repeats the password.
    """
    remedy = "It looks like smtp://user:password@host:587?starttls=always, or smtps://…; see docs/settings.md."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError("MUSTER_SMTP_URL has no port that is a number.", remedy=remedy) from error
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise SettingsError("MUSTER_SMTP_URL is not the address of a mail relay.", remedy=remedy)
    ways = {"never": False, "auto": None, "always": True}
    way = parse_qs(parts.query).get("starttls", ["auto"])[-1]
    if way not in ways:
        raise SettingsError(f"MUSTER_SMTP_URL says starttls={way}.", remedy=remedy)
    tls = parts.scheme == "smtps"
    return Relay(
        host=parts.hostname,
        port=port or (465 if tls else 25),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=tls,
        start_tls=False if tls else ways[way],
    )


@dataclass(slots=True)
class _Line:
    """One open connection: how many mails it took, and when it was last used."""

    smtp: SMTP
    mails: int = 0
    used_at: float = 0.0
    phase: Phase = Phase.MAIL


class SmtpChannel:
    """Email through one relay.

    Args:
        settings: has the relay's address and how many connections to keep.
        timeout: seconds for one email.
    """

    name: Final = "email"
    provider: Final = "smtp"

    def __init__(self, settings: Settings, *, timeout: float = TIMEOUT) -> None:
        assert settings.smtp_url is not None
        self._relay = read_smtp_url(settings.smtp_url.get_secret_value())
        self._timeout = timeout
        self._local_name = settings.bounce_host
        self._idle: list[_Line] = []
        self.connections: Final = settings.smtp_connections

    async def send(self, parcel: Parcel) -> Outcome:
        """Hand one email to the relay."""
        assert isinstance(parcel, Mail)
        recipient = _path(parcel.to)
        if recipient is None:
            return Refused(Reason.RECIPIENT_REFUSED, reply="The address has characters SMTP cannot carry.")
        line = self._take()
        if line is not None:
            outcome = await self._try(line, recipient, parcel)
            if outcome is not None:
                return outcome
        opened = await self._open()
        if not isinstance(opened, _Line):
            return opened
        return await self._try(opened, recipient, parcel) or Retry(
            Reason.NOT_REACHED, reply="The relay hung up before the message.", slow=True
        )

    async def trace(self, parcel: Parcel, since: datetime) -> list[Trace] | None:  # noqa: ARG002
        """SMTP keeps no list that could be asked."""
        return None

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            await self._hang_up(self._idle.pop())

    async def _try(self, line: _Line, recipient: bytes, mail: Mail) -> Outcome | None:
        """One email on one connection; None where the connection broke before anything was said on it."""
        line.phase = Phase.MAIL
        kept = False
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await _transfer(line, recipient, mail)
        except (SMTPException, OSError, TimeoutError) as error:
            words = f"{type(error).__name__} at {line.phase}: {error}"[:200]
            if line.phase is Phase.BODY:
                return Unknown(words)
            if line.phase is Phase.MAIL and not isinstance(error, TimeoutError):
                return None
            return Retry(Reason.NOT_REACHED, reply=words, slow=True)
        else:
            kept = line.smtp.is_connected
            return outcome
        finally:  # also when cancelled: a conversation broken off in the middle is never used again
            if kept:
                await self._keep(line)
            else:
                line.smtp.close()

    def _take(self) -> _Line | None:
        """An open connection, the one used last; those left alone too long are closed."""
        while self._idle:
            line = self._idle.pop()
            if line.smtp.is_connected and time.monotonic() - line.used_at < IDLE:
                return line
            line.smtp.close()
        return None

    async def _keep(self, line: _Line) -> None:
        line.mails += 1
        line.used_at = time.monotonic()
        if line.mails < MAILS_PER_CONNECTION:
            self._idle.append(line)
        else:
            await self._hang_up(line)

    async def _open(self) -> _Line | Retry | Refused:
        relay = self._relay
        smtp = SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.username,
            password=relay.password,
            use_tls=relay.tls,
            start_tls=relay.start_tls,
            local_hostname=self._local_name,
            timeout=None,
        )
        try:
            async with asyncio.timeout(min(PATIENCE, self._timeout)):
                await smtp.connect()
                if smtp.is_ehlo_or_helo_needed:
                    await smtp.ehlo()
        except SMTPAuthenticationError as error:
            return judge(error.code, error.message, Phase.AUTH)
        except SMTPResponseException as error:
            return judge(error.code, error.message, Phase.CONNECT)
        except (SMTPException, OSError, TimeoutError) as error:
            smtp.close()
            return Retry(Reason.NOT_REACHED, reply=f"{type(error).__name__}: {error}"[:200], slow=True)
        except BaseException:
            smtp.close()
            raise
        return _Line(smtp)

    async def _hang_up(self, line: _Line) -> None:
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await line.smtp.quit()
        line.smtp.close()


async def _transfer(line: _Line, recipient: bytes, mail: Mail) -> Outcome:
    """The conversation for one email. Commands have no timeout of their own: one clock runs over all of them."""
    smtp = line.smtp
    code, reply = await smtp.execute_command(b"MAIL", b"FROM:<%b>" % mail.envelope.encode("ascii"), timeout=None)
    if code != 250:
        return await _refused(line, code, reply)
    line.phase = Phase.RCPT
    code, reply = await smtp.execute_command(b"RCPT", b"TO:<%b>" % recipient, timeout=None)
    if code not in {250, 251}:
        return await _refused(line, code, reply)
    line.phase = Phase.DATA
    code, reply = await smtp.execute_command(b"DATA", timeout=None)
    if code != 354:
        return await _refused(line, code, reply)
    protocol = smtp.protocol
    if protocol is None:
        raise ConnectionResetError("closed after 354")
    content = _stuffed(mail.content)
    line.phase = Phase.BODY
    protocol.write(content)
    code, reply = await protocol.read_response()
    if code == 250:
        return Accepted(f"250 {reply}"[:200])
    if code == 421:
        smtp.close()
    return judge(code, reply, Phase.BODY)


async def _refused(line: _Line, code: int, reply: str) -> Outcome:
    """A reply other than success before the content; the connection is made ready for the next email."""
    outcome = judge(code, reply, line.phase)
    if line.smtp.is_connected:
        try:
            await line.smtp.rset(timeout=None)
        except (SMTPException, OSError):
            line.smtp.close()
    return outcome


def _stuffed(content: bytes) -> bytes:
    """The content as DATA carries it: CRLF line ends, dots doubled at the start of a line, the final dot."""
    if content.count(b"\n") != content.count(b"\r\n") or not content.endswith(b"\r\n"):
        content = normalize_message_line_endings(content)
    if b"\n." in content:
        content = content.replace(b"\n.", b"\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content + b".\r\n"


def _path(address: str) -> bytes | None:
    """An address as it stands in RCPT TO; None where it cannot. Domains may have letters beyond ASCII."""
    try:
        path = address.encode("ascii")
    except UnicodeEncodeError:
        local, _, domain = address.rpartition("@")
        try:
            path = local.encode("ascii") + b"@" + domain.encode("idna")
        except UnicodeError:
            return None
    return None if any(byte <= 32 or byte in b"<>\x7f" for byte in path) else path
