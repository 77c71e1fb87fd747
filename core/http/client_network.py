"""Client network of a request, seen through the proxies in front of Muster.

Each proxy adds the address of its client to `X-Forwarded-For`, so the header is read from its end: as long as the
sender is a proxy of ours (`MUSTER_PROXIES`), the entry that it added is believed. Entries that the client wrote itself
stand before these and are never reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aiohttp import web

from core.http.host_addresses import counted_network, read_host_address
from core.http.web import RUNTIME
from core.log_limit import LOG_LIMIT

FORWARDED: Final = "X-Forwarded-For"
INSIDE: Final = "inside"
"""Network that stands for requests whose client our proxy does not name."""


def client_network(request: web.Request) -> str:
    """Name the network a request comes from: /24 of IPv4, /48 of IPv6, so that changing the last digits helps nobody.

    Args:
        request: the request.

    Returns:
        `192.0.2.0/24`, or `INSIDE` where a proxy of ours does not name its client.
    """
    runtime = request.app[RUNTIME]
    for number, hop in enumerate(_hops(request)):
        address = read_host_address(hop)
        if address is None:
            break
        if not any(address in network for network in runtime.settings.proxies):
            where = counted_network(address)
            if number == 0 and address.is_private and FORWARDED in request.headers:
                # it looks like a proxy: if it is one, everybody behind it shares its limits
                request.app[LOG_LIMIT].write("a proxy that MUSTER_PROXIES does not name", where)
            return where
    return INSIDE


def _hops(request: web.Request) -> Iterator[str]:
    """Yield the addresses that passed the request on, nearest first. On a Unix socket the peer is a local proxy."""
    if request.remote:
        yield request.remote
    for header in reversed(request.headers.getall(FORWARDED, [])):
        yield from reversed(header.split(","))
