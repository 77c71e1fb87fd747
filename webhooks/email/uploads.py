"""Uploads in progress from unverified senders: limited by the bytes they hold and not by their number.

If the body holds the proof of its sender, anybody can begin to send one. A slow sender holds few bytes, and blocks
nobody. If one network, or all networks together, hold more bytes than allowed, the uploads that have been arriving for
the longest are refused, and the sender tries again. A provider's mail takes only a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import web

from core.errors import Unavailable
from core.http.client_network import INSIDE, client_network
from core.http.request_bodies import read_body

MAX_UPLOADS_PER_NETWORK: Final = 2
"""Limit for one network, as a multiple of the largest body."""
MAX_UPLOADS_IN_ALL: Final = 8
"""… and for all of them together."""


class Uploads:
    """Bodies of requests, from their first byte until their sender is verified."""

    def __init__(self) -> None:
        self._arriving: dict[_Upload, None] = {}

    @asynccontextmanager
    async def receive(self, request: web.Request, largest: int) -> AsyncIterator[bytes]:
        """Read a body, and count its bytes as long as this context is open.

        Args:
            request: the request.
            largest: most bytes.

        Raises:
            HTTPRequestEntityTooLarge, HTTPRequestTimeout: see `read_body`.
            Unavailable: there is no room for more.
        """
        upload = _Upload(client_network(request))
        self._arriving[upload] = None
        try:
            yield await self._read(upload, request, largest)
        finally:
            self._arriving.pop(upload, None)

    async def _read(self, upload: _Upload, request: web.Request, largest: int) -> bytes:
        def grown(size: int) -> None:
            upload.size = size
            self._make_room(upload, largest)

        with suppress(TimeoutError):
            async with upload.limit:
                body = await read_body(request, largest=largest, grown=grown)
                if upload in self._arriving:  # its last bytes may have been too many, with no await left to cancel
                    upload.complete = True
                    return body
        raise Unavailable("Too many mails come at once.", remedy="Please try again in a minute.")

    def _make_room(self, latest: _Upload, largest: int) -> None:
        if latest.where != INSIDE:  # all clients of a proxy that does not name them
            self._turn_away(
                [upload for upload in self._arriving if upload.where == latest.where], MAX_UPLOADS_PER_NETWORK * largest
            )
        self._turn_away(list(self._arriving), MAX_UPLOADS_IN_ALL * largest)

    def _turn_away(self, uploads: list[_Upload], room: int) -> None:
        """Cancel the uploads that have been arriving for the longest, until the bytes fit."""
        size = sum(upload.size for upload in uploads)
        for upload in uploads:
            if size <= room:
                return
            if not upload.complete:
                size -= upload.size
                del self._arriving[upload]
                upload.limit.reschedule(0)


class _Upload:
    """Upload of one body: its network, its size so far, and the timeout that cancels it."""

    __slots__ = ("complete", "limit", "size", "where")

    def __init__(self, where: str) -> None:
        self.where = where
        self.size = 0
        self.complete = False
        self.limit = asyncio.timeout(None)
