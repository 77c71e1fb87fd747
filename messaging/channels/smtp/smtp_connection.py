"""SMTP connection after its greeting: send commands, pipelined if the server allows it, and read the replies.

aiosmtplib opens the connection (EHLO, STARTTLS, AUTH) and passes it on. With aiosmtplib an email would wait for four
replies one after the other; here all commands up to DATA are pipelined (RFC 2920), so an email waits twice.

The connection counts the replies it expects. An unexpected reply closes it: a reply to another command could make a
refused email look accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

Reply = tuple[int, str]
"""Code of three digits, and the text after it, its lines separated by newlines."""

MAX_REPLY_SIZE: Final = 64 * 1024
"""Most bytes of a reply; no server sends more."""
CLOSING_CODE: Final = 421
"""Code of a server that closes the connection (RFC 5321, 3.8)."""


class SmtpConnection(asyncio.Protocol):
    """SMTP session on an open connection, which it takes over.

    Args:
        transport: the connection, encrypted or not.
        extensions: the server's (RFC 5321, 4.1.1.1): keywords in lower case, with their parameters.
    """

    def __init__(self, transport: asyncio.Transport, extensions: Mapping[str, str]) -> None:
        self._transport = transport
        self._unread = bytearray()
        self._lines: list[str] = []
        self._length = 0
        self._replies: list[Reply] = []
        self._expected = 0
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self.extensions: Final = extensions
        transport.set_protocol(self)

    @property
    def is_sound(self) -> bool:
        """Tell whether the next email can be sent: it is open, and exactly the expected replies have come."""
        quiet = not (self._expected or self._replies or self._lines or self._unread)
        return quiet and self._lost is None and not self._transport.is_closing()

    def send_commands(self, *commands: bytes) -> None:
        """Send commands, in one packet; a reply to each is expected.

        Raises:
            ConnectionResetError: the connection can no longer be used; nothing was sent.
        """
        self._write(b"\r\n".join(commands) + b"\r\n", replies=len(commands))

    def send_text(self, text: bytes) -> None:
        """Send the text of an email, its final dot included; one reply is expected.

        Raises:
            ConnectionResetError: the connection can no longer be used; nothing was sent.
        """
        self._write(text, replies=1)

    async def read_replies(self) -> list[Reply]:
        """Wait for the expected replies.

        Returns:
            One for each command; fewer if the server closed the connection after some of them, as it does after 421.

        Raises:
            ConnectionResetError: the server closed the connection, or sent something other than SMTP, before any reply.
        """
        if self._expected and self._lost is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._replies:
            raise ConnectionResetError(str(self._lost))
        replies, self._replies = self._replies, []
        return replies

    def close(self) -> None:
        """Close the connection at once."""
        self._fail(ConnectionResetError("the connection is closed"))

    def data_received(self, data: bytes) -> None:
        """Read received bytes, and wake `read_replies` once all expected replies are there."""
        self._unread += data
        while self._lost is None and (end := self._unread.find(b"\n")) >= 0:
            line = bytes(self._unread[: end + 1])
            del self._unread[: end + 1]
            self._read(line)
        self._measure(len(self._unread))
        if not self._expected:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Mark the connection as closed, and wake `read_replies`."""
        self._fail(error or ConnectionResetError("the server hung up"))

    def _write(self, data: bytes, *, replies: int) -> None:
        if not self.is_sound:
            raise ConnectionResetError(str(self._lost or "the server said more than it was asked"))
        self._expected += replies
        self._transport.write(data)

    def _read(self, line: bytes) -> None:
        """Read one line of a reply."""
        code = line[:3]
        if not (code.isdigit() and len(code) == 3) or line[3:4] not in {b" ", b"-", b"\r", b"\n"}:
            self._fail(ConnectionResetError(f"not SMTP: {line[:80]!r}"))
            return
        # PostgreSQL cannot store NUL in text
        self._lines.append(line[4:].decode("utf-8", "replace").replace("\0", "").strip())
        self._length += len(line)
        self._measure()
        if line[3:4] == b"-" or self._lost is not None:
            return
        reply = int(code), "\n".join(self._lines)
        self._lines.clear()
        self._length = 0
        if not self._expected:
            if len(self._replies) > 1 and reply[0] != CLOSING_CODE:
                self._replies.clear()  # it is no longer known which reply answers which command
            self._fail(ConnectionResetError(f"nobody had asked: {line[:80]!r}"))
            return
        self._expected -= 1
        self._replies.append(reply)
        if reply[0] == CLOSING_CODE:
            self._fail(ConnectionResetError("the server said that it is closing"))

    def _measure(self, more: int = 0) -> None:
        if self._length + more > MAX_REPLY_SIZE:
            self._fail(ConnectionResetError("the server's reply is too long"))

    def _fail(self, error: Exception) -> None:
        if self._lost is None:
            self._lost = error
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
