"""Metrics for Prometheus at /metrics."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.db import load_queries
from core.http.host_addresses import read_host_address
from core.http.web import RUNTIME, leads_here
from core.runtime import Runtime

SQL: Final = load_queries(__file__)
MESSAGES_BY_STATE: Final = SQL["count_messages"]
QUEUE_AGE: Final = SQL["find_queue_age"]
COUNT_INBOUND: Final = SQL["count_inbound"]

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_METRICS_AGE: Final = 5.0
"""Seconds for which a count from the database is reused, so that scrapers do not load it."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Metrics:
    """Metrics of one web server process, in a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    connections: Gauge = field(init=False)
    ended: Counter = field(init=False)
    database_up: Gauge = field(init=False)
    messages: Gauge = field(init=False)
    queue_age: Gauge = field(init=False)
    inbound: Gauge = field(init=False)
    counted_at: float = float("-inf")
    _counted: dict[tuple[str, str, int], tuple[Counter, Histogram]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = self.registry
        self.requests = Counter(
            "muster_http_requests", "Requests answered.", ["route", "method", "status"], registry=home
        )
        self.seconds = Histogram("muster_http_request_seconds", "Time to answer.", ["route"], registry=home)
        self.connections = Gauge("muster_http_connections", "Connections that are open.", registry=home)
        self.ended = Counter(
            "muster_http_connections_ended",
            "Connections ended early: slow_headers, slow_reading, malformed; and times that there was no room: "
            "network_full, full.",
            ["why"],
            registry=home,
        )
        self.database_up = Gauge("muster_database_up", "1 if the database answered.", registry=home)
        self.messages = Gauge("muster_messages", "Messages by state.", ["state"], registry=home)
        self.queue_age = Gauge(
            "muster_queue_age_seconds", "How long the longest waiting message has been due.", registry=home
        )
        self.inbound = Gauge("muster_inbound_items", "Items of the inbound log, by state.", ["state"], registry=home)

    def record(self, request: web.Request, status: int, seconds: float) -> None:
        """Count one answered request by its route, never by its path, which may hold a member's token."""
        route = route_of(request)
        # a client may send any method name, and each would be kept for ever
        key = (route, request.method if request.method in METHODS else "(other)", status)
        if (counted := self._counted.get(key)) is None:
            counted = self._counted[key] = self.requests.labels(*key), self.seconds.labels(route)
        counted[0].inc()
        counted[1].observe(seconds)

    def count_open(self, connections: Callable[[], int]) -> None:
        """Report the number of open connections at each scrape."""
        self.connections.set_function(connections)

    def count_ended(self, why: str) -> None:
        """Count one connection that was ended early or refused for lack of room."""
        self.ended.labels(why).inc()

    async def count(self, runtime: Runtime) -> None:
        """Read the counts from the database, unless that was just done; a database that is away is reported as such."""
        if time.monotonic() - self.counted_at < MAX_METRICS_AGE:
            return
        self.counted_at = time.monotonic()
        try:
            async with runtime.pool.acquire(timeout=5) as db:
                states = await db.fetch(MESSAGES_BY_STATE, timeout=10)
                age = await db.fetchval(QUEUE_AGE, runtime.clock(), timeout=10)
                inbound = await db.fetchrow(COUNT_INBOUND, timeout=10)
        except Exception as error:  # noqa: BLE001  # the scrape must go on whatever fails
            log.warning("the counts for the metrics could not be read", error=repr(error))
            self.database_up.set(0)
            return
        assert inbound is not None
        self.database_up.set(1)
        self.messages.clear()
        for row in states:
            self.messages.labels(row["state"]).set(row["n"])
        self.queue_age.set(age)
        for state, n in inbound.items():
            self.inbound.labels(state).set(n)


METRICS: Final = web.AppKey("metrics", Metrics)


def route_of(request: web.Request) -> str:
    """Return the route of a request, as it was declared: its path may hold a member's token."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"


async def get_metrics(request: web.Request) -> web.Response:
    """Answer an authorised scrape.

    Raises:
        HTTPUnauthorized: a token is set, and the request lacks it.
        HTTPNotFound: none is set, and the request comes from outside this machine and private networks, or names a host
            that is not ours, as a page in somebody's browser would.
    """
    _check_may_know(request)
    metrics = request.app[METRICS]
    await metrics.count(request.app[RUNTIME])
    return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _check_may_know(request: web.Request) -> None:
    token = request.app[RUNTIME].settings.metrics_token
    if token is not None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        wanted = token.get_secret_value().encode()
        fits = hmac.compare_digest(given.strip().encode(errors="replace"), wanted)
        if not (fits and scheme.lower() == "bearer"):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
    elif not _is_near(request) or not leads_here(request.headers.get("Host", ""), _own_name(request)):
        raise web.HTTPNotFound


def _own_name(request: web.Request) -> set[str]:
    return {urlsplit(request.app[RUNTIME].settings.public_url).hostname or ""}


def _is_near(request: web.Request) -> bool:
    """Tell whether a request comes from this machine or a private network, not through a proxy for a client outside.

    Addresses in the headers that proxies add may be made up, so they are only used to refuse a request.
    """
    hops = [request.remote or ""]
    for header in request.headers.getall("X-Forwarded-For", []) + request.headers.getall("X-Real-IP", []):
        hops += header.split(",")
    return "Forwarded" not in request.headers and all(_is_inside(hop) for hop in hops)


def _is_inside(text: str) -> bool:
    address = read_host_address(text)
    return address is not None and address.is_private and not address.is_unspecified
