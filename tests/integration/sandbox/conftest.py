"""The sandbox with a quick Twilio, a webhook, and Twilio's own SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.sandbox_twilio import QUICK, Hook, Sdk, open_hook


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with open_hook() as opened:
        yield opened


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig(twilio=QUICK)) as opened:
        yield opened


@pytest.fixture
async def sdk(sandbox: Sandbox) -> AsyncIterator[Sdk]:
    made = Sdk(sandbox)
    yield made
    made.close()
