"""Connections to the web server: how long a client may take over its headers, how many it may hold, malformed requests.

aiohttp waits for headers as long as it takes, has no limit of connections, and logs what it could not read, links and
cookies included. A connection here has its headers within some seconds, a network holds so many, and so do all
together. When that is reached, the connection that has been idle for longest makes room.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from messaging.host_addresses import counted_network, read_host_address
from messaging.log_limit import LogLimit
from messaging.setting_values import Network
from messaging.settings import Settings
from muster.framing import Framing

HEADERS_WITHIN: Final = 20.0
"""Seconds from the first byte of a request, on a new connection from its first moment, to the end of its headers."""
IDLE_FOR: Final = 130.0
"""Seconds a connection stays open between two requests; proxies keep theirs for up to two minutes."""
RESERVED: Final = 200
"""Open files that are not clients': the database, Redis, requests of our own, what is being read."""
FEWEST: Final = 64
"""Connections that are taken even where the system gives hardly any files."""
MOST_FILES: Final = 65_536
"""Open files that a process asks for; some systems would give it a thousand million."""

UNREADABLE: Final = "This request could not be read. Check the address: it may have been changed when it was copied.\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the web server one client, and all of them, may take.

    Attributes:
        in_all: most connections to this process.
        per_network: most from one network, proxies excepted.
        headers_within: seconds to the end of a request's headers.
    """

    in_all: int
    per_network: int
    headers_within: float = HEADERS_WITHIN

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that are configured, as far as the system has files for them."""
        room = max(FEWEST, raise_file_limit() - RESERVED)
        return cls(min(settings.web_connections, room), settings.web_connections_per_network)


def raise_file_limit() -> int:
    """Take as many open files as the system lets us; the usual 1,024 are for programs that use `select`.

    Returns:
        How many there are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_FILES
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    while wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS gives fewer than its limit says (kern.maxfilesperproc)
            wanted //= 2
        else:
            return wanted
    return soft


@dataclass(slots=True)
class Connections:
    """The open connections of one process, by network, the one answered last at the end.

    Attributes:
        limits: how many there may be.
        count: told of each connection that is ended early or request that cannot be read, by a short name.
        network: the network of a peer; None for one that is never limited, as a proxy that speaks for others.
        log_limit: where the log's lines are counted.
    """

    limits: Limits
    count: Callable[[str], None]
    network: Callable[[str], str | None]
    log_limit: LogLimit = field(default_factory=LogLimit)
    _open: dict[Connection, None] = field(default_factory=dict)
    _networks: dict[str, dict[Connection, None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, peer: str) -> bool:
        """Take a new connection in, if need be in place of an idle one.

        Args:
            connection: it.
            peer: the address it comes from.

        Returns:
            Whether there is room; where there is none, the caller ends it.
        """
        network = self.network(peer)
        held = self._networks.get(network, {}) if network is not None else {}
        if len(held) >= self.limits.per_network:
            self.count("network_full")
            self.log_limit.write(
                "a network holds as many connections as it may", network=network, most=self.limits.per_network
            )
            if not _make_room(held):
                return False
        if len(self._open) >= self.limits.in_all:
            self.count("full")
            self.log_limit.write("there are as many connections as there may be", most=self.limits.in_all)
            if not _make_room(self._open):
                return False
        self._open[connection] = None
        if network is not None:
            self._networks.setdefault(network, {})[connection] = None
        connection.network = network
        return True

    def note_answer(self, connection: Connection) -> None:
        """Note that a request has been answered: the others have been idle for longer."""
        for held in (self._open, self._networks.get(connection.network or "", {})):
            if connection in held:
                del held[connection]
                held[connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget one that has ended."""
        self._open.pop(connection, None)
        if (held := self._networks.get(connection.network or "")) is not None:
            held.pop(connection, None)
            if not held:
                del self._networks[connection.network or ""]

    def end_slow(self, connection: Connection) -> None:
        """End one whose headers do not come."""
        self.count("slow_headers")
        self.log_limit.write("a client did not send its headers in time", seconds=self.limits.headers_within)
        connection.force_close()

    def note_unreadable(self, error: BaseException | None) -> None:
        """Note a request that cannot be read: never its words, which may hold a link, a key or a cookie."""
        self.count("malformed")
        self.log_limit.write("a malformed request was refused", kind=type(error).__name__)


