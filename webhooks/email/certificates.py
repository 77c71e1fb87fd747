"""Certificates of Amazon SNS: fetched rarely, and stored once one of their signatures has been verified.

Anybody who knows a topic's name can name certificates that do not exist, and make us fetch each. So certificates that
have verified a message are kept in the database and not fetched again, and each network may make us fetch only a few
others.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakValueDictionary

import aiohttp
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_pem_x509_certificate
from yarl import URL

from core.db import Connection, load_queries
from core.db.in_time import answer_in_time
from core.errors import Unavailable
from core.runtime import Runtime
from webhooks.email.receiver import Forged

SQL: Final = load_queries(__file__)

MAX_KEPT: Final = 8
"""Certificates in memory."""
KEPT_FOR: Final = timedelta(days=800)
"""Time for which a verified certificate is kept: Amazon changes its certificates about once a year."""
MAX_FETCHES: Final = 20
"""Certificates of one topic that one network may make us fetch within a minute."""
MAX_FETCHES_IN_ALL: Final = 200
"""Certificates that all networks together may make us fetch within a minute."""
MAX_CERTIFICATE_SIZE: Final = 16 * 1024
"""Bytes of a certificate."""
CERTIFICATE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


class Certificates:
    """Finds certificates by their URL. The caller checks that the URL is one of Amazon's."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Certificate] = OrderedDict()
        self._proved: set[str] = set()
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._fetched: Counter[tuple[str, ...]] = Counter()
        self._minute = 0

    async def find(self, runtime: Runtime, url: str, *, topic: str, where: str) -> Certificate:
        """Return the certificate at a URL: from memory, the database, or Amazon.

        Args:
            runtime: the runtime.
            url: its URL.
            topic: our topic, which the message is about.
            where: the network that the message came from.

        Raises:
            Forged: the URL does not hold a certificate.
            Unavailable: the certificate cannot be fetched just now.
        """
        lock = self._asking.setdefault(url, asyncio.Lock())  # simultaneous requests fetch once
        async with lock:
            known = self._kept.get(url)
            if known is None:
                known = await self._bring(runtime, url, topic=topic, where=where)
            self._remember(url, known)
            return known

    async def prove(self, runtime: Runtime, url: str, certificate: Certificate) -> None:
        """Store a certificate, once it has verified a signature.

        Raises:
            Unavailable: the database does not answer.
        """
        if url not in self._proved:
            pem = certificate.public_bytes(Encoding.PEM)
            await answer_in_time(runtime.pool.execute(SQL["store_certificate"], url, pem, runtime.clock()))
            self._proved.add(url)

    async def _bring(self, runtime: Runtime, url: str, *, topic: str, where: str) -> Certificate:
        pem = await answer_in_time(runtime.pool.fetchval(SQL["find_certificate"], url))
        if pem is None:
            self._count(runtime.clock(), topic, where)
            pem = await fetch(runtime, URL(url))
        else:
            self._proved.add(url)
        try:
            return load_pem_x509_certificate(pem)
        except ValueError:
            raise Forged("its certificate is none") from None

    def _remember(self, url: str, certificate: Certificate) -> None:
        self._kept[url] = certificate
        self._kept.move_to_end(url)
        while len(self._kept) > MAX_KEPT:
            self._proved.discard(self._kept.popitem(last=False)[0])

    def _count(self, now: datetime, topic: str, where: str) -> None:
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._fetched = minute, Counter()
        if self._fetched[topic, where] >= MAX_FETCHES or self._fetched.total() >= MAX_FETCHES_IN_ALL:
            raise Unavailable("Too many certificates were named.", remedy="Please try again in a minute.")
        self._fetched[topic, where] += 1


async def delete_old_certificates(db: Connection, *, now: datetime) -> None:
    """Delete certificates that verified their first signature so long ago that Amazon has replaced them since."""
    await db.execute(SQL["delete_old"], now - KEPT_FOR)


async def fetch(runtime: Runtime, url: URL) -> bytes:
    """Fetch a small document from SNS itself; redirects are not followed.

    Raises:
        Unavailable: the server does not answer, or answers with an error or too much.
    """
    try:
        async with runtime.http.get(url, allow_redirects=False, timeout=CERTIFICATE_TIMEOUT) as response:
            if response.status != 200:
                raise Unavailable(f"Amazon SNS answered {response.status}.", remedy="Please try again later.")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_CERTIFICATE_SIZE:
                    raise Unavailable("Amazon SNS answered with too much.", remedy="Please try again later.")
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable("Amazon SNS does not answer.", remedy="Please try again later.") from error
