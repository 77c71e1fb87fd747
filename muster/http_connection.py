"""HTTP connection of one client: deadlines, and handling of unreadable requests.

aiohttp itself waits without limit for headers and for clients to read its responses, and logs what it could not read,
links and cookies included.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from muster.connections import Awaited, Connections
from muster.framing import Framing

UNREADABLE: Final = "This request could not be read. Check the address: it may have been changed when it was copied.\n"

NOT_EXPECTED: Final = "Send the request without an Expect header, or with “Expect: 100-continue”.\n"
"""Response to an unknown `Expect` header; aiohttp would send its value back."""

_TCP_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)
_BYTES_ACKED: Final = struct.Struct("=120xQ")
"""`tcpi_bytes_acked` in Linux's `struct tcp_info`."""


class Connection(web.RequestHandler):
    """A client's connection.

    Args:
        manager: aiohttp's server.
        connections: all open connections.
        headers: sent with the response to a malformed request.
        options: for aiohttp.
    """

    __slots__ = (
        "_answer_headers",
        "_answered",
        "_connections",
        "_deadline",
        "_framing",
        "_taken",
        "_unsent",
        "_wire",
        "network",
        "progress_at",
    )

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
        self._wire: asyncio.Transport | None = None  # aiohttp drops its own reference on close, sent or not
        self.progress_at = self._loop.time()
        self._taken = self._unsent = 0

    @property
    def awaits(self) -> Awaited | None:
        """Return the action of the client it waits for; None while its only request is being answered."""
        if self._is_idle:
            return Awaited.READING if self._count_unsent() else Awaited.REQUEST
        if not self._framing.whole and not self._messages and not self._reading_paused:
            return Awaited.BODY
        if self._request_count - self._answered > 1:
            return Awaited.READING  # it may pipeline requests and never read: our system buffers megabytes
        if self.writing_paused or (self._wire is not None and self._wire.is_closing()):
            return Awaited.READING
        return None

    def note_progress(self, now: float) -> float:
        """Check whether the client has read some of what was written to it.

        Args:
            now: the event loop's time.

        Returns:
            Seconds since it last did, or since nothing was waiting to be sent.
        """
        unsent = self._count_unsent()
        if unsent == 0:
            self.progress_at = now
        else:
            # the send buffer holds megabytes, and takes more only once a third is read, which takes a phone minutes
            taken = self._count_taken()
            if taken > self._taken or unsent < self._unsent:
                self.progress_at = now
            self._taken = taken
        self._unsent = unsent
        return now - self.progress_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a client, or end the connection if there are too many."""
        peer = transport.get_extra_info("peername")
        if not self._connections.enter(self, str(peer[0]) if isinstance(peer, tuple) else ""):
            self._manager = None  # aiohttp does not know of it: nothing to undo when it is lost
            cast("asyncio.Transport", transport).abort()
            return
        self._wire = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Read data; headers that have begun get a deadline once every earlier request is answered."""
        before = self._request_count
        super().data_received(data)
        came = self._request_count > before
        if came:
            self._connections.note_activity(self)
            self._stop_deadline()
        self._framing.note(data, self._messages[-1] if came else None)
        self._expect_headers()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response, and be idle from then on."""
        if isinstance(resp, web.HTTPExpectationFailed):
            resp.text = NOT_EXPECTED
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._answered += 1
            self._connections.note_activity(self)
            self._expect_headers()

    def leave(self) -> None:
        """End the connection at once, to make room for another."""
        self._connections.leave(self)
        self.hang_up()

    def hang_up(self) -> None:
        """Abort it, dropping what its client has not read: a closed transport would wait for that without limit."""
        self.force_close()
        if self._wire is not None and self._count_unsent():
            self._wire.abort()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109  # aiohttp's signature
        """End the connection after the request in progress is answered."""
        await super().shutdown(timeout)
        self.hang_up()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Remove it from the open connections."""
        self._stop_deadline()
        self._connections.leave(self)
        self._wire = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer an unreadable request, or an error raised outside our handlers."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has hung up
        if isinstance(exc, HttpProcessingError):
            self._connections.note_unreadable(exc)
            response = web.Response(status=400, text=UNREADABLE)
        else:
            response = cast("web.Response", super().handle_error(request, status, exc, message))
        response.headers.update(self._answer_headers)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log an error; nothing of an unreadable request is logged."""
        error = kw.get("exc_info")
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            self._connections.note_unreadable(error)
        elif not isinstance(error, ConnectionError):
            super().log_exception(*args, **kw)

    def _expect_headers(self) -> None:
        """Start the deadline of headers that have begun, unless an earlier request is not answered yet."""
        idle = self._answered == self._request_count and self.transport is not None
        if idle and self._framing.begun and self._deadline is None:
            self._start_deadline()

    def _start_deadline(self) -> None:
        self._deadline = self._loop.call_later(self._connections.limits.headers_timeout, self._check_headers)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _check_headers(self) -> None:
        self._deadline = None
        if self._is_idle:
            self._connections.end_slow(self)

    @property
    def _is_idle(self) -> bool:
        """Tell whether no request is being answered: none came, or its headers are incomplete."""
        return self._waiter is not None and not self._waiter.done()

    def _count_unsent(self) -> int:
        """Count bytes of responses that our own system has not taken yet."""
        return self._wire.get_write_buffer_size() if self._wire is not None else 0

    def _count_taken(self) -> int:
        """Count bytes that the client's system has acknowledged; 0 if ours does not say."""
        if self._wire is None or _TCP_INFO is None:
            return 0
        try:
            info = self._wire.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.size)
            return int(_BYTES_ACKED.unpack(info)[0])
        except (OSError, struct.error):  # another system's TCP, or a Unix socket
            return 0
