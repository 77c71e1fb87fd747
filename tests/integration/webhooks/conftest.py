"""Fixtures of members' links: a campaign that has written to people, at a time that stands still, and their browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.db import Connection
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import Campaign, make_campaign, serve
from tests.support.member_states import Client


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def here(runtime: Runtime, clock: FixedClock) -> Runtime:
    return replace(runtime, clock=clock)


@pytest.fixture
async def campaign(here: Runtime, db: Connection, clock: FixedClock) -> Campaign:
    return await make_campaign(here, db, now=clock())


@pytest.fixture
async def client(here: Runtime) -> AsyncIterator[Client]:
    async with serve(here) as client:
        yield client
