"""Answers of the database that somebody waits for: in time, or a plain refusal to be asked again later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from core.db.away import UNABLE
from core.errors import Unavailable

T = TypeVar("T")

SECONDS: Final = 8.0
"""Providers wait 10 to 15 seconds for our answer."""


async def answer_in_time(answer: Awaitable[T]) -> T:
    """Wait a few seconds for what the database answers.

    Raises:
        Unavailable: it does not answer in time, or cannot.
    """
    with as_unavailable():
        async with asyncio.timeout(SECONDS):
            return await answer


@contextmanager
def as_unavailable() -> Iterator[None]:
    """Raise `Unavailable` for every error that says that the database is away, or cannot do it now."""
    try:
        yield
    except UNABLE as error:
        raise Unavailable("The database does not answer.", remedy="Please try again in a few minutes.") from error
