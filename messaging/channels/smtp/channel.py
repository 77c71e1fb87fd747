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
from messaging.channels.smtp.codes import SmtpPhase, judge
from messaging.channels.smtp.dkim import open_signer
from messaging.channels.smtp.provider_headers import reference_header
from messaging.channels.smtp.smtp_connection import CLOSING, SmtpConnection
from messaging.channels.smtp.smtp_transport import connect, read_smtp_url, trusted
from messaging.content.mime import ascii_domain, seven_bit
from messaging.states import Reason

TIMEOUT: Final = 60.0
"""Seconds one email may take. RFC 5321 would wait longer, but a connection that hangs sends nothing."""
MAILS_PER_CONNECTION: Final = 1000
"""Most emails on one connection. Relays limit this; new connections also spread over a relay's hosts."""
PROMPT: Final = 5.0
"""Seconds an idle connection gets to answer NOOP."""
QUIET: Final = 5.0
"""Seconds after which an unused connection is tested by NOOP before it is reused."""
IDLE: Final = 60.0
"""Seconds after which an unused connection is closed."""
FAREWELL: Final = 2.0
"""Seconds a relay gets to answer QUIT."""
_NEEDS_UTF8: Final = "The relay takes no addresses with letters beyond ASCII before the @ (it does not offer SMTPUTF8)."


@dataclass(slots=True)
class _Line:
    """Open connection, with its number of emails, time of last use and phase."""

    dialogue: SmtpConnection
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

    def __init__(self, settings: Settings, *, timeout: float = TIMEOUT) -> None:
        assert settings.smtp_url is not None
        self._relay = read_smtp_url(settings.smtp_url.get_secret_value())
        self._context = trusted(settings.smtp_ca_file)
        self._signer = open_signer(settings)
        self._header = reference_header(settings)
        self._timeout = timeout
        self._local_name = settings.bounce_host
        self._idle: list[_Line] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self.connections: Final = settings.smtp_connections

    async def send(self, parcel: OutboundMessage) -> SendResult:
        """Send one email to the relay."""
        assert isinstance(parcel, OutboundEmail)
        mail = parcel
        if self._header is not None:  # before signing: this header is not among those signed
            mail = replace(mail, content=self._header(parcel.envelope) + parcel.content)
        if self._signer is not None:
            mail = replace(mail, content=self._signer.sign(seven_bit(mail.content)))
        recipient = _path(parcel.to)
        if recipient is None:
            return Refused(Reason.RECIPIENT_REFUSED, reply="The address has characters SMTP cannot carry.")
        line = await self._take()
        if line is not None:
            outcome = await self._try(line, recipient, mail)
            if outcome is not None:
                return outcome
        opened = await self._open()
        if not isinstance(opened, _Line):
            return opened
        return await self._try(opened, recipient, mail) or Retry(
            Reason.NOT_REACHED, reply="The relay hung up before the message.", slow=True
        )

    async def trace(self, parcel: OutboundMessage, since: datetime) -> list[Trace] | None:  # noqa: ARG002
        """Return None: a relay has no list that could be searched."""
        return None

    async def close(self) -> None:
        """Send QUIT on every idle connection and close it."""
        while self._idle:
            self._dismiss(self._idle.pop())
        while self._leaving:
            await asyncio.wait(self._leaving)

    async def _try(self, line: _Line, recipient: bytes, mail: OutboundEmail) -> SendResult | None:
        """Send one email on one connection; None where the connection broke before the first reply."""
        line.phase = SmtpPhase.MAIL
        kept = False
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await _transfer(line, recipient, mail)
        except OSError as error:  # TimeoutError is one
            words = f"{type(error).__name__} at {line.phase}: {error}"[:200]
            if line.phase is SmtpPhase.BODY:
                return Unknown(words)
            if line.phase is SmtpPhase.MAIL and not isinstance(error, TimeoutError):
                return None
            return Retry(Reason.NOT_REACHED, reply=words, slow=True)
        else:
            kept = line.dialogue.is_sound
            return outcome
        finally:  # also when cancelled: an interrupted session is never reused
            if kept:
                self._keep(line)
            else:
                line.dialogue.close()

    async def _take(self) -> _Line | None:
        """Take the open connection that was used last; close those unused for too long."""
        while self._idle:
            line = self._idle.pop()
            alone = time.monotonic() - line.used_at
            fit = line.dialogue.is_sound and alone < QUIET
            try:
                fit = fit or (line.dialogue.is_sound and alone < IDLE and await _answers(line.dialogue))
            finally:
                if not fit:
                    line.dialogue.close()
            if fit:
                return line
        return None

    def _keep(self, line: _Line) -> None:
        line.mails += 1
        line.used_at = now = time.monotonic()
        while self._idle and now - self._idle[0].used_at > IDLE:  # the one used last is taken first
            self._dismiss(self._idle.pop(0))
        if line.mails < MAILS_PER_CONNECTION:
            self._idle.append(line)
        else:
            self._dismiss(line)

    async def _open(self) -> _Line | Retry | Refused:
        opened = await connect(self._relay, self._context, self._local_name, self._timeout)
        return _Line(opened) if isinstance(opened, SmtpConnection) else opened

    def _dismiss(self, line: _Line) -> None:
        """Send QUIT and close a connection, in the background."""
        task = asyncio.create_task(_hang_up(line.dialogue))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _transfer(line: _Line, recipient: bytes, mail: OutboundEmail) -> SendResult:
    """Send one email on an open connection. One timeout covers all of its commands."""
    dialogue = line.dialogue
    content = mail.content
    if "8bitmime" not in dialogue.extensions:
        content = seven_bit(content)
    opening = _opening(dialogue.extensions, recipient, mail.envelope, content)
    if isinstance(opening, Refused):
        return opening
    refused = await _introduce(line, opening, b"RCPT TO:<%b>" % recipient)
    if refused is not None:
        return refused
    if not mail.still_ours():  # the replies may have taken a minute, or this process may have been suspended
        dialogue.close()
        return Withheld()
    dialogue.hand_over(_stuffed(content))
    line.phase = SmtpPhase.BODY
    ((code, words),) = await dialogue.hear()
    if code // 100 == 2:
        return Accepted(f"{code} {words}"[:200])
    if code < 400:
        raise ConnectionResetError(f"the server answered {code}")
    return judge(code, words, SmtpPhase.BODY)


