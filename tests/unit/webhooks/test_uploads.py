"""Bodies of unknown senders: however they arrive, their bytes stay within the limit."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from core.clock import system_clock
from core.errors import Unavailable
from core.http.web import RUNTIME
from core.log_limit import LOG_LIMIT, LogLimit
from core.runtime import Runtime
from core.settings import Settings
from webhooks.email.uploads import MAX_UPLOADS_IN_ALL, MAX_UPLOADS_PER_NETWORK, Uploads

LARGEST = 1000


def upload_from(where: str) -> tuple[web.Request, StreamReader]:
    app = web.Application()
    app[RUNTIME] = cast("Runtime", SimpleNamespace(settings=Settings(), clock=system_clock))
    app[LOG_LIMIT] = LogLimit()
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    content = StreamReader(protocol, 2**16, loop=loop)
    return make_mocked_request("POST", "/", app=app, payload=content).clone(remote=where), content


async def take(uploads: Uploads, held: AsyncExitStack, request: web.Request) -> int:
    """Receive one and keep it; how many bytes that are."""
    try:
        return len(await held.enter_async_context(uploads.receive(request, LARGEST)))
    except Unavailable:
        return 0


ONE = ["8.8.8.8"] * 40
MANY = [f"20.0.{number}.1" for number in range(40)]


@pytest.mark.parametrize(("networks", "room"), [(ONE, MAX_UPLOADS_PER_NETWORK), (MANY, MAX_UPLOADS_IN_ALL)])
@pytest.mark.parametrize("size", [LARGEST, LARGEST - 1, LARGEST // 2 + 1])
async def test_an_upload_complete_when_read_is_counted(networks: list[str], room: int, size: int) -> None:
    uploads = Uploads()
    async with AsyncExitStack() as held:
        sizes = []
        for where in networks:
            request, content = upload_from(where)
            content.feed_data(b"x" * size)
            content.feed_eof()
            sizes.append(await take(uploads, held, request))
        assert room * LARGEST - size < sum(sizes) <= room * LARGEST
        assert set(sizes[room * LARGEST // size :]) == {0}, "the ones that are here stay"
    async with AsyncExitStack() as held:
        request, content = upload_from(networks[0])
        content.feed_eof()
        await take(uploads, held, request)  # and when they are done with, there is room again


@pytest.mark.parametrize(("networks", "room"), [(ONE, MAX_UPLOADS_PER_NETWORK), (MANY, MAX_UPLOADS_IN_ALL)])
async def test_an_upload_that_ends_over_the_limit_is_refused(networks: list[str], room: int) -> None:
    uploads = Uploads()
    async with AsyncExitStack() as held:
        began = [upload_from(where) for where in networks]
        tasks = [asyncio.create_task(take(uploads, held, request)) for request, _ in began]
        for piece in (1, LARGEST - 1):
            for _, content in began:
                content.feed_data(b"x" * piece)
                if piece > 1:
                    content.feed_eof()
            await asyncio.sleep(0)
        assert sum(await asyncio.gather(*tasks)) <= room * LARGEST
