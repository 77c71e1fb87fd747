"""Retention: sign-in links, invitations and sessions are deleted a while after they have ended."""

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
    """Delete the sign-in links, invitations and sessions that ended a month ago.

    Old tries, old challenges and unfinished set-ups of an app go as well.
    """
    await delete_old_links(db, now=now)
    await delete_old_invitations(db, now=now)
    await delete_old_sessions(db, now=now)
    await delete_old_tries(db, now=now)
    await delete_old_challenges(db, now=now)
    await delete_unconfirmed(db, now=now)
