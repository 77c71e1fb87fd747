"""HTTP server of the web application: aiohttp's, on connections of ours."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from muster.connections import Connections
from muster.http_connection import Connection

IDLE_FOR: Final = 130.0
"""Seconds a connection stays open between two requests; proxies keep theirs for up to two minutes."""


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
