"""Database answers within a time limit, or an error that asks the client to try again later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from core.db.away import UNABLE
from core.errors import Unavailable

T = TypeVar("T")

ANSWER_TIMEOUT: Final = 8.0
"""Seconds to wait; providers wait 10 to 15 seconds for our answer."""


async def answer_in_time(answer: Awaitable[T]) -> T:
    """Wait a few seconds for a result from the database.

    Raises:
        Unavailable: the database does not answer in time, or cannot.
    """
    with as_unavailable():
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await answer


@contextmanager
def as_unavailable() -> Iterator[None]:
    """Raise `Unavailable` for every error that means the database is away or temporarily unable to answer."""
    try:
        yield
    except UNABLE as error:
        raise Unavailable("The database does not answer.", remedy="Please try again in a few minutes.") from error
