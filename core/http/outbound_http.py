"""Requests to addresses that people have entered: webhooks, exports. They may not reach internal services.

Anybody who may enter an address could otherwise have Muster call internal services: a metadata service, a database's
port, a router (server-side request forgery). So every connection is checked at the moment it is opened, on the very
address it goes to: a name that meant a public address when it was entered and means a private one now is refused.
Redirects are not followed, proxies and cookies are not used, and of an answer only the beginning is read.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import urlsplit

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver

from core.errors import InputError
from core.http.host_addresses import HostAddress, unmapped
from core.http.http_answers import read_retry_after
from core.setting_types import Network

_MayAsk = Callable[[HostAddress], bool]

REQUEST_TIMEOUT: Final = 15.0
"""Seconds for a whole request, connecting included."""
KEEPALIVE_TIMEOUT: Final = 4.0
"""Seconds a connection is kept for the next request: less than servers usually keep theirs, because a request fails
when the server closes the connection at that moment."""
MAX_READ_SIZE: Final = 2048
"""Bytes of a response that are read."""
_TRANSLATED: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""IPv6 that a gateway turns into the IPv4 address in its last 32 bits (RFC 6052)."""


class AddressRefused(OSError):  # noqa: N818  # reads as what it is
    """An address that requests may not go to."""


@dataclass(frozen=True, slots=True)
class OutboundReply:
    """Result of a request.

    Attributes:
        status: the HTTP status; None if there was no response.
        problem: why the request does not count as accepted, for a person; None if it does (a 2xx).
        text: the beginning of the response.
        took: seconds.
        wait: seconds the receiver asked us to wait (Retry-After), if it did.
    """

    status: int | None
    problem: str | None
    text: str
    took: float
    wait: float | None = None


class OutboundHttp:
    """Send requests to addresses that people have entered.

    Args:
        allowed: networks that requests may go to although they are not public.
        resolver: how names become addresses; default the system's way.
        request_timeout: seconds for a whole request.

    Attributes:
        request_timeout: the same.
    """

    def __init__(
        self,
        allowed: Sequence[Network],
        *,
        resolver: AbstractResolver | None = None,
        request_timeout: float = REQUEST_TIMEOUT,
    ) -> None:
        self._allowed = tuple(allowed)
        self.request_timeout = request_timeout
        self._everywhere = self._session(resolver, lambda address: is_public(address) or self._is_allowed(address))
        self._inside = self._session(resolver, self._is_allowed)

    async def send(
        self,
        method: str,
        url: str,
        body: bytes | IO[bytes],
        headers: Mapping[str, str],
        *,
        request_timeout: float | None = None,
    ) -> OutboundReply:
        """Send a request and return the result; whatever goes wrong is in the reply, never raised.

        Args:
            method: `POST` or `PUT`.
            url: `https://…`; `http://…` reaches only what is allowed although it is not public.
            body: what to send; a file is read to its end.
            headers: beside those every request has.
            request_timeout: seconds for this request, where it is not as usual.
        """
        began, request_timeout = time.monotonic(), request_timeout or self.request_timeout
        session = self._inside if is_open_to_read(url) else self._everywhere
        try:
            async with session.request(
                method, url, data=body, headers=headers, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request_timeout),
            ) as answer:  # fmt: skip
                text = (await _beginning(answer)).decode("utf-8", "replace").replace("\0", "\ufffd")
                took = time.monotonic() - began
                wait = read_retry_after(answer.headers.get("Retry-After"))
                return OutboundReply(answer.status, _problem(answer.status), text, took, wait)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return OutboundReply(None, _words(error, request_timeout), "", time.monotonic() - began)

    async def close(self) -> None:
        """Close all connections."""
        await self._everywhere.close()
        await self._inside.close()

    def _is_allowed(self, address: HostAddress) -> bool:
        return any(address in network for network in self._allowed)

    def _session(self, resolver: AbstractResolver | None, may_ask: _MayAsk) -> aiohttp.ClientSession:
        def open_socket(info: AddrInfoType) -> socket.socket:
            family, kind, protocol, _, where = info
            address = plain_address(ipaddress.ip_address(str(where[0]).partition("%")[0]))
            if not may_ask(address):
                raise AddressRefused(f"{address} is not a public address")
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(
            limit=0,
            use_dns_cache=False,
            resolver=resolver,
            socket_factory=open_socket,
            keepalive_timeout=KEEPALIVE_TIMEOUT,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "Muster"},
            trust_env=False,
        )


@asynccontextmanager
async def open_outbound_http(
    allowed: Sequence[Network], *, resolver: AbstractResolver | None = None, request_timeout: float = REQUEST_TIMEOUT
) -> AsyncIterator[OutboundHttp]:
    """Open an `OutboundHttp`, and close it in the end."""
    outside = OutboundHttp(allowed, resolver=resolver, request_timeout=request_timeout)
    try:
        yield outside
    finally:
        await outside.close()


def check_url(url: str) -> str:
    """Check an address that requests are to go to; what its name resolves to is checked on each connection, not here.

    Raises:
        InputError: the URL has no such address.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() or not character.isprintable() for character in url):
        raise InputError(f"{url!r} is not an address such as https://example.org/hooks/muster.")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "The address holds a user name or password.",
            remedy="Leave them out: addresses are shown in lists and logs.",
        )
    return url


def is_open_to_read(url: str) -> bool:
    """Tell whether requests to a URL can be read, and changed, on the way: `http:`, however it is written."""
    return urlsplit(url).scheme == "http"


def is_public(address: HostAddress) -> bool:
    """Tell whether an address can be reached by everybody on the internet, not only by us."""
    return address.is_global and not address.is_multicast and not getattr(address, "is_site_local", False)


def plain_address(address: HostAddress) -> HostAddress:
    """Return the address that a connection reaches: IPv4 that is written as IPv6, whichever way, is IPv4."""
    address = unmapped(address)
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """Read the beginning of a response; the rest is not read, and the connection not used again."""
    kept = bytearray()
    async for chunk in answer.content.iter_any():
        kept += chunk
        if len(kept) >= MAX_READ_SIZE:
            answer.close()
            break
    return bytes(kept[:MAX_READ_SIZE])


def _problem(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"It answered {status}, a redirect; redirects are not followed."
    return f"It answered {status}."


def _words(error: Exception, request_timeout: float) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match cause:
        case AddressRefused():
            return f"It was not asked: {cause}, and MUSTER_OUTGOING_ALLOW does not name it."
        case TimeoutError():
            return f"It did not answer within {request_timeout:g} seconds."
        case socket.gaierror():
            return "Its name does not resolve."
        case _:
            return f"It could not be reached: {cause or type(cause).__name__}."[:500]
