"""SMTP connection after its greeting: send commands, pipelined if the server allows it, and read the replies.

aiosmtplib opens the connection (EHLO, STARTTLS, AUTH) and passes it on. With aiosmtplib an email would wait for four
replies one after the other; here commands that belong together are written at once (RFC 2920).

The connection counts the replies it expects. An unexpected reply closes it: a reply to another command could make a
refused email look accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

Reply = tuple[int, str]
"""Code of three digits, and the text after it, its lines separated by newlines."""

MAX_REPLY_SIZE: Final = 64 * 1024
"""Most bytes of a reply; no server sends more."""
CLOSING_CODE: Final = 421
"""Code of a server that closes the connection (RFC 5321, 3.8)."""
_USUAL_LINE: Final = 128
"""Most bytes of a line that is remembered with its meaning: most emails get the same lines."""


@lru_cache(maxsize=64)
def _parsed(line: bytes) -> tuple[Reply, bool] | None:
    """Parse one line of a reply, with whether the reply goes on in the next one; None if it is not SMTP."""
    code, mark = line[:3], line[3:4]
    if not (code.isdigit() and len(code) == 3) or mark not in {b" ", b"-", b"\r", b"\n"}:
        return None
    # PostgreSQL cannot store NUL in text
    words = line[4:].decode("utf-8", "replace").replace("\0", "").strip()
    return (int(code), words), mark == b"-"


class SmtpConnection(asyncio.Protocol):
    """SMTP session on an open connection, which it takes over.

    Args:
        transport: the connection, encrypted or not.
        extensions: the server's (RFC 5321, 4.1.1.1): keywords in lower case, with their parameters.
    """

    def __init__(self, transport: asyncio.Transport, extensions: Mapping[str, str]) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._unread = b""
        self._lines: list[str] = []
        self._length = 0
        self._replies: list[Reply] = []
        self._expected = 0
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lost: Exception | None = None
        self.extensions: Final = extensions
        transport.set_protocol(self)

    @property
    def is_sound(self) -> bool:
        """Tell whether the next email can be sent: it is open, and exactly the expected replies have come."""
        quiet = not (self._expected or self._replies or self._lines or self._unread)
        return quiet and self._lost is None and not self._transport.is_closing()

    @property
    def error(self) -> OSError:
        """Error that ended the connection: TimeoutError if the server was too slow, else ConnectionResetError."""
        return self._lost if isinstance(self._lost, TimeoutError) else ConnectionResetError(str(self._lost))

    def allow(self, seconds: float) -> None:
        """Give the server so many seconds from now for its replies; a reply that is awaited then ends the connection.

        One timer is kept and moved on when it is due: one for each email would cost more than reading its replies.
        """
        self._deadline = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)

    def send_commands(self, *commands: bytes) -> None:
        """Send commands, in one packet; a reply to each is expected.

        Raises:
            ConnectionResetError: the connection can no longer be used; nothing was sent.
        """
        self.send(b"\r\n".join(commands) + b"\r\n", replies=len(commands))

    def send(self, data: bytes, *, replies: int) -> None:
        """Send commands with their line ends, or the text of an email with its final dot, or both.

        Args:
            data: the bytes.
            replies: how many replies the server owes for them.

        Raises:
            ConnectionResetError: the connection can no longer be used; nothing was sent.
        """
        if not self.is_sound:
            raise ConnectionResetError(str(self._lost or "the server said more than it was asked"))
        self._expected = replies
        self._transport.write(data)

    async def read_replies(self, count: int = 0) -> list[Reply]:
        """Wait for expected replies.

        Args:
            count: how many; 0 for all.

        Returns:
            One for each command; fewer if the server closed the connection after some of them, as it does after 421.

        Raises:
            ConnectionResetError: the server closed the connection, or sent something other than SMTP, before any reply.
            TimeoutError: the time that `allow` gave it was over before any reply.
        """
        wanted = count or self._expected + len(self._replies)
        if len(self._replies) < wanted and self._lost is None:
            self._wanted = wanted
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._replies:
            raise self.error
        replies, self._replies = self._replies[:wanted], self._replies[wanted:]
        return replies

    def close(self) -> None:
        """Close the connection at once."""
        self._fail(ConnectionResetError("the connection is closed"))

    def data_received(self, data: bytes) -> None:
        """Read received bytes, and wake `read_replies` once the replies it waits for are there."""
        if self._unread:
            data = self._unread + data
        start = 0
        while self._lost is None and (end := data.find(b"\n", start) + 1):
            self._read(data[start:end])
            start = end
        self._unread = data[start:]
        self._measure(len(self._unread))
        if len(self._replies) >= self._wanted:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Mark the connection as closed, and wake `read_replies`."""
        self._fail(error or ConnectionResetError("the server hung up"))

    def _read(self, line: bytes) -> None:
        """Read one line of a reply."""
        parsed = _parsed(line) if len(line) <= _USUAL_LINE else _parsed.__wrapped__(line)
        if parsed is None:
            self._fail(ConnectionResetError(f"not SMTP: {line[:80]!r}"))
            return
        reply, goes_on = parsed
        if goes_on or self._lines or len(line) > MAX_REPLY_SIZE:
            self._lines.append(reply[1])
            self._length += len(line)
            self._measure()
            if goes_on or self._lost is not None:
                return
            reply = reply[0], "\n".join(self._lines)
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

    def _check_deadline(self) -> None:
        """Close the connection if a reply is overdue; else look again at the new deadline, if one is awaited."""
        self._timer = None
        if self._waiter is None or self._lost is not None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        else:
            self._fail(TimeoutError("no answer in time"))

    def _fail(self, error: Exception) -> None:
        if self._lost is None:
            self._lost = error
            self._transport.abort()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
