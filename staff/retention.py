"""Retention: what has ended is deleted after a while."""

from __future__ import annotations

from datetime import datetime

from core.db import Connection
from staff.backoff import delete_old_tries
from staff.invitations import delete_old_invitations
from staff.passkeys import delete_old_challenges
from staff.sessions import delete_old_sessions
from staff.sign_in import delete_old_links
from staff.totp import delete_unconfirmed


async def delete_expired(db: Connection, *, now: datetime) -> None:
    """Delete the sign-in links, invitations and sessions that ended a month ago, and what counts no longer.

    That is tries, challenges, and set-ups of an app that were left off.
    """
    await delete_old_links(db, now=now)
    await delete_old_invitations(db, now=now)
    await delete_old_sessions(db, now=now)
    await delete_old_tries(db, now=now)
    await delete_old_challenges(db, now=now)
    await delete_unconfirmed(db, now=now)
