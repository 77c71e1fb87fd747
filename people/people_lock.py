"""The lock on who there is: whoever erases people or strikes them off is alone; whoever decides about people shares it.

It is the first lock of a transaction, in a statement of its own: what is read after it is what stands until the commit,
and whoever waits for it has nothing that somebody else could want. A second one keeps imports of member files apart.
"""

from __future__ import annotations

from typing import Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


async def people_stay(db: Connection) -> None:
    """Let nobody be erased or struck off until the transaction ends.

    Args:
        db: in a transaction that has done nothing yet; whoever was waited for, what is read from now on knows of it.
    """
    await db.execute(SQL["stay"])


async def people_go(db: Connection) -> None:
    """Be alone with who there is: wait for pages of launches, for what is read of the inbox and for presses on pages.

    Args:
        db: in a transaction that has done nothing yet.
    """
    await db.execute(SQL["go"])


async def try_import_lock(db: Connection) -> bool:
    """Keep every import of a member file away until the transaction ends; False where one is running."""
    free: bool = await db.fetchval(SQL["try_import"])
    return free


async def wait_import_lock(db: Connection, *, within: float) -> None:
    """Keep every other import away, after the one that is running; `lock_timeout` says how long to wait for it."""
    await db.execute(SQL["wait_import"], timeout=within)
