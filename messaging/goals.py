"""What a series of messages is for. A person who has met the goal is never asked again; a ballot is a goal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


async def create_goal(db: Connection, name: str) -> int:
    """Make a goal that steps can be for; returns its id."""
    goal_id: int = await db.fetchval(SQL["create_goal"], name)
    return goal_id


async def meet(db: Connection, goal_id: int, person_id: int, *, reason: str = "answered", source: str) -> int:
    """A person has met the goal: withdraw everything still queued for them that asks for it.

    Args:
        db: in the caller's transaction, with the answer itself.
        goal_id: what was asked.
        person_id: who answered.
        reason: a word of `Reason`.
        source: by which route: `link`, `sms_reply`, `rep` …

    Returns:
        How many queued messages were withdrawn. Meeting a goal twice withdraws what was queued since.
    """
    withdrawn: int = await db.fetchval(SQL["meet"], goal_id, person_id, reason, source)
    return withdrawn


async def reopen(db: Connection, goal_id: int, person_id: int) -> bool:
    """The answer was taken back: later messages may ask again. Whether the goal had been met."""
    return await db.fetchval(SQL["reopen"], goal_id, person_id) is not None


async def meet_many(
    db: Connection, goal_id: int, people: Sequence[int], *, reason: str = "answered", source: str
) -> int:
    """As `meet`, for many people at once."""
    withdrawn: int = await db.fetchval(SQL["meet_many"], goal_id, people, reason, source)
    return withdrawn


async def reopen_many(db: Connection, goal_id: int, people: Sequence[int]) -> None:
    """As `reopen`, for many people at once."""
    await db.execute(SQL["reopen_many"], goal_id, people)
