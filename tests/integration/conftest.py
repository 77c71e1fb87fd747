"""Fixtures of several test files: a receiver of webhooks, and a worker that delivers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.runtime import Runtime
from tests.support.receivers import Receiver, Telling, on_loopback, open_receiver, telling


@pytest.fixture
async def told(runtime: Runtime) -> AsyncIterator[Telling]:
    """What a worker does to tell others, one look at a time."""
    async with telling(on_loopback(runtime)) as told:
        yield told


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback that takes everything, unless it is told otherwise."""
    async with open_receiver() as receiver:
        yield receiver
