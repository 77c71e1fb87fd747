"""Write a request's body only if its message still belongs to this worker.

Between the start of a request and its first byte a connection may have to be opened, and the whole process may have
been suspended. A provider does nothing with a request whose body never comes.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload


class GuardedBody(BytesPayload):
    """Request body that is withheld if its message is no longer this worker's.

    Args:
        value: the body.
        still_ours: tells whether the message is this worker's; called right before the body is written.

    Attributes:
        withheld: the body was not written, which made the request fail.
    """

    def __init__(self, value: bytes, still_ours: Callable[[], bool]) -> None:
        super().__init__(value)
        self._still_ours = still_ours
        self.withheld = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body, or fail the request."""
        if not self._still_ours():
            self.withheld = True
            raise ConnectionAbortedError("the message is no longer this worker's")
        await super().write_with_length(writer, content_length)
