"""Backoff: the first tries are free, whatever the clocks say, and each further one waits twice as long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.db import Connection
from staff.backoff import Backoff, TooManyTries, delete_tries, take_try

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KIND = Backoff("tests", free=3, first=10, longest=25, forgotten_after=timedelta(minutes=15))


async def waits(db: Connection, at: datetime) -> str:
    try:
        await take_try(db, KIND, "ada", now=at)
    except TooManyTries as error:
        return str(error)
    return ""


@pytest.mark.parametrize("behind", [0.001, 2, 90])
async def test_a_free_try_is_not_early_on_a_host_whose_clock_is_behind(db: Connection, behind: float) -> None:
    for at in (NOW, NOW - timedelta(seconds=behind), NOW):
        assert await waits(db, at) == ""
    assert "Try again in 10 seconds." in await waits(db, NOW)


async def test_waits_double_up_to_the_longest_and_are_forgotten(db: Connection) -> None:
    for _ in range(3):
        assert await waits(db, NOW) == ""
    at = NOW
    for seconds in (10, 20, 25, 25):
        assert f"Try again in {seconds} seconds." in await waits(db, at)
        assert "Try again in 1 second." in await waits(db, at + timedelta(seconds=seconds - 1))
        at += timedelta(seconds=seconds)
        assert await waits(db, at) == ""
    assert await waits(db, at + timedelta(minutes=16)) == "", "forgotten"
    await delete_tries(db, KIND, "ada")
    assert await waits(db, NOW) == ""