async def _introduce(line: _Line, opening: bytes, recipient: bytes) -> Retry | Refused | None:
    """Send MAIL, RCPT and DATA; returns None where the server waits for the text."""
    dialogue = line.dialogue
    steps = ((SmtpPhase.MAIL, opening), (SmtpPhase.RCPT, recipient), (SmtpPhase.DATA, b"DATA"))
    at_once = len(steps) if "pipelining" in dialogue.extensions else 1
    for first in range(0, len(steps), at_once):
        said = steps[first : first + at_once]
        dialogue.say(*(command for _, command in said))
        replies = await dialogue.hear()
        for (phase, _), (code, words) in zip(said, replies, strict=False):
            line.phase = phase
            if code // 100 == (3 if phase is SmtpPhase.DATA else 2):  # RFC 5321, 4.3.2: the first digit says what to do
                continue
            if code < 400:
                raise ConnectionResetError(f"the server answered {code}")
            if code == CLOSING and phase is SmtpPhase.MAIL and line.mails:
                raise ConnectionResetError("the server takes no more on this connection")
            await _start_over(dialogue, text_awaited=phase is SmtpPhase.RCPT and replies[-1][0] == 354)
            return judge(code, words, phase)
        if len(replies) < len(said):
            raise ConnectionResetError("the server hung up in the middle")
    return None


def _opening(extensions: Mapping[str, str], recipient: bytes, envelope: str, content: bytes) -> bytes | Refused:
    """Return `MAIL FROM` with the parameters of this email, or a refusal where the server cannot take it."""
    command = b"MAIL FROM:<%b>" % envelope.encode("ascii")
    if "size" in extensions:  # RFC 1870
        limit = extensions["size"]
        if limit.isdecimal() and 0 < int(limit) < len(content):
            return Refused(Reason.CONTENT_REFUSED, reply=f"It has {len(content)} bytes; the relay takes {limit}.")
        command += b" SIZE=%d" % len(content)
    if not content.isascii() and "8bitmime" in extensions:  # RFC 6152
        command += b" BODY=8BITMIME"
    if not recipient.isascii():  # RFC 6531; the header To says it in UTF-8 too
        if "smtputf8" not in extensions:
            return Refused(Reason.RECIPIENT_REFUSED, reply=_NEEDS_UTF8)
        command += b" SMTPUTF8"
    return command


async def _start_over(dialogue: SmtpConnection, *, text_awaited: bool) -> None:
    """Reset a connection after a refusal for the next email, or close it.

    A server with pipelining may wait for the text of an email whose recipient it has refused: it gets an empty text,
    which it refuses, too (RFC 2920, 3.1).
    """
    try:
        if text_awaited:
            dialogue.hand_over(b".\r\n")
            await dialogue.hear()
        dialogue.say(b"RSET")
        await dialogue.hear()
    except OSError:
        dialogue.close()


async def _answers(dialogue: SmtpConnection) -> bool:
    """Return whether an unused connection still works."""
    try:
        async with asyncio.timeout(PROMPT):
            dialogue.say(b"NOOP")
            ((code, _),) = await dialogue.hear()
    except OSError:
        return False
    return code == 250


async def _hang_up(dialogue: SmtpConnection) -> None:
    with contextlib.suppress(OSError):
        async with asyncio.timeout(FAREWELL):
            dialogue.say(b"QUIT")
            await dialogue.hear()
    dialogue.close()


def _stuffed(content: bytes) -> bytes:
    """Return the content as DATA carries it: CRLF line ends, dots doubled at the start of a line, the final dot.

    Every line end in the content, even a bare CR or LF, becomes CRLF: no server can take anything inside for the end of
    the email, however it reads line ends.
    """
    content = b"\r\n".join(content.splitlines())
    if b"\n." in content:
        content = content.replace(b"\n.", b"\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content + b"\r\n.\r\n"


def _path(address: str) -> bytes | None:
    """Return an address as RCPT TO takes it, in UTF-8; None where SMTP cannot carry it."""
    try:
        path = ascii_domain(address).encode()
    except (AddressError, UnicodeError):
        return None
    return None if any(byte <= 32 or byte in b"<>\x7f" for byte in path) else path
