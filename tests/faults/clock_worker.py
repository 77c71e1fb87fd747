"""A worker whose clock is an hour late, right, and an hour early, by turns: `python -m tests.faults.clock_worker`."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from core.clock import system_clock
from core.runtime import open_runtime
from messaging.settings import load_settings
from muster.cli.session import run
from muster.web import stop_signal
from muster.worker import ArqWake, work

TURN = 0.4
"""Seconds between two jumps."""
_OFFSETS = (timedelta(0), timedelta(hours=1), timedelta(0), timedelta(hours=-1))


def jumping() -> datetime:
    return system_clock() + _OFFSETS[int(time.monotonic() / TURN) % len(_OFFSETS)]


async def main() -> None:
    settings = load_settings()
    assert settings.redis_url is not None
    async with (
        ArqWake(settings.redis_url) as wake,
        open_runtime(settings, pool_size=20, clock=jumping, wake=wake) as runtime,
    ):
        await work(runtime, stop_signal())


if __name__ == "__main__":
    run(main())
