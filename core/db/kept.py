"""Connection that is kept for one purpose until it fails."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Self, cast

from core.db.away import AWAY
from core.db.pool import Connection, Pool, connect

CLOSE_TIMEOUT: Final = 2.0
"""Seconds a server gets to close a dedicated connection cleanly."""


class KeptConnection:
    """Take a connection when it is first needed, and keep it until it fails or is given back.

    Args:
        take: opens or acquires a connection.
        give_back: closes or releases it.
    """

    def __init__(self, take: Callable[[], Awaitable[Any]], give_back: Callable[[Any], Awaitable[None]]) -> None:
        self._take = take
        self._give_back = give_back
        self._db: Any = None

    @classmethod
    def of_pool(cls, pool: Pool) -> Self:
        """Keep a connection of the pool."""
        return cls(pool.acquire, pool.release)

    @classmethod
    def of_its_own(cls, url: str) -> Self:
        """Keep a dedicated connection, outside any pool."""
        return cls(partial(connect, url), lambda db: db.close(timeout=CLOSE_TIMEOUT))

    async def get(self) -> Connection:
        """Return the connection, which is a new one after `drop`."""
        if self._db is None:
            self._db = await self._take()
        return cast("Connection", self._db)

    async def drop(self) -> None:
        """Discard a connection that failed."""
        if self._db is not None:
            with contextlib.suppress(*AWAY):  # the pool may have released it already
                self._db.terminate()
        await self.close()

    async def close(self) -> None:
        """Give the connection back."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(*AWAY):
                await self._give_back(db)
