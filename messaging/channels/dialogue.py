"""One SMTP connection after its greeting: commands go out, together where the server allows it, and replies come back.

aiosmtplib opens the connection (EHLO, STARTTLS, AUTH) and hands it over. Spoken through it, a mail waits for four
replies one after the other; here everything up to DATA is said in one breath (RFC 2920), so a mail waits twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import Final

Reply = tuple[int, str]
"""A code of three digits and the words after it, lines parted by newlines."""

LONGEST: Final = 64 * 1024
"""Bytes of a reply; no server says more."""
CLOSING: Final = 421


class Dialogue(asyncio.Protocol):
    """Talks on a connection that somebody else has opened; from now on it is this one's.

    Args:
        transport: the connection, encrypted or not.
        extensions: what the server said it can do (RFC 5321, 4.1.1.1), in lower case.
    """

    def __init__(self, transport: asyncio.Transport, extensions: Collection[str]) -> None:
        self._transport = transport
        self._unread = bytearray()
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self.extensions: Final = frozenset(extensions)
        transport.set_protocol(self)

    @property
    def is_sound(self) -> bool:
        """Whether another conversation can begin: it is open, and nothing has come that nobody asked for."""
        return self._lost is None and not self._transport.is_closing() and not self._replies and not self._unread

    def say(self, *commands: bytes) -> None:
        """Send commands, in one packet.

        Raises:
            ConnectionResetError: the server has hung up.
        """
        self.write(b"\r\n".join(commands) + b"\r\n")

    def write(self, data: bytes) -> None:
        """Send bytes as they are.

        Raises:
            ConnectionResetError: the server has hung up.
        """
        if self._lost is not None or self._transport.is_closing():
            raise ConnectionResetError(str(self._lost or "the connection is closed"))
        self._transport.write(data)

    async def hear(self, count: int = 1) -> list[Reply]:
        """The next replies.

        Args:
            count: how many commands have been said.

        Returns:
            So many; fewer where the server hung up after some of them, as it may after 421.

        Raises:
            ConnectionResetError: it hung up, or said what is not SMTP, before any.
        """
        if len(self._replies) < count and self._lost is None:
            self._wanted = count
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._replies:
            raise ConnectionResetError(str(self._lost))
        return [self._replies.popleft() for _ in range(min(count, len(self._replies)))]

    def close(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read what came; wake whoever waits once all of it is there."""
        self._unread += data
        while (end := self._unread.find(b"\n")) >= 0:
            line = bytes(self._unread[: end + 1])
            del self._unread[: end + 1]
            if not self._read(line):
                return
        if len(self._unread) > LONGEST or len(self._lines) > LONGEST // 64:
            self._fail(ConnectionResetError("the server's reply is too long"))
        elif self._replies and (len(self._replies) >= self._wanted or self._replies[-1][0] == CLOSING):
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more will come."""
        self._fail(error or ConnectionResetError("the server hung up"))

    def _read(self, line: bytes) -> bool:
        """One line; whether it is SMTP."""
        code = line[:3]
        if not code.isdigit() or line[3:4] not in {b" ", b"-", b"\r", b"\n"}:
            self._fail(ConnectionResetError(f"not SMTP: {line[:80]!r}"))
            return False
        self._lines.append(line[4:].decode("utf-8", "surrogateescape").strip())
        if line[3:4] != b"-":
            self._replies.append((int(code), "\n".join(self._lines)))
            self._lines.clear()
        return True

    def _fail(self, error: Exception) -> None:
        if self._lost is None:
            self._lost = error
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
