"""Attacks on the web server with a few sockets: bombs, silence, crowds, and unreadable requests."""

from __future__ import annotations

import asyncio
import gzip
import logging
import resource
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import capture_logs

from core.runtime import Runtime
from muster.connection_limits import MIN_CONNECTIONS, Limits, network_of, raise_file_limit
from muster.http_server import IDLE_FOR
from muster.web import listening
from sandbox import SandboxConfig, open_sandbox
from tests.support.web_clients import NEXT, ROOM, SLOW, answered, call, rest, slow_site

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
BOMB = gzip.compress(bytes(30_000_000), 9)
"""29 KB that would be 30 MB."""


@pytest.fixture
async def where(runtime: Runtime) -> AsyncIterator[str]:
    async with listening(_free(runtime), limits=ROOM) as where:
        yield where


def _free(runtime: Runtime) -> Runtime:
    return replace(runtime, settings=runtime.settings.model_copy(update={"listen": "127.0.0.1:0"}))


async def is_well(where: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{where}/healthz") as answer:
        return answer.status == 200


def inflating() -> float:
    """Seconds of processor that one bomb would cost; eight are sent."""
    began = time.process_time()
    zlib.decompress(BOMB, 31)
    return time.process_time() - began


async def cpu_of(url: str, body: bytes, **headers: str) -> tuple[float, set[int]]:
    """Seconds of processor that eight such requests cost this process, server and client, until the last hung up."""
    began = time.process_time()
    async with aiohttp.ClientSession() as http:

        async def once() -> int:
            async with http.post(url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status

        statuses = set(await asyncio.gather(*(once() for _ in range(8))))
    return time.process_time() - began, statuses


async def test_a_compressed_body_is_refused_and_costs_what_a_plain_one_does(where: str) -> None:
    for path in ("/healthz", "/console/sign-out", "/webhooks/twilio/inbound", "/AbCdEfGhIjKlM", "/"):
        plain, _ = await cpu_of(where + path, BOMB)
        bombs, statuses = await cpu_of(where + path, BOMB, **{"Content-Encoding": "gzip"})
        assert statuses == {415}, path
        assert bombs < plain + 4 * inflating(), f"it was inflated at {path}"
        assert await is_well(where)


async def test_no_content_encoding_is_accepted(where: str) -> None:
    webhook = f"{where}/webhooks/twilio/inbound"
    async with aiohttp.ClientSession() as http:
        for encoding in ("gzip", "GZIP", "deflate", "br", "zstd", "gzip, identity", "x-gzip", "unheard-of"):
            async with http.post(webhook, data=b"x", headers={"Content-Encoding": encoding}) as no:
                assert (no.status, no.headers["Accept-Encoding"]) == (415, "identity"), encoding
                assert "Content-Encoding" in await no.text()
        async with http.post(webhook, data=b"x", headers={"Content-Encoding": "identity"}) as yes:
            assert yes.status == 403


async def test_the_sandbox_inflates_nothing_either() -> None:
    async with open_sandbox(SandboxConfig()) as sandbox:
        url = f"{sandbox.twilio_base_url}/sandbox/reply"
        plain, _ = await cpu_of(url, BOMB)
        bombs, statuses = await cpu_of(url, BOMB, **{"Content-Encoding": "gzip"})
        assert statuses == {415}
        assert bombs < plain + 4 * inflating(), "it was inflated"


SECRET = "s3cr3t-that-nobody-may-read"
CHUNKED = "HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
MALFORMED = {
    "a space in the address": f"GET /console/sign-in/{SECRET} x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a NUL in a key": f"GET /api/v1/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {SECRET}\0\r\n\r\n",
    "a control character in a cookie": f"GET / HTTP/1.1\r\nHost: a\r\nCookie: muster={SECRET}\x01\r\n\r\n",
    "no protocol": f"GET /{SECRET}\r\n\r\n",
    "another protocol": f"\x16\x03\x01{SECRET}\r\n\r\n",
    "two lengths": f"POST /{SECRET} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "a header without a colon": f"GET / HTTP/1.1\r\nHost: a\r\n{SECRET}\r\n\r\n",
    "a long line": f"GET /{SECRET}{'a' * 20_000} HTTP/1.1\r\nHost: a\r\n\r\n",
    "a broken chunk": f"POST /webhooks/twilio/inbound {CHUNKED}{SECRET}\r\n",
    "a broken chunk nobody reads": f"POST /healthz {CHUNKED}1\r\nx{SECRET}\r\n",
}


@pytest.fixture
def _heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What libraries log; structlog's own lines go there too."""
    caplog.set_level(logging.DEBUG)
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_heard")
async def test_an_unreadable_request_is_not_logged_in_full(where: str, caplog: pytest.LogCaptureFixture) -> None:
    for what, words in MALFORMED.items():
        head = (await rest(await call(where, words.encode() + b"\r\n"))).decode().lower()
        assert " 40" in head.partition("\r\n")[0], what
        assert "server: muster\r\n" in head, what
        assert "nosniff" in head, what
        assert not any(word in head for word in (SECRET, "python", "aiohttp")), what
        output = "\n".join(logging.Formatter().format(record) for record in caplog.records)
        assert SECRET not in output, what
        assert "Traceback" not in output, what
    assert await is_well(where)


@pytest.mark.usefixtures("_heard")
async def test_a_hundred_malformed_requests_are_one_line_and_a_count(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(_free(runtime), limits=ROOM) as where:
        for _ in range(100):
            await rest(await call(where, b"\r\n\r\nrubbish\r\n\r\n"))
        lines = [record for record in caplog.records if "malformed" in str(record.msg)]
        assert len(lines) == 1
        async with aiohttp.ClientSession() as http, http.get(f"{where}/metrics") as answer:
            assert 'muster_http_connections_ended_total{why="malformed"} 100.0' in await answer.text()
    last = [record for record in caplog.records if "malformed" in str(record.msg)][-1]
    assert "more=99" in str(last.msg)


@pytest.mark.usefixtures("_heard")
async def test_hanging_up_in_the_middle_of_a_body_is_no_failure(where: str, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("/webhooks/twilio/inbound", "/AbCdEfGhIjKlM", "/webhooks/email/mailgun/inbound"):
        words = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf of"
        _, writer = await call(where, words.encode())
        await asyncio.sleep(0)
        writer.transport.abort()
    assert await is_well(where)
    async with aiohttp.ClientSession() as http:
        while True:  # until the ones above have been forgotten
            async with http.get(f"{where}/metrics") as answer:
                if "muster_http_connections 1.0" in await answer.text():
                    break
    output = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "Traceback" not in output
    assert "a request failed" not in output


@asynccontextmanager
async def narrow(runtime: Runtime, **limits: Any) -> AsyncIterator[str]:
    """A server with tight limits, to which every client comes from one network."""
    async with listening(
        _free(runtime), limits=replace(ROOM, **limits), network=lambda _peer: "198.51.100.0/24"
    ) as where:
        yield where


async def test_a_client_that_sends_no_headers_is_disconnected(runtime: Runtime) -> None:
    async with narrow(runtime, headers_timeout=0.2) as where:
        for begun in (b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "):
            assert await rest(await call(where, begun)) == b""


async def test_slow_headers_do_not_extend_the_deadline(runtime: Runtime) -> None:
    async with narrow(runtime, headers_timeout=0.3) as where:
        reader, writer = await call(where, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        try:
            async with asyncio.timeout(20):
                while not reader.at_eof():
                    writer.write(b"a")
                    await writer.drain()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1), 0.02)
        except ConnectionError:
            pass
        writer.close()


async def test_a_second_request_on_a_connection_has_a_deadline_of_its_own(runtime: Runtime) -> None:
    async with narrow(runtime, headers_timeout=0.2) as where:
        stream = await call(where, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200" in await stream[0].readline()
        stream[1].write(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert b"HTTP" not in await rest(stream)


SLOW_WITH_A_BODY = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nSTOP"


@pytest.mark.parametrize("request_", [SLOW, SLOW_WITH_A_BODY])
@pytest.mark.parametrize("together", [False, True])
async def test_headers_that_begin_behind_a_request_have_a_deadline_from_its_answer_on(
    request_: bytes, *, together: bool
) -> None:
    async with slow_site(headers_timeout=0.2) as (where, go_on):
        stream = await call(where, request_ + NEXT if together else request_)
        if not together:
            assert await rest(await call(where)) == b"", "long enough for the first to be under way"
            stream[1].write(NEXT)
        assert await rest(await call(where)) == b""
        go_on.set()
        assert await answered(stream), "they had no deadline before it"
        assert await rest(stream) == b""


async def test_headers_that_begin_behind_a_request_and_end_in_time_are_answered() -> None:
    async with slow_site(headers_timeout=0.2) as (where, go_on):
        stream = await call(where, SLOW + NEXT)
        go_on.set()
        assert await answered(stream)
        stream[1].write(b"a\r\n\r\n")
        assert await answered(stream)
        await rest(await call(where))  # as long as headers may take
        stream[1].write(NEXT + b"a\r\n\r\n")
        assert await answered(stream), "between two requests it may be idle"
        stream[1].close()


@pytest.mark.parametrize("limits", [{"in_all": 3}, {"per_network": 3}])
async def test_the_one_idle_for_longest_makes_room_however_long_ago_the_others_asked(limits: dict[str, Any]) -> None:
    async with slow_site(**limits) as (where, go_on):
        first = await call(where, SLOW)
        second, third = await call(where, NEXT + b"a\r\n\r\n"), await call(where, NEXT + b"a\r\n\r\n")
        assert await answered(second)
        assert await answered(third)
        go_on.set()
        assert await answered(first), "asked before the others, answered after them"
        newer = []
        for longest in (second, third, first):
            newer.append(await call(where, NEXT + b"a\r\n\r\n"))
            assert await answered(newer[-1])
            assert await rest(longest) == b""
        for _, writer in newer:
            writer.close()


async def test_silence_between_requests_is_no_slowness(runtime: Runtime) -> None:
    assert IDLE_FOR > 120, "proxies keep connections for two minutes, and send into one that is being closed"
    async with narrow(runtime, headers_timeout=0.1) as where:
        reader, writer = await call(where, HEALTH)
        assert b"alive" in await reader.readuntil(b"alive\n")
        await rest(await call(where))  # as long as headers may take
        writer.write(HEALTH)
        assert b"200" in await reader.readline()
        writer.close()


@pytest.mark.parametrize("limits", [{"in_all": 20}, {"per_network": 20}])
async def test_a_crowd_of_idle_connections_shuts_nobody_out(runtime: Runtime, limits: dict[str, float]) -> None:
    with capture_logs() as logs:
        async with narrow(runtime, **limits) as where:
            crowd = [await call(where, b"G") for _ in range(100)]
            for _ in range(10):
                assert await is_well(where)
            async with aiohttp.ClientSession() as http, http.get(f"{where}/metrics") as answer:
                output = await answer.text()
            assert "muster_http_connections 20.0" in output
            for _, writer in crowd:
                writer.close()
    assert len([line for line in logs if "limit of connections" in line["event"]]) == 2, (
        "one line, and the count at the end"
    )


async def test_connections_that_are_being_answered_are_not_ended_for_others() -> None:
    async with slow_site(per_network=8) as (where, go_on):
        busy = [await call(where, SLOW[:-2] + b"Expect: 100-continue\r\n\r\n") for _ in range(8)]
        for reader, _ in busy:
            assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        assert await rest(await call(where, HEALTH)) == b""
        go_on.set()
        for stream in busy:
            assert await answered(stream)
            stream[1].close()


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("93.184.216.34", "93.184.216.0/24"),
        ("::ffff:93.184.216.34", "93.184.216.0/24"),
        ("2606:2800:220:1::1", "2606:2800:220::/48"),
        ("127.0.0.1", None),
        ("10.1.2.3", None),
        ("fd00::1", None),
        ("fe80::1%eth0", None),
        ("", None),
        ("@unix", None),
    ],
)
def test_networks_are_counted_together_and_proxies_beside_us_are_not(peer: str, network: str | None) -> None:
    assert network_of(peer) == network


def test_a_proxy_that_is_named_holds_everybodys_connections() -> None:
    proxies = (ip_network("203.0.113.0/24"), ip_network("2606:2800::/32"))
    assert network_of("203.0.113.9", proxies) is None
    assert network_of("2606:2800:220:1::1", proxies) is None
    assert network_of("93.184.216.34", proxies) == "93.184.216.0/24"


def test_as_many_files_as_the_system_allows_are_used() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        assert raise_file_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_system_that_gives_fewer_files_than_its_limit_says_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS: the limit is said to be infinite, and more than kern.maxfilesperproc are refused."""
    given: list[int] = []

    def set_limit(_what: int, limits: tuple[int, int]) -> None:
        if limits[0] > 10_240:
            raise ValueError("current limit exceeds maximum limit")
        given.append(limits[0])

    monkeypatch.setattr(resource, "getrlimit", lambda _what: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    assert raise_file_limit() == 8192
    assert given == [8192]


@pytest.mark.parametrize("hard", [64, 200, 250])
def test_a_server_with_hardly_any_files_takes_some_connections_all_the_same(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, hard: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (hard, hard))
    assert Limits.of(runtime.settings).in_all == MIN_CONNECTIONS
