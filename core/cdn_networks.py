"""Networks that a CDN publishes as its own: no member is in them, even in wide ones."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Final

_CLOUDFLARE: Final = ("162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "2a06:98c0::/29")
_AKAMAI: Final = (
    "2.16.0.0/13", "23.0.0.0/12", "23.32.0.0/11", "23.64.0.0/14", "23.72.0.0/13", "23.192.0.0/11", "69.192.0.0/16",
    "72.246.0.0/15", "88.221.0.0/16", "92.122.0.0/15", "95.100.0.0/15", "96.6.0.0/15", "96.16.0.0/15", "104.64.0.0/10",
    "118.214.0.0/16", "173.222.0.0/15", "184.24.0.0/13", "184.50.0.0/15", "184.84.0.0/14", "2600:1400::/24",
    "2a02:26f0::/29",
)  # fmt: skip
_FASTLY: Final = ("151.101.0.0/16", "199.232.0.0/16")
_CLOUDFRONT: Final = (
    "3.160.0.0/14", "3.164.0.0/15", "3.166.0.0/15", "3.168.0.0/14", "3.172.0.0/15", "3.174.0.0/15", "13.32.0.0/15",
    "13.35.0.0/16", "13.224.0.0/14", "13.249.0.0/16", "15.158.0.0/16", "18.64.0.0/14", "18.68.0.0/16", "18.154.0.0/15",
    "18.160.0.0/15", "18.164.0.0/15", "18.172.0.0/15", "18.238.0.0/15", "18.244.0.0/15", "52.84.0.0/15",
    "54.182.0.0/16", "54.192.0.0/16", "54.230.0.0/16", "65.8.0.0/15", "99.84.0.0/16", "99.86.0.0/16", "108.138.0.0/15",
    "108.156.0.0/14", "130.176.0.0/16", "143.204.0.0/16", "144.220.0.0/16", "2600:9000::/28",
)  # fmt: skip
_PUBLISHED: Final = (*_CLOUDFLARE, *_AKAMAI, *_FASTLY, *_CLOUDFRONT)
_FOURS: Final = tuple(IPv4Network(network) for network in _PUBLISHED if ":" not in network)
_SIXES: Final = tuple(IPv6Network(network) for network in _PUBLISHED if ":" in network)


def is_published(network: IPv4Network | IPv6Network) -> bool:
    """Tell whether a network is, or lies in, a wide one (IPv4: /16 and wider) that a CDN publishes."""
    if isinstance(network, IPv4Network):
        return any(map(network.subnet_of, _FOURS))
    return any(map(network.subnet_of, _SIXES))
