"""Limits on connections to the web server: how many there may be, and how long a client may take."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.http.host_addresses import counted_network, read_host_address
from core.setting_types import Network
from core.settings import Settings

HEADERS_TIMEOUT: Final = 20.0
"""Seconds from the first byte of a request, on a new connection from its first moment, to the end of its headers."""
WRITE_TIMEOUT: Final = 60.0
"""Seconds in which a client has to read some of a waiting response; even a slow phone does."""
RESERVED_FILES: Final = 200
"""Open files kept for the database, Redis, outbound requests and files being read."""
MIN_CONNECTIONS: Final = 64
"""Connections that are accepted even if the system allows hardly any open files."""
MAX_FILES: Final = 65_536
"""Most open files that a process asks for; some systems would allow a thousand million."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what one client, and all of them, may take of the web server.

    Attributes:
        in_all: most connections to this process.
        per_network: most from one network, proxies excepted.
        headers_timeout: seconds to the end of a request's headers.
        write_timeout: seconds in which a client has to read some of a response.
    """

    in_all: int
    per_network: int
    headers_timeout: float = HEADERS_TIMEOUT
    write_timeout: float = WRITE_TIMEOUT

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the configured limits, as far as the system allows enough open files."""
        room = max(MIN_CONNECTIONS, raise_file_limit() - RESERVED_FILES)
        return cls(min(settings.web_connections, room), settings.web_connections_per_network)


def raise_file_limit() -> int:
    """Raise the limit of open files as far as the system allows; the usual 1,024 is for programs that use `select`.

    Returns:
        The limit that now holds.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_FILES
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    while wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS gives fewer than its limit says (kern.maxfilesperproc)
            wanted //= 2
        else:
            return wanted
    return soft


def network_of(peer: str, proxies: Sequence[Network] = ()) -> str | None:
    """Return the network whose connections are counted together: /24 of IPv4, /48 of IPv6.

    Args:
        peer: the address a connection comes from.
        proxies: networks of the proxies in front of us.

    Returns:
        None for a proxy and for any private address, such as a load balancer's: it holds everybody's connections.
    """
    address = read_host_address(peer)
    if address is None or not address.is_global or any(address in network for network in proxies):
        return None
    return counted_network(address)
