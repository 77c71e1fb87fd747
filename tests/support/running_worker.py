"""A worker that runs in the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.runtime import Runtime
from muster.worker import work

NOWHERE = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def working(runtime: Runtime) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that is at work."""
    stop = asyncio.Event()
    worker = asyncio.create_task(work(runtime, stop))
    try:
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(worker, 30)