def _make_room(held: dict[Connection, None]) -> bool:
    """End the connection that has been idle for longest; False where none is idle."""
    idle = next((one for one in held if one.is_idle), None)
    if idle is not None:
        idle.leave()
    return idle is not None


def network_of(peer: str, proxies: Sequence[Network] = ()) -> str | None:
    """The network whose connections are counted together: /24 of IPv4, /48 of IPv6.

    Args:
        peer: the address a connection comes from.
        proxies: networks of the proxies that stand before us.

    Returns:
        None for a proxy, and for what is no public address, as a balancer next to us: it holds everybody's connections.
    """
    address = read_host_address(peer)
    if address is None or not address.is_global or any(address in network for network in proxies):
        return None
    return counted_network(address)


class Connection(web.RequestHandler):
    """A client's connection.

    Args:
        manager: aiohttp's server.
        connections: the ones that are open.
        headers: what an answer to a malformed request carries.
        options: for aiohttp.
    """

    __slots__ = ("_answer_headers", "_answered", "_connections", "_deadline", "_framing", "network")

    def __init__(
        self, manager: web.Server, *, connections: Connections, headers: dict[str, str], **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self.network: str | None = None
        self._connections = connections
        self._answer_headers = headers
        self._deadline: asyncio.TimerHandle | None = None
        self._framing = Framing()
        self._answered = 0

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered: none came, or not the whole of its headers."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a client in, or end the connection where there are too many."""
        peer = transport.get_extra_info("peername")
        if not self._connections.enter(self, str(peer[0]) if isinstance(peer, tuple) else ""):
            self._manager = None  # aiohttp has not heard of it: nothing to undo when it is lost
            cast("asyncio.Transport", transport).abort()
            return
        super().connection_made(transport)
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Read on; headers that have begun have a deadline, once all that came before is answered."""
        before = self._request_count
        super().data_received(data)
        came = self._request_count > before
        if came:
            self._stop_deadline()
        self._framing.note(data, self._messages[-1] if came else None)
        self._expect_headers()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer, and be idle from then on."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._answered += 1
            self._connections.note_answer(self)
            self._expect_headers()

    def leave(self) -> None:
        """End an idle connection, so that another has room."""
        self._connections.leave(self)
        self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._stop_deadline()
        self._connections.leave(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not: a request that cannot be read, or a fault outside every page of ours."""
        if isinstance(exc, ConnectionError):
            raise exc  # who asked has hung up
        if isinstance(exc, HttpProcessingError):
            self._connections.note_unreadable(exc)
            response = web.Response(status=400, text=UNREADABLE)
        else:
            response = cast("web.Response", super().handle_error(request, status, exc, message))
        response.headers.update(self._answer_headers)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log what went wrong; of what could not be read, not a byte."""
        error = kw.get("exc_info")
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            self._connections.note_unreadable(error)
        elif not isinstance(error, ConnectionError):
            super().log_exception(*args, **kw)

    def _expect_headers(self) -> None:
        """Wait for the rest of headers that have begun, unless they stand behind a request without an answer."""
        idle = self._answered == self._request_count and self.transport is not None
        if idle and self._framing.begun and self._deadline is None:
            self._start_deadline()

    def _start_deadline(self) -> None:
        self._deadline = self._loop.call_later(self._connections.limits.headers_within, self._check_headers)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _check_headers(self) -> None:
        self._deadline = None
        if self.is_idle:
            self._connections.end_slow(self)


class _Server(web.Server):
    """aiohttp's server, whose connections are ours."""

    def __init__(self, plain: web.Server, **ours: Any) -> None:
        super().__init__(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            loop=plain._loop,  # noqa: SLF001  # as below: aiohttp lets nobody choose the protocol of an application
            **plain._kwargs,  # noqa: SLF001
        )
        self._ours = ours

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._ours, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on connections with limits, and without reading compressed bodies.

    Args:
        app: the application.
        connections: counts and limits them.
        headers: what an answer to a malformed request carries.
        options: for aiohttp.
    """

    __slots__ = ("_ours",)

    def __init__(
        self, app: web.Application, *, connections: Connections, headers: dict[str, str], **options: Any
    ) -> None:
        # aiohttp would inflate whatever comes, 300 MB out of 291 KB, in the event loop, and also after its 413
        super().__init__(app, access_log=None, auto_decompress=False, keepalive_timeout=IDLE_FOR, **options)
        self._ours = {"connections": connections, "headers": headers}

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), **self._ours)
