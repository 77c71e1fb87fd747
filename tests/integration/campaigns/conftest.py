"""Fixtures for campaigns by dates of people, and a sandbox whose receipts come at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.runtime import Runtime
from sandbox import Sandbox, SandboxConfig, TwilioConfig, open_sandbox
from tests.support.appointments import Load, add_visit, loader
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, at_noon, connected


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def muster(runtime: Runtime, clock: FixedClock) -> Runtime:
    """A runtime with a question that reminders ask, at noon by the clock that tests move."""
    async with connected(runtime) as db:
        await add_visit(db)
    return replace(at_noon(runtime), clock=clock)


@pytest.fixture
def load(muster: Runtime, tmp_path: Path) -> Load:
    return loader(muster, tmp_path)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    quick = TwilioConfig(sent_after=(0.0, 0.01), delivered_after=(0.0, 0.01))
    async with open_sandbox(SandboxConfig(twilio=quick)) as sandbox:
        yield sandbox
