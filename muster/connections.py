"""Open connections of one web server process.

There is a limit for each network, and one for all together. When it is reached, one connection that waits for its
client is closed: first one that is idle, then one whose request's body has not come, then one whose client does not
read its response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from core.log_limit import LogLimit
from muster.connection_limits import Limits

if TYPE_CHECKING:
    from muster.http_connection import Connection

_CROWDED_SHARE: Final = 0.5
"""Share of the limit above which clients that send no headers are logged."""
CHECKS_PER_TIMEOUT: Final = 12
"""Checks, within `Limits.write_timeout`, of which responses are being read."""


class Awaited(Enum):
    """Action of the client that a connection waits for."""

    REQUEST = auto()
    BODY = auto()
    READING = auto()


@dataclass(slots=True)
class Connections:
    """Open connections of one process, by network, the most recently active last.

    Attributes:
        limits: how many there may be.
        count: called with a short reason for each connection that is ended early and each unreadable request.
        network: returns the network of a peer; None for one that is never limited, such as a proxy.
        log_limit: limits the lines in the log.
    """

    limits: Limits
    count: Callable[[str], None]
    network: Callable[[str], str | None]
    log_limit: LogLimit = field(default_factory=LogLimit)
    _open: dict[Connection, None] = field(default_factory=dict)
    _networks: dict[str, dict[Connection, None]] = field(default_factory=dict)
    _look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, peer: str) -> bool:
        """Admit a new connection, if need be in place of one that waits for its client.

        Args:
            connection: the new connection.
            peer: the address it comes from.

        Returns:
            Whether there is room; if not, the caller ends it.
        """
        network = self.network(peer)
        peers = self._networks.get(network, {}) if network is not None else {}
        if len(peers) >= self.limits.per_network:
            self.count("network_full")
            self.log_limit.write(
                "a network has reached its limit of connections", network=network, most=self.limits.per_network
            )
            if not _make_room(peers):
                return False
        if len(self._open) >= self.limits.in_all:
            self.count("full")
            self.log_limit.write("the limit of connections is reached", most=self.limits.in_all)
            if not _make_room(self._open):
                return False
        self._open[connection] = None
        if network is not None:
            self._networks.setdefault(network, {})[connection] = None
        connection.network = network
        if self._look is None:
            self._look_later()
        return True

    def note_activity(self, connection: Connection) -> None:
        """Move a connection to the end of the order: a request has come or been answered."""
        for group in (self._open, self._networks.get(connection.network or "", {})):
            if connection in group:
                del group[connection]
                group[connection] = None

    def leave(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._open.pop(connection, None)
        if (peers := self._networks.get(connection.network or "")) is not None:
            peers.pop(connection, None)
            if not peers:
                del self._networks[connection.network or ""]

    def end_slow(self, connection: Connection) -> None:
        """End a connection whose headers do not come.

        Browsers open connections that they never use: that is normal, unless there are so many that room runs out.
        """
        self.count("slow_headers")
        peers = self._networks.get(connection.network or "", {})
        crowded = (
            len(self._open) >= self.limits.in_all * _CROWDED_SHARE
            or len(peers) >= self.limits.per_network * _CROWDED_SHARE
        )
        write = self.log_limit.write if crowded else self.log_limit.note
        write("a client did not send its headers in time", seconds=self.limits.headers_timeout)
        connection.hang_up()

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(
            self.limits.write_timeout / CHECKS_PER_TIMEOUT, self._end_stalled
        )

    def _end_stalled(self) -> None:
        """End connections whose clients have read nothing of a response for too long; also ones aiohttp has closed.

        A closed connection stays open until all of its response is read.
        """
        self._look = None
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._open):
            if connection.note_progress(now) >= self.limits.write_timeout:
                self.count("slow_reading")
                self.log_limit.write("a client did not read its response", seconds=self.limits.write_timeout)
                connection.hang_up()
        if self._open:
            self._look_later()

    def note_unreadable(self, error: BaseException | None) -> None:
        """Count a request that cannot be read; its text is not logged: it may hold a link, a key or a cookie."""
        self.count("malformed")
        self.log_limit.write("a malformed request was refused", kind=type(error).__name__)


def _make_room(candidates: dict[Connection, None]) -> bool:
    """End one connection that waits for its client; False if each is being answered."""
    bodiless, unread = None, None
    for connection in candidates:
        match connection.awaits:
            case Awaited.REQUEST:
                connection.leave()
                return True
            case Awaited.BODY:
                bodiless = bodiless or connection
            case Awaited.READING if unread is None or connection.progress_at < unread.progress_at:
                unread = connection
    longest = bodiless or unread
    if longest is not None:
        longest.leave()
    return longest is not None
