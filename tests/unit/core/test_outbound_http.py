"""Addresses to which requests may go are checked on every connection, in every notation."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.http.outbound_http import OutboundHttp, check_url, is_public, open_outbound_http, plain_address

HERE = ipaddress.ip_network("127.0.0.1/32")


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def get(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_post("/", get)
    server = TestServer(app)
    async with server:
        yield server


async def send(outside: OutboundHttp, url: str) -> str | None:
    return (await outside.send("POST", url, b"{}", {})).problem


@pytest.mark.both_loops
async def test_loopback_is_refused_unless_allowed(server: TestServer) -> None:
    async with open_outbound_http(()) as closed, open_outbound_http([HERE]) as opened:
        for host in ("127.0.0.1", "localhost"):
            refused = await send(closed, f"http://{host}:{server.port}/")
            assert refused is not None
            assert "It was not asked" in refused
        assert await send(opened, f"http://127.0.0.1:{server.port}/") is None


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1]",
     "2130706433", "127.1", "0x7f000001", "[2002:7f00:1::]"],
)  # fmt: skip
async def test_an_inner_address_is_refused_however_it_is_written(server: TestServer, host: str) -> None:
    async with open_outbound_http(()) as outside:
        for scheme in ("http", "https"):
            problem = await send(outside, f"{scheme}://{host}:{server.port}/")
            assert problem is not None
            assert "is not a" in problem
    assert server.handler is not None
    assert server.handler.requests_count == 0


async def test_plain_http_reaches_only_what_is_allowed() -> None:
    async with open_outbound_http([HERE]) as outside:
        problem = await send(outside, "http://198.51.100.7/")
        assert problem is not None
        assert "198.51.100.7 is not a public address" in problem


@given(st.ip_addresses(v=4))
def test_ipv4_in_ipv6_is_treated_as_ipv4(address: ipaddress.IPv4Address) -> None:
    n = int(address)
    for written in (
        (0xFFFF << 32) | n,
        (0x0064FF9B << 96) | n,
        (0x2002 << 112) | (n << 80),
        (0x20010000 << 96) | (~n & 0xFFFFFFFF),
    ):
        assert plain_address(ipaddress.IPv6Address(written)) == address


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2a00:1450::1", True), ("224.0.0.1", False), ("224.0.1.1", False), ("100.64.0.1", False),
     ("192.0.2.1", False), ("fec0::1", False), ("ff02::1", False), ("fd00::1", False), ("255.255.255.255", False)],
)  # fmt: skip
def test_public_addresses_are_told_from_inner_ones(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@given(st.text())
def test_any_text_is_read_as_an_address_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://x.test{text}"):
        with suppress(InputError):
            assert check_url(url) == url


@pytest.mark.parametrize(
    "url", ["https://", "ftp://x.test/", "https://me:secret@x.test/", "https://x.test/a b", "https://[::1", "x.test"]
)
def test_wrong_addresses_are_refused(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url)
