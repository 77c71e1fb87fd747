"""Lock on the set of people: exclusive to erase people or strike them off, shared to decide about people.

It is the first lock of a transaction, in a statement of its own: what is read after it holds until the commit, and a
transaction that waits for it holds nothing that another could want. A second lock keeps imports of member files apart.
"""

from __future__ import annotations

from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


async def lock_people_shared(db: Connection) -> None:
    """Let nobody be erased or struck off until the transaction ends.

    Args:
        db: in a transaction that has done nothing yet; what is read from now on includes what other transactions did
            while this one waited.
    """
    await db.execute(SQL["lock_shared"])


async def lock_people(db: Connection) -> None:
    """Take the lock alone: wait for pages of launches, for the inbound log and for presses on pages.

    Args:
        db: in a transaction that has done nothing yet.
    """
    await db.execute(SQL["lock_exclusive"])


async def try_import_lock(db: Connection) -> bool:
    """Keep every import of a member file away until the transaction ends; return False where one is running."""
    free: bool = await db.fetchval(SQL["try_import_lock"])
    return free


async def wait_import_lock(db: Connection, *, lock_timeout: float) -> None:
    """Keep every other import away, after the one that is running; `lock_timeout` says how long to wait for it."""
    await db.execute(SQL["wait_import_lock"], timeout=lock_timeout)
