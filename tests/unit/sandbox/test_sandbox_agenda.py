"""The sandbox's agenda: in time, in order, so many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sandbox.agenda import Agenda


@pytest.fixture
async def agenda() -> AsyncIterator[Agenda]:
    made = Agenda("test", at_once=2)
    yield made
    await made.close()


async def test_the_earliest_due_task_runs_first(agenda: Agenda) -> None:
    done: list[str] = []

    async def do(what: str) -> None:
        done.append(what)

    agenda.later(0.03, do, "third")
    agenda.later(0.0, do, "first")
    agenda.later(0.015, do, "second")
    await agenda.idle()
    assert done == ["first", "second", "third"]


async def test_the_number_of_running_tasks_is_limited(agenda: Agenda) -> None:
    under_way, most = 0, 0

    async def do() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    for _ in range(50):
        agenda.later(0, do)
    assert agenda.pending == 50
    await agenda.idle()
    assert most == 2
    assert agenda.pending == 0


async def test_tasks_added_by_a_task_are_waited_for(agenda: Agenda) -> None:
    done: list[int] = []

    async def do(left: int) -> None:
        done.append(left)
        if left:
            agenda.later(0.001, do, left - 1)

    agenda.later(0, do, 3)
    await agenda.idle()
    assert done == [3, 2, 1, 0]


async def test_a_failing_task_does_not_stop_the_others(agenda: Agenda) -> None:
    done: list[str] = []

    async def fail() -> None:
        raise RuntimeError("stumbled")

    async def do() -> None:
        done.append("done")

    agenda.later(0, fail)
    agenda.later(0, do)
    await agenda.idle()
    assert done == ["done"]


async def test_a_closed_agenda_runs_nothing_more() -> None:
    agenda = Agenda("test", at_once=1)
    done: list[str] = []

    async def do() -> None:
        done.append("done")

    agenda.later(0.01, do)
    await agenda.close()
    agenda.later(0, do)
    await asyncio.wait_for(agenda.idle(), 20)
    assert done == []
