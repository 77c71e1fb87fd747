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
from typing import Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException
from aiosmtplib.protocol import normalize_message_line_endings

from messaging.channels.base import Accepted, Mail, Outcome, Parcel, Refused, Retry, Trace, Unknown
from messaging.channels.dialogue import CLOSING, Dialogue
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
PROMPT: Final = 5.0
"""Seconds an idle connection gets to answer."""
QUIET: Final = 5.0
"""Seconds after which an unused connection is asked whether it still works before a mail is trusted to it."""
IDLE: Final = 60.0
"""Seconds after which an unused connection is not kept any longer."""
_STEPS: Final = ((Phase.MAIL, {250}), (Phase.RCPT, {250, 251}), (Phase.DATA, {354}))
"""What is said before the text of a mail, and the replies that let it go on."""


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

    dialogue: Dialogue
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
        line = await self._take()
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
        except OSError as error:  # TimeoutError is one
            words = f"{type(error).__name__} at {line.phase}: {error}"[:200]
            if line.phase is Phase.BODY:
                return Unknown(words)
            if line.phase is Phase.MAIL and not isinstance(error, TimeoutError):
                return None
            return Retry(Reason.NOT_REACHED, reply=words, slow=True)
        else:
            kept = line.dialogue.is_sound
            return outcome
        finally:  # also when cancelled: a conversation broken off in the middle is never used again
            if kept:
                await self._keep(line)
            else:
                line.dialogue.close()

    async def _take(self) -> _Line | None:
        """An open connection, the one used last; those left alone too long are closed."""
        while self._idle:
            line = self._idle.pop()
            alone = time.monotonic() - line.used_at
            if line.dialogue.is_sound and (alone < QUIET or (alone < IDLE and await _answers(line.dialogue))):
                return line
            line.dialogue.close()
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
        transport = cast("asyncio.Transport", smtp.transport)
        return _Line(Dialogue(transport, smtp.esmtp_extensions))

    async def _hang_up(self, line: _Line) -> None:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(2):
                line.dialogue.say(b"QUIT")
                await line.dialogue.hear()
        line.dialogue.close()


async def _transfer(line: _Line, recipient: bytes, mail: Mail) -> Outcome:
    """The conversation for one email. No step has a timeout of its own: one clock runs over all of them."""
    dialogue = line.dialogue
    commands = (b"MAIL FROM:<%b>" % mail.envelope.encode("ascii"), b"RCPT TO:<%b>" % recipient, b"DATA")
    at_once = len(commands) if "pipelining" in dialogue.extensions else 1
    for first in range(0, len(commands), at_once):
        dialogue.say(*commands[first : first + at_once])
        replies = await dialogue.hear(at_once)
        for (phase, wanted), (code, words) in zip(_STEPS[first:], replies, strict=False):
            line.phase = phase
            if code not in wanted:
                await _start_over(dialogue, text_awaited=replies[-1][0] == 354)
                return judge(code, words, phase)
        if len(replies) < at_once:
            raise ConnectionResetError("the server hung up in the middle")
    content = _stuffed(mail.content)
    line.phase = Phase.BODY
    dialogue.write(content)
    ((code, words),) = await dialogue.hear()
    if code == 250:
        return Accepted(f"250 {words}"[:200])
    if code == CLOSING:
        dialogue.close()
    return judge(code, words, Phase.BODY)


async def _start_over(dialogue: Dialogue, *, text_awaited: bool) -> None:
    """After a refusal: make the connection ready for the next email, or hang up.

    A server that was told everything at once may wait for the text of a mail whose recipient it has refused: it gets an
    empty one, which it refuses too (RFC 2920, 3.1).
    """
    try:
        if text_awaited:
            dialogue.write(b".\r\n")
            await dialogue.hear()
        dialogue.say(b"RSET")
        await dialogue.hear()
    except OSError:
        dialogue.close()


async def _answers(dialogue: Dialogue) -> bool:
    """Whether a connection that was left alone still works."""
    try:
        async with asyncio.timeout(PROMPT):
            dialogue.say(b"NOOP")
            ((code, _),) = await dialogue.hear()
    except OSError:
        return False
    return code == 250


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
