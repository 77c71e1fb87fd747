"""Waiting until something is so, with a deadline: in tests of asyncio, and in those of whole processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(true: Callable[[], Awaitable[bool] | bool], what: str = "it", *, seconds: float = 30) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + seconds
    while not (now if isinstance(now := true(), bool) else await now):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.02)


def until_blocking(true: Callable[[], bool], *, seconds: float = 30) -> None:
    """Poll until something is so, in a test without an event loop."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for it"
        time.sleep(0.02)
