"""The queue of ready messages: first come first served, but for transactional ones, and none is bound too early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from messaging.outbox.ready_queue import ReadyQueue
from messaging.outbox.schedule import Dispatch


@dataclass
class Ready:
    """As much of a dispatch as the queue looks at."""

    name: str
    is_transactional: bool = False
    ready_since: float = 0.0


def put(queue: ReadyQueue, *names: str) -> None:
    queue.put([cast("Dispatch", Ready(name.lower(), is_transactional=name.isupper())) for name in names])


def names(dispatches: list[Dispatch]) -> str:
    return "".join(cast("Any", dispatch).name for dispatch in dispatches)


async def test_transactional_messages_go_first() -> None:
    queue = ReadyQueue(announces=False)
    put(queue, "a", "b", "X")
    assert names([await queue.get() for _ in range(3)]) == "xab"


async def test_each_message_wakes_one_task_in_turn() -> None:
    queue = ReadyQueue(announces=False)
    tasks = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    put(queue, "a", "b", "c")
    assert names(await asyncio.gather(*tasks)) == "abc"


async def test_a_busy_connection_takes_what_no_free_one_is_about_to_take() -> None:
    queue = ReadyQueue(announces=False)
    free = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    put(queue, "a")
    assert queue.take_next() == []  # the free one has been woken for it
    put(queue, "b")
    assert names(queue.take_next()) == "a"
    assert queue.take_next() == []
    assert names([await free]) == "b"


async def test_a_busy_connection_takes_no_transactional_message() -> None:
    queue = ReadyQueue(announces=False)
    put(queue, "a", "X")
    assert queue.take_next() == []
    assert names([await queue.get()]) == "x"
    assert names(queue.take_next()) == "a"
    assert queue.take_next() == []


async def test_a_cancelled_task_leaves_its_message_to_another() -> None:
    queue = ReadyQueue(announces=False)
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    put(queue, "a")
    first.cancel()
    async with asyncio.timeout(20):
        assert names([await second]) == "a"
    third, fourth = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.sleep(0)
    put(queue, "b")
    async with asyncio.timeout(20):
        assert names([await fourth]) == "b"
    assert all(task.cancelled() for task in (first, third))


async def test_a_woken_task_waits_again_when_all_was_taken() -> None:
    queue = ReadyQueue(announces=False)
    free = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    put(queue, "a")
    assert names(queue.take_all()) == "a"
    for _ in range(3):
        await asyncio.sleep(0)
    assert not free.done()
    put(queue, "b")
    async with asyncio.timeout(20):
        assert names([await free]) == "b"


class Connections:
    """Tasks that take messages one after the other, announced ones first, and end each when they are let."""

    def __init__(self, queue: ReadyQueue, count: int) -> None:
        self.queue = queue
        self.taken: list[list[str]] = [[] for _ in range(count)]
        self.gates = [asyncio.Semaphore(0) for _ in range(count)]
        self.tasks = [asyncio.create_task(self._run(n)) for n in range(count)]

    async def _run(self, number: int) -> None:
        while True:
            self.taken[number].append(names([await self.queue.get()]))
            await self.gates[number].acquire()

    @property
    def used(self) -> list[str]:
        return [each for taken in self.taken if (each := "".join(taken))]

    async def send_all(self) -> None:
        for _ in range(100):
            for gate in self.gates:
                if gate.locked():
                    gate.release()
            await asyncio.sleep(0)
        for gate in self.gates:  # nobody waited for these
            while not gate.locked():
                await gate.acquire()

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def opened(count: int) -> AsyncIterator[Connections]:
    connections = Connections(ReadyQueue(announces=True), count)
    await asyncio.sleep(0)
    yield connections
    await connections.end()


async def test_a_quick_provider_gets_all_by_few_connections() -> None:
    async with opened(4) as connections:
        put(connections.queue, *"abcdefghijkl")
        await connections.send_all()
        assert sorted("".join(connections.used)) == list("abcdefghijkl")
        assert len(connections.used) == 2


async def test_each_batch_wakes_a_free_connection_more() -> None:
    async with opened(4) as connections:
        for batch in ("ab", "cd", "ef"):  # none is sent before more comes
            put(connections.queue, *batch)
            await asyncio.sleep(0)
        assert connections.used == ["a", "b", "c"]


async def test_a_message_does_not_wait_for_a_connection_that_is_stuck() -> None:
    async with opened(4) as connections:
        put(connections.queue, *"abc")
        await asyncio.sleep(0)
        assert connections.used == ["a"]
        async with asyncio.timeout(20):
            while len(connections.used) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert connections.used == ["a", "b", "c"]


async def test_a_transactional_message_never_waits_while_a_connection_is_free() -> None:
    async with opened(4) as connections:
        put(connections.queue, "a", "b")
        await asyncio.sleep(0)
        put(connections.queue, "X")
        await asyncio.sleep(0)
        assert connections.used == ["a", "x"]
        put(connections.queue, "Y", "c", "Z")
        await asyncio.sleep(0)
        assert connections.used == ["a", "x", "z", "y"]


async def test_the_time_since_when_a_message_is_ready_is_noted() -> None:
    queue = ReadyQueue(announces=True)
    before = time.monotonic()
    put(queue, "a")
    assert before <= (await queue.get()).ready_since <= time.monotonic()
