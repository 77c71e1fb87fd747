"""Mails that are still arriving, from whoever: bounded by the bytes they hold and not by their number.

Where what proves the sender comes with the body, anybody can begin to send one. Whoever dribbles holds next to nothing,
and takes nobody's place. Where more bytes are held than there is room for, of one network or of all together, whoever
has been sending for the longest has to come again: a provider's mail takes a second.
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

OF_A_NETWORK: Final = 2
"""The largest bodies that one network may have unverified at once."""
IN_ALL: Final = 8
"""… and all of them together."""


class Uploads:
    """Bodies from their first byte until somebody knows who sent them."""

    def __init__(self) -> None:
        self._held: dict[_Upload, None] = {}

    @asynccontextmanager
    async def receive(self, request: web.Request, largest: int) -> AsyncIterator[bytes]:
        """Read a body, and count its bytes as long as this is open.

        Args:
            request: what comes.
            largest: bytes.

        Raises:
            HTTPRequestEntityTooLarge, HTTPRequestTimeout: see `read_body`.
            Unavailable: there is no room for more.
        """
        upload = _Upload(client_network(request))
        self._held[upload] = None
        try:
            yield await self._read(upload, request, largest)
        finally:
            self._held.pop(upload, None)

    async def _read(self, upload: _Upload, request: web.Request, largest: int) -> bytes:
        def grown(size: int) -> None:
            upload.size = size
            self._make_room(upload, largest)

        with suppress(TimeoutError):
            async with upload.limit:
                body = await read_body(request, largest=largest, grown=grown)
                if upload in self._held:  # its own last bytes may have been too many, and nothing waited after them
                    upload.complete = True
                    return body
        raise Unavailable("Too many mails come at once.", remedy="Please try again in a minute.")

    def _make_room(self, latest: _Upload, largest: int) -> None:
        if latest.where != INSIDE:  # where a proxy does not say, everybody comes from there
            self._turn_away([one for one in self._held if one.where == latest.where], OF_A_NETWORK * largest)
        self._turn_away(list(self._held), IN_ALL * largest)

    def _turn_away(self, held: list[_Upload], room: int) -> None:
        """Make the bytes fit, by those that have been arriving for the longest."""
        size = sum(one.size for one in held)
        for one in held:
            if size <= room:
                return
            if not one.complete:
                size -= one.size
                del self._held[one]
                one.limit.reschedule(0)


class _Upload:
    """One body: whence, how much of it is here, and how it is told to come again."""

    __slots__ = ("complete", "limit", "size", "where")

    def __init__(self, where: str) -> None:
        self.where = where
        self.size = 0
        self.complete = False
        self.limit = asyncio.timeout(None)
