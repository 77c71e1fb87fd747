"""A job runs once at a time, runs again when woken meanwhile, and outlives its failures."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from core.errors import Unavailable
from muster.periodic import PeriodicJob


class Work:
    """Counts its rounds; each waits until it is let go."""

    def __init__(self, more: int = 0) -> None:
        self.rounds = 0
        self.at_once = 0
        self.most_at_once = 0
        self.more = more
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> bool:
        self.rounds += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.at_once -= 1
        self.more -= 1
        return self.more >= 0


async def test_many_wake_ups_at_once_run_a_job_twice_and_never_in_parallel() -> None:
    work = Work()
    job = PeriodicJob("test", work)
    job.ask()
    await asyncio.sleep(0)
    tasks = {job.ask() for _ in range(100)}  # in the middle of the first round: one more covers them all
    assert len(tasks) == 1
    work.gate.set()
    await asyncio.wait(tasks)
    assert (work.rounds, work.most_at_once) == (2, 1)


async def test_a_job_goes_on_while_there_is_more() -> None:
    work = Work(more=3)
    work.gate.set()
    await PeriodicJob("test", work).ask()
    assert work.rounds == 4


async def test_a_job_can_be_woken_again_after_it_is_done() -> None:
    work = Work()
    work.gate.set()
    job = PeriodicJob("test", work)
    await job.ask()
    await job.ask()
    assert work.rounds == 2


async def test_a_failure_is_logged_once_and_so_is_the_recovery() -> None:
    work = Work()
    work.gate.set()
    job = PeriodicJob("test", work)
    with capture_logs() as logs:
        for error in (Unavailable("it is away"), Unavailable("it is away"), ValueError("a bug"), None, None):
            work.error = error
            await job.ask()
    assert [entry["log_level"] for entry in logs] == ["warning", "error", "info"]
    assert work.rounds == 5


async def test_a_closed_job_finishes_its_round_and_begins_no_other() -> None:
    work = Work(more=5)
    job = PeriodicJob("test", work)
    job.ask()
    await asyncio.sleep(0)
    job.ask()
    going = job.close()
    work.gate.set()
    assert going is not None
    await going
    await job.ask()
    assert work.rounds == 1


async def test_the_clock_asks_again_only_when_its_time_has_passed_even_after_a_failure() -> None:
    work = Work()
    work.gate.set()
    often, seldom = PeriodicJob("often", work), PeriodicJob("seldom", work, every=3600.0)
    assert (often.is_due(), seldom.is_due()) == (True, True)
    work.error = Unavailable("it is away")
    with capture_logs():
        await often.ask()
        await seldom.ask()
    assert (often.is_due(), seldom.is_due()) == (True, False)
    seldom.next_at = 0.0
    assert seldom.is_due()
