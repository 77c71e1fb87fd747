"""Clients of the web server that break its rules, and a site for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from muster.connection_limits import Limits
from muster.connections import Connections
from muster.http_server import Runner

ROOM = Limits(in_all=64, per_network=64)
SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\nHost: "
LARGE = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
MUCH = bytes(8_000_000)
"""Answer at `/large`: more than the systems of both sides keep for a client that does not read."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def call(where: str, words: bytes = b"") -> Stream:
    address = urlsplit(where)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(words)
    await writer.drain()
    return reader, writer


async def rest(stream: Stream) -> bytes:
    """Everything until the server hangs up."""
    output = b""
    try:
        async with asyncio.timeout(20):
            output = await stream[0].read()
    except ConnectionResetError:
        pass
    stream[1].close()
    return output


@asynccontextmanager
async def slow_site(
    *, count: Callable[[str], None] = lambda _why: None, network: str | None = "198.51.100.0/24", **limits: Any
) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server at which `/slow` is answered when the event is set, half of `/stream` before it, and the rest at once.

    Args:
        count: told of each connection that is ended early.
        network: the one that every client comes from.
        limits: of connections.
    """
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/slow":
                await go_on.wait()
            case "/large":
                return web.Response(body=MUCH)
            case "/stream":
                return await stream(request)
            case "/body":
                await request.read()
        return web.Response(text="answered\n")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun\n")
        await go_on.wait()
        await response.write(b"answered\n")
        return response

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    connections = Connections(replace(ROOM, **limits), count, lambda _peer: network)
    runner = Runner(app, connections=connections, headers={}, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", go_on
    finally:
        await runner.cleanup()
        connections.log_limit.close()


async def answered(stream: Stream) -> bool:
    """Tell whether an answer comes whole."""
    try:
        async with asyncio.timeout(20):
            return b"200" in await stream[0].readuntil(b"answered\n")
    except asyncio.IncompleteReadError:
        return False
