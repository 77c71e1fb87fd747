"""Send one email after another on one SMTP connection, the text of one together with the envelope of the next.

MAIL, RCPT and DATA are one packet, and the text is another; with an envelope behind the text (RFC 2920) an email costs
one packet each way instead of two. An envelope that was said ahead has sent nothing: the last look at its email comes
right before its text, as for any other. After 354 a server waits for a text and nothing else, so an email that may not
be sent any more, or whose recipient was refused, ends its connection.

The phase of each session is known at every moment: before the final dot of the message nothing was sent; if no reply
comes after it, the outcome is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from core.errors import AddressError
from messaging.channels.channel import Accepted, OutboundEmail, Refused, Retry, SendResult, Withheld
from messaging.channels.smtp.codes import SmtpPhase, result_of
from messaging.channels.smtp.smtp_connection import CLOSING_CODE, Reply, SmtpConnection
from messaging.content.mime import ascii_domain
from messaging.reasons import Reason

_COMMANDS: Final = ((SmtpPhase.MAIL, 2), (SmtpPhase.RCPT, 2), (SmtpPhase.DATA, 3))
"""Commands of an envelope, and the first digit of the reply that goes on with it (RFC 5321, 4.3.2)."""
_NOT_UNDERSTOOD: Final = frozenset({500, 501, 502, 503})
"""Codes of a server that knows no such command, or not at this place: also where commands before it were lost."""
_PLAIN_PATH: Final = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
_MAX_SIZE_DIGITS: Final = 20
"""Most digits of the size that a server takes (RFC 1870)."""
_NEEDS_UTF8: Final = "The relay takes no addresses with letters beyond ASCII before the @ (it does not offer SMTPUTF8)."


class EnvelopeLostError(ConnectionResetError):
    """The server has not taken an envelope that was said ahead as it was said; nothing was sent."""


@dataclass(frozen=True, slots=True)
class PreparedEmail:
    """Email as one server takes it.

    Attributes:
        envelope: the lines MAIL, RCPT and DATA.
        text: as DATA carries it, with the final dot.
    """

    envelope: bytes
    text: bytes


class SmtpSession:
    """Open connection to a server, and how far the session on it has come.

    Args:
        connection: greeted, and signed in if need be.

    Attributes:
        mails: how many emails it has carried.
        used_at: when the last one ended, on the monotonic clock.
        phase: phase of the present email.
        ahead: email whose envelope was said behind the last text; its own text is what the server waits for.
    """

    __slots__ = ("_pipelines", "_size_limit", "_takes_8bit", "ahead", "connection", "mails", "phase", "used_at")

    def __init__(self, connection: SmtpConnection) -> None:
        self.connection = connection
        self.mails = 0
        self.used_at = 0.0
        self.phase = SmtpPhase.MAIL
        self.ahead: PreparedEmail | None = None
        limit = connection.extensions.get("size", "")
        self._size_limit = int(limit) if limit.isdecimal() and len(limit) <= _MAX_SIZE_DIGITS else 0
        self._pipelines = "pipelining" in connection.extensions
        self._takes_8bit = "8bitmime" in connection.extensions

    @property
    def takes_8bit(self) -> bool:
        """Tell whether the server takes texts beyond ASCII (RFC 6152)."""
        return self._takes_8bit

    @property
    def pipelines(self) -> bool:
        """Tell whether the server takes several commands at once (RFC 2920)."""
        return self._pipelines

    def prepare(
        self, envelope: str, to: str, content: bytes, *, needs_no_stuffing: bool = False
    ) -> PreparedEmail | Refused:
        """Prepare an email for this server, or return why it cannot take it.

        Args:
            envelope: the envelope sender.
            to: the recipient's mailbox.
            content: the complete message; in ASCII unless `takes_8bit`.
            needs_no_stuffing: as in `OutboundEmail`.
        """
        recipient = envelope_path(to)
        if recipient is None:
            return no_path()
        size = len(content)
        if 0 < self._size_limit < size:  # RFC 1870
            return Refused(Reason.CONTENT_REFUSED, reply=f"It has {size} bytes; the relay takes {self._size_limit}.")
        more = b" SIZE=%d" % size if "size" in self.connection.extensions else b""
        if self._takes_8bit and not content.isascii():
            more += b" BODY=8BITMIME"
        if not recipient.isascii():  # RFC 6531; the header To is in UTF-8 too
            if "smtputf8" not in self.connection.extensions:
                return Refused(Reason.RECIPIENT_REFUSED, reply=_NEEDS_UTF8)
            more += b" SMTPUTF8"
        sender = envelope.encode("ascii")
        commands = b"MAIL FROM:<%b>%b\r\nRCPT TO:<%b>\r\nDATA\r\n" % (sender, more, recipient)
        return PreparedEmail(commands, content + b".\r\n" if needs_no_stuffing else dot_stuffed(content))

    async def say_envelope(self, email: PreparedEmail) -> Retry | Refused | None:
        """Send the envelope, unless it was said ahead; return None if the server waits for the text.

        Raises:
            EnvelopeLostError: it was said ahead, and the server missed a part of it.
            OSError: the connection cannot be used, or the server does not speak SMTP; nothing was sent.
        """
        connection = self.connection
        if self.ahead is not None:
            self.ahead = None
            return await self._read_envelope(_COMMANDS, said_ahead=True)
        if self._pipelines:
            connection.send(email.envelope, replies=len(_COMMANDS))
            return await self._read_envelope(_COMMANDS)
        for command, line in zip(_COMMANDS, email.envelope.splitlines(keepends=True), strict=True):
            connection.send(line, replies=1)
            if (refused := await self._read_envelope((command,))) is not None:
                return refused
        return None

    async def say_text(
        self, outbound: OutboundEmail, email: PreparedEmail, ahead: PreparedEmail | None = None
    ) -> SendResult:
        """Send the text, and behind it the envelope of the next email; return the result of the first.

        Args:
            outbound: the email; looked at once more right before its text is written.
            email: the same, prepared.
            ahead: the next email.

        Raises:
            OSError: the connection cannot be used, or the server does not speak SMTP; `phase` tells what was sent.
        """
        connection = self.connection
        if not outbound.still_ours():  # the replies may have taken a minute, or this process may have been suspended
            connection.close()
            return Withheld()
        if ahead is None:
            connection.send(email.text, replies=1)
        else:
            connection.send(email.text + ahead.envelope, replies=1 + len(_COMMANDS))
            self.ahead = ahead
        self.phase = SmtpPhase.BODY
        ((code, words),) = await connection.read_replies(1)
        if code // 100 == 2:
            return Accepted(f"{code} {words}"[:200])
        if code < 400:
            raise ConnectionResetError(f"the server answered {code}")
        return result_of(code, words, SmtpPhase.BODY)

    async def _read_envelope(
        self, commands: tuple[tuple[SmtpPhase, int], ...], *, said_ahead: bool = False
    ) -> Retry | Refused | None:
        replies = await self.connection.read_replies(len(commands))
        if said_ahead:
            self._check_said_ahead(replies)
        for (phase, going_on), (code, words) in zip(commands, replies, strict=False):
            self.phase = phase
            if code // 100 == going_on:
                continue
            if code < 400:
                raise ConnectionResetError(f"the server answered {code}")
            if code == CLOSING_CODE and phase is SmtpPhase.MAIL and self.mails:
                raise ConnectionResetError("the server takes no more on this connection")
            await self._start_over(replies)
            return result_of(code, words, phase)
        if len(replies) < len(commands):
            raise self.connection.error
        return None

    def _check_said_ahead(self, replies: list[Reply]) -> None:
        """Refuse to judge an email by replies to half an envelope: relays lose bytes that come with a text.

        Where a command is missing, the reply to the next one would be taken for its own. A command behind a refused one
        is out of order in any case.
        """
        stopped = (
            reply for (_, going_on), reply in zip(_COMMANDS, replies, strict=False) if reply[0] // 100 != going_on
        )
        code, words = next(stopped, (0, ""))
        if code in _NOT_UNDERSTOOD:
            raise EnvelopeLostError(f"the server answered {code} {words}")
        if len(replies) < len(_COMMANDS):
            raise self.connection.error

    async def _start_over(self, replies: list[Reply]) -> None:
        """Reset the connection after a refusal, or close it if the server waits for a text all the same."""
        if replies[-1][0] // 100 == 3:
            self.connection.close()
            return
        try:
            self.connection.send_commands(b"RSET")
            await self.connection.read_replies()
        except OSError:
            self.connection.close()


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
    if _PLAIN_PATH.fullmatch(address):
        return address.encode()
    try:
        path = ascii_domain(address).encode()
    except (AddressError, UnicodeError):
        return None
    return None if any(byte <= 32 or byte in b"<>\x7f" for byte in path) else path


def no_path() -> Refused:
    """Return the refusal of an address for which `envelope_path` has none."""
    return Refused(Reason.RECIPIENT_REFUSED, reply="The address has characters SMTP cannot carry.")
