"""Fixtures of several test files: a receiver of webhooks, and a worker that delivers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.runtime import Runtime
from tests.support.receivers import Receiver, WebhookWorker, on_loopback, open_receiver, webhook_worker


@pytest.fixture
async def worker(runtime: Runtime) -> AsyncIterator[WebhookWorker]:
    """What a worker does to tell others, one look at a time."""
    async with webhook_worker(on_loopback(runtime)) as worker:
        yield worker


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback that takes everything, unless it is told otherwise."""
    async with open_receiver() as receiver:
        yield receiver
