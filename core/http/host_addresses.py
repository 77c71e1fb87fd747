"""Host addresses as proxies write them, and the networks that limits are counted by."""

from __future__ import annotations

import ipaddress

HostAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_host_address(text: str) -> HostAddress | None:
    """Read an address, with a port, a zone or quotes as some proxies and systems write it; None for other texts."""
    bare = text.strip(' "')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return unmapped(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        return None


def unmapped(address: HostAddress) -> HostAddress:
    """Return the IPv4 address of a host where it is written as IPv6 (`::ffff:192.0.2.1`), as dual-stack sockets do."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def counted_network(address: HostAddress) -> str:
    """Name the network an address is counted in, /24 of IPv4, /48 of IPv6: clients can change the last digits."""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
