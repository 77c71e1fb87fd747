"""Effort of a piece of work: its CPU time as a multiple of a fixed loop's. It is the same on a slow or busy machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

_TURNS: Final = 200_000
_TRIES: Final = 5


def effort_of(work: Callable[[], object]) -> float:
    """CPU time of some work, in loops of 200,000 additions and look-ups: some 15 ms each on a machine of 2024."""
    with _untraced():
        loop = _loop()
        began = time.process_time()
        work()
        spent = time.process_time() - began
        return spent / max(loop, _loop())


async def effort_of_async(work: Callable[[], Awaitable[object]]) -> float:
    """The same for work that waits; what else this process does in the meantime is counted in."""
    with _untraced():
        loop = _loop()
        began = time.process_time()
        await work()
        spent = time.process_time() - began
        return spent / max(loop, _loop())


@contextmanager
def _untraced() -> Iterator[None]:
    """Suspend a tracer: the one that measures coverage slows the work down, and not the loop."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def _loop() -> float:
    """CPU time of the loop, the shortest of a few tries."""
    return min(_once() for _ in range(_TRIES))


def _once() -> float:
    began = time.process_time()
    total, seen = 0, {}
    for turn in range(_TURNS):
        seen[turn & 255] = total
        total += seen.get(turn & 127, 0) & 7
    return time.process_time() - began
