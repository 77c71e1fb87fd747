"""Followed states: states of messages that programs of others follow, so that each such change has its event.

Without one, a message that was simply accepted has no event of it: its columns say so, and the history reads the same.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from core.db import Connection, load_queries
from messaging.states import State

SQL: Final = load_queries(__file__)


async def followed_states(db: Connection) -> set[State]:
    """Return the states that are followed."""
    return {State(row["state"]) for row in await db.fetch(SQL["list_followed"])}


async def follow_states(db: Connection, states: Collection[State]) -> None:
    """Follow these states, and no others, from the end of the transaction on.

    Args:
        db: in the transaction that changes who follows them.
        states: all that anybody follows.
    """
    await db.execute(SQL["replace_followed"], list(states))
