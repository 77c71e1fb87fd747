"""HTTP server of the web application: aiohttp's, with our connection class."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from muster.connections import Connections
from muster.http_connection import Connection

IDLE_FOR: Final = 130.0
"""Seconds a connection stays open between two requests; proxies keep theirs for up to two minutes."""


class _Server(web.Server):
    """aiohttp's server with our connection class."""

    def __init__(self, plain: web.Server, **ours: Any) -> None:
        super().__init__(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            loop=plain._loop,  # noqa: SLF001  # as below: aiohttp has no option for an application's protocol
            **plain._kwargs,  # noqa: SLF001
        )
        self._ours = ours

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._ours, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on connections with limits, and without reading compressed bodies.

    Args:
        app: the application.
        connections: counts and limits the connections.
        headers: sent with the response to a malformed request.
        options: for aiohttp.
    """

    __slots__ = ("_ours",)

    def __init__(
        self, app: web.Application, *, connections: Connections, headers: dict[str, str], **options: Any
    ) -> None:
        # aiohttp would inflate any body, 300 MB out of 291 KB, in the event loop, and also after its 413
        super().__init__(app, access_log=None, auto_decompress=False, keepalive_timeout=IDLE_FOR, **options)
        self._ours = {"connections": connections, "headers": headers}

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), **self._ours)
