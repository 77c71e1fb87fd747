"""Limits of connections to the web server: how many there may be, and how long a client may take."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.http.host_addresses import counted_network, read_host_address
from core.setting_types import Network
from core.settings import Settings

HEADERS_WITHIN: Final = 20.0
"""Seconds from the first byte of a request, on a new connection from its first moment, to the end of its headers."""
TAKES_WITHIN: Final = 60.0
"""Seconds in which a client has to take some of an answer that waits for it; a phone that reads slowly does."""
RESERVED: Final = 200
"""Open files that are not clients': the database, Redis, requests of our own, what is being read."""
FEWEST: Final = 64
"""Connections that are taken even where the system gives hardly any files."""
MOST_FILES: Final = 65_536
"""Open files that a process asks for; some systems would give it a thousand million."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the web server one client, and all of them, may take.

    Attributes:
        in_all: most connections to this process.
        per_network: most from one network, proxies excepted.
        headers_within: seconds to the end of a request's headers.
        takes_within: seconds in which some of an answer has to be taken.
    """

    in_all: int
    per_network: int
    headers_within: float = HEADERS_WITHIN
    takes_within: float = TAKES_WITHIN

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that are configured, as far as the system has files for them."""
        room = max(FEWEST, raise_file_limit() - RESERVED)
        return cls(min(settings.web_connections, room), settings.web_connections_per_network)


def raise_file_limit() -> int:
    """Take as many open files as the system lets us; the usual 1,024 are for programs that use `select`.

    Returns:
        How many there are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_FILES
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    while wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS gives fewer than its limit says (kern.maxfilesperproc)
            wanted //= 2
        else:
            return wanted
    return soft


def network_of(peer: str, proxies: Sequence[Network] = ()) -> str | None:
    """The network whose connections are counted together: /24 of IPv4, /48 of IPv6.

    Args:
        peer: the address a connection comes from.
        proxies: networks of the proxies that stand before us.

    Returns:
        None for a proxy, and for what is no public address, as a balancer next to us: it holds everybody's connections.
    """
    address = read_host_address(peer)
    if address is None or not address.is_global or any(address in network for network in proxies):
        return None
    return counted_network(address)
