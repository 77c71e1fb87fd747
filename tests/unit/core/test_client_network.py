"""The network of a client: as our own proxies report it, and nobody else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from core.clock import system_clock
from core.http.client_network import INSIDE, client_network
from core.http.host_addresses import read_host_address
from core.http.web import RUNTIME
from core.log_limit import LOG_LIMIT, LogLimit
from core.runtime import Runtime
from core.settings import Settings


def known_as(remote: str | None, *forwarded: str, proxies: str = "127.0.0.1,::1") -> str:
    app = web.Application()
    settings = Settings.model_validate({"proxies": proxies})
    app[RUNTIME] = cast("Runtime", SimpleNamespace(settings=settings, clock=system_clock))
    app[LOG_LIMIT] = LogLimit()
    headers = CIMultiDict([("X-Forwarded-For", address) for address in forwarded])
    return client_network(make_mocked_request("GET", "/", headers=headers, app=app).clone(remote=remote or ""))


@pytest.mark.parametrize(
    ("remote", "forwarded", "network"),
    [
        ("9.9.9.77", "", "9.9.9.0/24"),
        ("9.9.9.77", "8.8.8.8", "9.9.9.0/24"),
        ("::ffff:9.9.9.77", "", "9.9.9.0/24"),
        ("2a00:1450:1:2:3::4", "", "2a00:1450:1::/48"),
        ("127.0.0.1", "", INSIDE),
        ("127.0.0.1", "8.8.8.8", "8.8.8.0/24"),
        ("127.0.0.1", "1.1.1.1, 8.8.8.8", "8.8.8.0/24"),
        ("127.0.0.1", "8.8.8.8:51234", "8.8.8.0/24"),
        ("127.0.0.1", "[2a00:1450:1::4]:443", "2a00:1450:1::/48"),
        ("127.0.0.1", '"[2a00:1450:1::4]"', "2a00:1450:1::/48"),
        ("127.0.0.1", "nonsense", INSIDE),
        ("127.0.0.1", "nonsense, 8.8.8.8", "8.8.8.0/24"),
        ("10.1.2.3", "8.8.8.8", "10.1.2.0/24"),  # a balancer that passes on what a client wrote itself
        ("fe80::1%eth0", "8.8.8.8", "fe80::/48"),
        (None, "", INSIDE),
        (None, "8.8.8.8", "8.8.8.0/24"),
    ],
)
async def test_clients_are_known_by_their_network(remote: str | None, forwarded: str, network: str) -> None:
    assert known_as(remote, forwarded) == network


async def test_the_hops_are_walked_from_the_end_as_long_as_they_are_ours() -> None:
    ours = "127.0.0.1,10.0.3.0/24,203.0.113.0/24"  # nginx, a load balancer, a CDN
    chain = "6.6.6.6, 8.8.8.8, 203.0.113.7, 10.0.3.4"
    assert known_as("127.0.0.1", chain, proxies=ours) == "8.8.8.0/24"
    assert known_as("127.0.0.1", chain) == "10.0.3.0/24"
    assert known_as("10.0.3.4", "6.6.6.6", "8.8.8.8, 203.0.113.7", proxies=ours) == "8.8.8.0/24"
    assert known_as("203.0.113.9", "8.8.8.8, 203.0.113.7", proxies=ours) == "8.8.8.0/24"
    assert known_as("10.0.4.4", "8.8.8.8", proxies=ours) == "10.0.4.0/24"
    assert known_as("10.0.3.4", "10.0.3.5", proxies=ours) == INSIDE


async def test_a_client_that_forges_forwarded_headers_is_known_all_the_same() -> None:
    for made_up in ("127.0.0.1", "10.0.0.1, 127.0.0.1", "x" * 4000, ",,,", "::1"):
        assert known_as("127.0.0.1", f"{made_up}, 8.8.8.8") == "8.8.8.0/24"
        assert known_as("127.0.0.1", made_up, "8.8.8.8") == "8.8.8.0/24"


@given(st.text(max_size=60))
async def test_any_text_is_read_as_an_address_or_none(text: str) -> None:
    address = read_host_address(text)
    assert address is None or str(address)
