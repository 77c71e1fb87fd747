"""Backoff: each further try after too many must wait longer, by account and network.

No account is ever locked, because a wait has a limit. No try counts for a network alone, because an office shares one
with everybody on its Wi-Fi. A stranger's tries slow down nobody on another network, except where codes of one account
are guessed from many networks at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.db import Connection, load_queries
from core.errors import Unavailable
from core.plurals import plural

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How tries of one kind are slowed down.

    Attributes:
        name: begins the keys.
        free: tries before the first wait.
        first: seconds of the first wait; each further one is twice as long.
        longest: seconds of the longest.
        forgotten_after: time without a try after which all are forgotten.
    """

    name: str
    free: int
    first: float
    longest: float
    forgotten_after: timedelta


LINKS: Final = Backoff("links", free=6, first=30, longest=240, forgotten_after=timedelta(hours=1))
"""Links asked for on the sign-in page, by account and network. The longest wait is well under the ten minutes that a
link works: while somebody asks again and again, its owner always has one that works."""
PASSKEYS: Final = Backoff("passkeys", free=10, first=2, longest=60, forgotten_after=timedelta(minutes=15))
"""Invalid answers in the name of one passkey, by network. Beginning a sign-in is not counted: a whole office does so in
the morning, and more of them do no harm."""
CODES: Final = Backoff("codes", free=5, first=2, longest=900, forgotten_after=timedelta(hours=6))
"""Codes entered for an account, by network."""
ALL_CODES: Final = Backoff("all codes", free=20, first=1, longest=60, forgotten_after=timedelta(days=1))
"""Codes entered for an account from any network: at one a minute, guessing six digits takes most of a year."""


class TooManyTries(Unavailable):
    """There were too many tries; the remedy says when the next one is allowed."""


async def take_try(db: Connection, kind: Backoff, who: str, *, now: datetime) -> None:
    """Count a try, before it is made.

    Args:
        db: outside any transaction, so that the try counts whether or not it succeeds.
        kind: what is tried.
        who: account, network, or both.
        now: the time, aware.

    Raises:
        TooManyTries: it is too early for another try.
    """
    key = f"{kind.name} {who}"
    taken = await db.fetchval(
        SQL["take_try"], key, now, kind.free, float(kind.first), float(kind.longest), kind.forgotten_after
    )
    if not taken:
        next_at: datetime | None = await db.fetchval(SQL["find_next"], key)
        seconds = math.ceil((next_at - now).total_seconds()) if next_at is not None else 1
        wait = plural(seconds, "second") if seconds < 60 else plural(math.ceil(seconds / 60), "minute")
        raise TooManyTries("There were too many tries.", remedy=f"Try again in {wait}.")


async def delete_tries(db: Connection, kind: Backoff, *who: str) -> None:
    """Delete the tries of somebody who has succeeded."""
    await db.execute(SQL["delete_tries"], [f"{kind.name} {each}" for each in who])


async def delete_old_tries(db: Connection, *, now: datetime) -> None:
    """Delete tries that are too old to count."""
    await db.execute(SQL["delete_old_tries"], now)
