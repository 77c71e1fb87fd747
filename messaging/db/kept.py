"""A connection that is kept for one purpose, so that it never waits for others' use of the pool."""

from __future__ import annotations

import contextlib
from typing import Any, cast

from messaging.db.away import AWAY
from messaging.db.pool import Connection, Pool


class KeptConnection:
    """Takes a connection from the pool when it is first needed, and keeps it until it fails or is given back.

    Args:
        pool: where it comes from.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._db: Any = None

    async def get(self) -> Connection:
        """Return the connection; a new one after `drop`."""
        if self._db is None:
            self._db = await self._pool.acquire()
        return cast("Connection", self._db)

    async def drop(self) -> None:
        """Never again use a connection that failed."""
        if self._db is not None:
            with contextlib.suppress(*AWAY):  # the pool may have let go of it already
                self._db.terminate()
        await self.close()

    async def close(self) -> None:
        """Give the connection back."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(*AWAY):
                await self._pool.release(db)
