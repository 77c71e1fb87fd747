"""Clients that do not read their answers, or do not send what they announced: they end, and shut nobody out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from tests.support.web_clients import LARGE, MUCH, NEXT, SLOW, answered, call, rest, slow_site

pytestmark = pytest.mark.both_loops

SMALL_WINDOW = 2048
"""Bytes that a client's system takes while the client does not read."""
BODY_NEVER_COMES = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nB"
UNREAD_BODY_NEVER_COMES = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nB"
CHUNK_NEVER_COMES = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nST"


@asynccontextmanager
async def deaf(where: str, words: bytes) -> AsyncIterator[socket.socket]:
    """A client that asks and does not read; its answer has begun to come."""
    address = urlsplit(where)
    client = socket.socket()
    with client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (address.hostname, address.port))
        await loop.sock_sendall(client, words)
        assert await loop.sock_recv(client, 1) == b"H"
        yield client


async def read_all(client: socket.socket) -> bytes:
    """What is left for a client, until it is hung up on."""
    loop, said = asyncio.get_running_loop(), bytearray()
    with suppress(ConnectionError):
        async with asyncio.timeout(20):
            while some := await loop.sock_recv(client, 1_000_000):
                said += some
    return bytes(said)


async def got_whole(client: socket.socket, got: int) -> bool:
    """Tell whether all of `LARGE`'s answer comes, of which a client has got so many bytes."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
    async with asyncio.timeout(20):
        while got < len(MUCH) and (some := await asyncio.get_running_loop().sock_recv(client, 1_000_000)):
            got += len(some)
    return got >= len(MUCH)


async def new_client_is_answered(where: str) -> bool:
    stream = await call(where, NEXT + b"a\r\nConnection: close\r\n\r\n")
    try:
        return await answered(stream)
    except ConnectionError:
        return False
    finally:
        stream[1].close()


async def hear_of(ended: asyncio.Queue[str]) -> None:
    """Wait for the next connection that is ended because its answer is not taken."""
    async with asyncio.timeout(20):
        assert await ended.get() == "slow_reading"


@pytest.mark.parametrize(
    "words",
    [LARGE, LARGE * 40, LARGE[:-2] + b"Connection: close\r\n\r\n", LARGE.replace(b"/1.1", b"/1.0")],
    ids=["kept open", "pipelined", "closed behind the answer", "HTTP/1.0"],
)
async def test_a_client_that_reads_nothing_is_disconnected(words: bytes) -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    async with slow_site(count=ended.put_nowait, write_timeout=0.3) as (where, _), deaf(where, words) as client:
        await hear_of(ended)
        assert len(await read_all(client)) < len(MUCH)


async def test_a_slow_client_gets_the_whole_answer() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    async with slow_site(count=ended.put_nowait, write_timeout=0.5) as (where, _), deaf(where, LARGE) as slow:
        loop, got = asyncio.get_running_loop(), 1
        for _ in range(3):
            async with deaf(where, LARGE):  # tells when the time that a client has is over
                async with asyncio.timeout(20):
                    while ended.empty():
                        got += len(await loop.sock_recv(slow, 1024))
                        await asyncio.sleep(0.01)
                await hear_of(ended)
        assert await got_whole(slow, got)
        assert ended.empty()


async def test_a_quiet_stream_is_kept() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    async with slow_site(count=ended.put_nowait, write_timeout=0.2) as (where, go_on):
        streams = [await call(where, SLOW.replace(b"/slow", b"/stream")), await call(where, SLOW)]
        assert b"begun" in await streams[0][0].readuntil(b"begun\n")
        async with deaf(where, LARGE):
            await hear_of(ended)
        async with deaf(where, LARGE):
            await hear_of(ended)
        go_on.set()
        assert b"answered" in await streams[0][0].readuntil(b"answered\n")
        assert await answered(streams[1])
        for _, writer in streams:
            writer.close()


@pytest.mark.parametrize("network", [None, "198.51.100.0/24"])
@pytest.mark.parametrize("words", [LARGE, LARGE * 40, LARGE[:-2] + b"Connection: close\r\n\r\n"])
async def test_clients_that_do_not_read_shut_nobody_out(words: bytes, network: str | None) -> None:
    async with slow_site(network=network, in_all=4) as (where, _), AsyncExitStack() as clients:
        first, *_ = [await clients.enter_async_context(deaf(where, words)) for _ in range(4)]
        for _ in range(8):
            assert await new_client_is_answered(where)
        assert len(await read_all(first)) < len(MUCH), "it made room"


@pytest.mark.parametrize("network", [None, "198.51.100.0/24"])
@pytest.mark.parametrize("words", [BODY_NEVER_COMES, UNREAD_BODY_NEVER_COMES, CHUNK_NEVER_COMES])
async def test_clients_that_send_no_bodies_shut_nobody_out(words: bytes, network: str | None) -> None:
    async with slow_site(network=network, in_all=8) as (where, _):
        crowd = [await call(where, words) for _ in range(24)]
        for _ in range(8):
            assert await new_client_is_answered(where)
        assert not (await rest(crowd[0])).endswith(b"answered\n" * 2)
        for _, writer in crowd:
            writer.close()


async def test_idle_ones_make_room_before_bodies_and_bodies_before_answers_that_are_not_read() -> None:
    async with slow_site(in_all=4) as (where, go_on), deaf(where, LARGE) as unread:
        busy = await call(where, SLOW[:-2] + b"Expect: 100-continue\r\n\r\n")
        bodiless = await call(where, BODY_NEVER_COMES.replace(b"\r\n\r\nB", b"\r\nExpect: 100-continue\r\n\r\n"))
        for stream in (busy, bodiless):
            assert b"100 Continue" in await stream[0].readuntil(b"\r\n\r\n")
        idle = await call(where, NEXT + b"a\r\n\r\n")
        assert await answered(idle)
        newer = []
        for expected in (idle, bodiless):
            newer.append(await call(where, SLOW[:-2] + b"Expect: 100-continue\r\n\r\n"))
            assert b"100 Continue" in await newer[-1][0].readuntil(b"\r\n\r\n")
            assert await rest(expected) == b""
        newer.append(await call(where, SLOW[:-2] + b"Expect: 100-continue\r\n\r\n"))
        assert b"100 Continue" in await newer[-1][0].readuntil(b"\r\n\r\n")
        assert len(await read_all(unread)) < len(MUCH)
        assert await rest(await call(where, NEXT + b"a\r\n\r\n")) == b"", "each of the others is being answered"
        go_on.set()
        for stream in (busy, *newer):
            assert await answered(stream)
            stream[1].close()


async def test_the_one_that_has_taken_nothing_for_longest_makes_room_before_one_that_reads() -> None:
    async with (
        slow_site(in_all=2, write_timeout=3) as (where, _),
        deaf(where, LARGE) as reads,
        deaf(where, LARGE) as not_,
    ):
        loop, got = asyncio.get_running_loop(), 1
        async with asyncio.timeout(20):
            for _ in range(60):  # several looks at who takes something, and less than a deadline
                got += len(await loop.sock_recv(reads, 1024))
                await asyncio.sleep(0.02)
        assert await new_client_is_answered(where)
        assert len(await read_all(not_)) < len(MUCH)
        assert await got_whole(reads, got)


async def test_a_pipelining_client_makes_room_where_all_are_being_answered() -> None:
    expecting = SLOW[:-2] + b"Expect: 100-continue\r\n\r\n"
    async with slow_site(in_all=2) as (where, go_on):
        patient, hasty = await call(where, expecting), await call(where, expecting + SLOW)
        for stream in (patient, hasty):
            assert b"100 Continue" in await stream[0].readuntil(b"\r\n\r\n")
        assert await new_client_is_answered(where)
        assert await rest(hasty) == b""
        go_on.set()
        assert await answered(patient)
        patient[1].close()


async def test_a_stop_of_the_server_waits_for_nobody_who_does_not_read() -> None:
    async with AsyncExitStack() as clients:
        async with slow_site() as (where, _):
            client = await clients.enter_async_context(deaf(where, LARGE))
        assert len(await read_all(client)) < len(MUCH)


@pytest.mark.parametrize("path", ["/", "/slow"])
async def test_an_unknown_expectation_is_not_repeated_in_the_answer(path: str) -> None:
    async with slow_site() as (where, _):
        words = f"GET {path} HTTP/1.1\r\nHost: a\r\nExpect: <script>\r\nConnection: close\r\n\r\n"
        output = await rest(await call(where, words.encode()))
        assert b" 417 " in output
        assert b"100-continue" in output
        assert b"script" not in output
