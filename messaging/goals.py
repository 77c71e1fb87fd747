"""Goals of steps, such as a vote: a person who has met the goal gets no more messages for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


async def create_goal(db: Connection, name: str) -> int:
    """Add a goal for steps; return its id."""
    goal_id: int = await db.fetchval(SQL["create_goal"], name)
    return goal_id


async def meet_goal(db: Connection, goal_id: int, person_id: int, *, reason: str = "answered", source: str) -> int:
    """Record that a person has met a goal, and withdraw their queued messages for it.

    Args:
        db: in the caller's transaction, which records the answer, too.
        goal_id: the goal.
        person_id: the person who answered.
        reason: a value of `Reason`.
        source: where the answer came from: `link`, `sms_reply`, `rep` …

    Returns:
        How many queued messages were withdrawn. Meeting a goal twice withdraws messages queued since.
    """
    withdrawn: int = await db.fetchval(SQL["meet_goal"], goal_id, person_id, reason, source)
    return withdrawn


async def reopen_goal(db: Connection, goal_id: int, person_id: int) -> bool:
    """Reopen a goal for a person who took the answer back; return whether it was met. Later messages may ask again."""
    return await db.fetchval(SQL["reopen_goal"], goal_id, person_id) is not None


async def meet_goal_of_many(
    db: Connection, goal_id: int, people: Sequence[int], *, reason: str = "answered", source: str
) -> int:
    """Record that many people have met a goal; see `meet_goal`."""
    withdrawn: int = await db.fetchval(SQL["meet_goal_of_many"], goal_id, people, reason, source)
    return withdrawn


async def reopen_goal_of_many(db: Connection, goal_id: int, people: Sequence[int]) -> None:
    """Reopen a goal for many people who took their answers back; see `reopen_goal`."""
    await db.execute(SQL["reopen_goal_of_many"], goal_id, people)
