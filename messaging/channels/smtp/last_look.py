"""A request's body that is written only while its message is still this worker's.

Between the start of a request and its first byte a connection may have to be found or opened, and the whole process may
have stood still. A provider does nothing with a request whose body never comes.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload


class GuardedBody(BytesPayload):
    """Bytes that are withheld where they may no longer be handed over.

    Args:
        value: the body.
        still_ours: asked right before it is written.

    Attributes:
        withheld: it was not written; the request has failed for that alone.
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
