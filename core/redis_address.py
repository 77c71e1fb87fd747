"""Redis address: one server (`redis://`, `rediss://`, `unix://`), or the master that sentinels name.

`redis+sentinel://:password@one:26379,two:26379,three:26379/service/0` asks the sentinels each time it connects, so that
work is interrupted only while a failover lasts. https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError

from core.errors import SettingsError

SENTINEL: Final = re.compile(
    r"redis(?P<tls>s?)\+sentinel://(?:(?P<user>[^:@/]*):(?P<password>[^@/]*)@)?(?P<hosts>[^/@]+)/(?P<service>[^/?#]+)(?:/(?P<db>\d+))?"
)
_HOST: Final = re.compile(r"(?P<name>[^:\s]+)(?::(?P<port>\d{1,5}))?")
PARAMETERS: Final = frozenset(
    {
        *("client_name", "db", "health_check_interval", "protocol", "socket_keepalive"),
        *("ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"),
    }
)
"""Parameters that may stand behind the `?` of the address of one server; those for TLS only with `rediss://`."""
_LAST_PORT: Final = 65535
_LOOKS_LIKE: Final = (
    "It looks like redis://:password@host:6379/0, rediss://… or redis+sentinel://…; in the password, write"
    " @ as %40, / as %2F, # as %23, ? as %3F and % as %25."
)
_PLACE: Final = re.compile(
    r"(rediss?://([^/?#]*@)?[^/?#@\s:][^/?#@\s]*(/\d*)?|unix://([^/?#]*@)?/[^?]+)(\?.*)?", re.IGNORECASE
)
"""Address of one server: it names a host or a socket, and the database by its number."""
SENTINEL_PORT: Final = 26379
"""Port of a sentinel whose address names none."""
MAX_CONNECTIONS: Final = 20
"""Connections to Redis of one process."""
ANSWER_TIMEOUT: Final = 5.0
"""Seconds Redis has to answer a command."""
CONNECT_TIMEOUT: Final = 2.0
"""Seconds a connection to Redis may take."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Parts of a `redis+sentinel://` address.

    Attributes:
        hosts: the sentinels.
        service: the sentinels' name for the servers they watch.
        user, password: of those servers; None if they ask for none.
        tls: whether to speak TLS, to the sentinels too.
    """

    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    user: str | None
    password: str | None
    tls: bool


def read_sentinels(url: str) -> Sentinels | None:
    """Read the sentinels of an address; None if it is one of a single server.

    Raises:
        SettingsError: the URL is meant for sentinels, but malformed; the message never repeats the password.
    """
    if "+sentinel:" not in url:
        return None
    match = SENTINEL.fullmatch(url)
    hosts = [_HOST.fullmatch(written.strip()) for written in match["hosts"].split(",")] if match else [None]
    if match is None or not all(host and 0 < int(host["port"] or SENTINEL_PORT) <= _LAST_PORT for host in hosts):
        raise SettingsError(
            "MUSTER_REDIS_URL is not an address of sentinels.",
            remedy="It looks like redis+sentinel://:password@one:26379,two:26379/service/0.",
        )
    return Sentinels(
        tuple((host["name"], int(host["port"] or SENTINEL_PORT)) for host in hosts if host),
        unquote(match["service"]),
        int(match["db"] or 0),
        unquote(match["user"]) if match["user"] else None,
        unquote(match["password"]) if match["password"] else None,
        bool(match["tls"]),
    )


def open_redis_pool(url: str) -> ConnectionPool:
    """Create a pool of connections to Redis; none is opened yet.

    Raises:
        SettingsError: the URL is no address of Redis.
    """
    sentinels = read_sentinels(url)
    if sentinels is None:
        _refuse_unknown_parameters(url)
        try:
            return _open_pool_of_one(url)
        except (ValueError, TypeError, RedisError) as error:
            raise SettingsError("MUSTER_REDIS_URL is not an address of Redis.", remedy=_LOOKS_LIKE) from error
    manager = Sentinel(
        sentinels.hosts,
        sentinel_kwargs={
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": ANSWER_TIMEOUT,
            "ssl": sentinels.tls,
        },
    )
    return _LedPool(  # type: ignore[no-untyped-call]
        sentinels.service,
        manager,
        db=sentinels.db,
        username=sentinels.user,
        password=sentinels.password,
        ssl=sentinels.tls,
        socket_connect_timeout=CONNECT_TIMEOUT,
    )


def _open_pool_of_one(url: str) -> ConnectionPool:
    """Create a pool for one server; raise ValueError, TypeError or RedisError if its address cannot be used."""
    if not _PLACE.fullmatch(url):
        raise ValueError("it names no host")
    pool: ConnectionPool = BlockingConnectionPool.from_url(
        url, max_connections=MAX_CONNECTIONS, timeout=ANSWER_TIMEOUT, socket_connect_timeout=CONNECT_TIMEOUT
    )
    if not 0 < pool.connection_kwargs.get("port", 1) <= _LAST_PORT:
        raise ValueError("it has no such port")
    pool.make_connection()  # reads every parameter, and connects to nothing
    return pool


def _refuse_unknown_parameters(url: str) -> None:
    """Refuse an address with a parameter that says nothing to us, such as a misspelt one."""
    try:
        named = parse_qs(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return  # what it is instead is said where it is read
    if unknown := sorted(named.keys() - PARAMETERS):
        raise SettingsError(
            f"MUSTER_REDIS_URL has a parameter that Muster does not know: {', '.join(unknown)}.",
            remedy=f"Leave it out. Behind the ? may stand {', '.join(sorted(PARAMETERS))}.",
        )


class _LedPool(SentinelConnectionPool):
    """Connections to the current master; closed together with those to the sentinels."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close all connections."""
        await super().disconnect(inuse_connections)
        for sentinel in self.sentinel_manager.sentinels:
            await sentinel.aclose()
