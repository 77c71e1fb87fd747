"""Framing of the requests on one connection: detects whether the next one has begun."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import StreamReader
from aiohttp.streams import EMPTY_PAYLOAD

_BLANK_LINE: Final = (b"\n\r\n", b"\n\n")
"""Ends of headers, and of a chunked body."""


class Framing:
    """Detects whether a client has sent part of another request.

    aiohttp's parser does not say so: this follows from how many of the received bytes were a body, and how the rest
    ended. A body made to look like the end of headers hides the beginning after it; that connection then only counts as
    idle.

    Attributes:
        begun: whether part of another request's headers has come.
        whole: whether the latest request is complete.
    """

    __slots__ = ("_body", "_chunked", "_end", "_size", "begun", "whole")

    def __init__(self) -> None:
        self.begun = False
        self._body: StreamReader = EMPTY_PAYLOAD
        self._chunked = False
        self.whole = True
        self._size = 0  # of the latest request's body
        self._end = b""

    def note(self, data: bytes, latest: tuple[Any, StreamReader] | None) -> None:
        """Take note of received bytes.

        Args:
            data: the bytes.
            latest: the last request whose headers they completed, and its body; None if they completed none.
        """
        was_whole, known = self.whole, self._size
        if latest is not None:
            message, self._body = latest
            self._chunked, known = getattr(message, "chunked", False), 0
        self.whole, self._size = self._body.is_eof(), self._body.total_bytes
        if not self.whole:
            self.begun = False
        elif latest is None and was_whole:
            self.begun = self.begun or bool(data)
        else:
            self.begun = self._goes_on(data, self._size - known, headers=latest is not None)
        self._end = (self._end + data)[-2:]

    def _goes_on(self, data: bytes, body: int, *, headers: bool) -> bool:
        """Tell whether `data`, of which `body` bytes are a request's body, goes on after the end of that request."""
        if self._chunked or headers:
            data = self._end + data
        if not self._chunked:
            data = data[: len(data) - body]
        return bool(data) and not data.endswith(_BLANK_LINE)
