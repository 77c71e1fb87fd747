"""Staff sign-in: a link that works once, then a session. No passwords; only digests are stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.access import Actor, ActorKind
from core.alerts import resolve_alert
from core.audit import AuditAction, record
from core.credentials import pieces_of
from core.db import Connection, atomic, load_queries
from core.errors import Conflict, InputError, NotFound
from staff.accounts import add_staff, find_staff

SQL = load_queries(__file__)

SIGN_IN_PATH: Final = "/console/sign-in"
SESSION_LASTS: Final = timedelta(hours=12)
"""Session lifetime after the last page somebody opened."""
SESSION_ENDS: Final = timedelta(days=7)
"""Session lifetime after the sign-in, whatever was opened since."""
_TOUCH_EVERY: Final = timedelta(minutes=5)
_ROTATE_EVERY: Final = timedelta(hours=1)
_GRACE: Final = timedelta(minutes=1)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff who is signed in.

    Attributes:
        staff_id: their number.
        name: as they are greeted.
        email: in lower case.
        until: when the session ends if no further page is opened; aware.
    """

    staff_id: int
    name: str
    email: str
    until: datetime

    def actor(self, came_from: str) -> Actor:
        """Return who they are for the audit.

        Args:
            came_from: network of their browser.
        """
        return Actor(ActorKind.STAFF, self.email, self.staff_id, came_from)


@dataclass(frozen=True, slots=True)
class Admission:
    """Session that a cookie opened.

    Attributes:
        staff: whose session it is.
        cookie: the token the browser should be given, for another twelve hours; None where nothing changes.
    """

    staff: Staff
    cookie: str | None = None


async def make_sign_in_link(
    db: Connection,
    *,
    email: str,
    now: datetime,
    by: Actor,
    name: str | None = None,
    minutes: int = 15,
    create: bool = False,
) -> str:
    """Make a link that signs somebody in once.

    Args:
        db: in the caller's transaction, if any.
        email: whose; case does not matter.
        now: the time, aware.
        by: who lets them in, for the audit.
        name: what to call somebody new; default the part before the @.
        minutes: how long the link works.
        create: whether somebody unknown becomes a member of staff.

    Returns:
        The path, `/console/sign-in/<token>`; put `public_url` in front. It is not stored and cannot be shown again.

    Raises:
        InputError: that is not an email address.
        NotFound: nobody on the staff has it, and `create` is off.
        Conflict: their access was taken away.
    """
    mailbox = email.strip().lower()
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", mailbox):
        raise InputError(f"“{email}” is not an email address.", remedy="It looks like ada@union.example.")
    row = await find_staff(db, mailbox)
    if row is None and create:
        row = await add_staff(db, mailbox, name or mailbox.partition("@")[0], by=by, now=now)
        row = row or await find_staff(db, mailbox)  # None: somebody else has just added them
    if row is None:
        raise NotFound(f"Nobody on the staff has the address {mailbox}.", remedy=f"Add them: muster user add {mailbox}")
    if row["disabled_at"] is not None:
        raise Conflict(f"The access of {mailbox} was taken away.", remedy=f"First: muster user enable {mailbox}")
    token = secrets.token_urlsafe(32)
    await db.execute(SQL["forget_old_links"], now)
    async with atomic(db):
        until = now + timedelta(minutes=minutes)
        await db.execute(SQL["add_link"], _digest(token), sorted(pieces_of(token)), row["staff_id"], until)
        await record(db, by, AuditAction.STAFF_LINK_MADE, f"staff {row['staff_id']}", {"minutes": minutes}, at=now)
        await resolve_alert(db, f"sign-in:{row['staff_id']}")  # that an earlier one was revoked
    return f"{SIGN_IN_PATH}/{token}"


async def link_works(db: Connection, token: str, *, now: datetime) -> bool:
    """Tell whether a link would sign somebody in; looking does not use it."""
    return bool(_TOKEN.fullmatch(token)) and await db.fetchval(SQL["look_at_link"], _digest(token), now) is not None


async def use_link(
    db: Connection, token: str, *, now: datetime, replaces: str | None = None, came_from: str = ""
) -> str | None:
    """Use a link and open a session.

    Args:
        db: outside any transaction.
        token: from the link's path.
        now: the time, aware.
        replaces: the session token the browser held until now; that session ends, so that nobody can plant one.
        came_from: network of the browser, for the audit.

    Returns:
        The session's token, or None where the link is unknown, used or expired.
    """
    if not _TOKEN.fullmatch(token):
        return None
    async with db.transaction():
        await db.execute(SQL["lock_to_sign_in"], _digest(token), _digest(replaces or ""))
        staff_id = await db.fetchval(SQL["use_link"], _digest(token), now)
        if staff_id is None:
            return None
        if replaces is not None:
            await end_session(db, replaces, now=now, came_from=came_from)
        await db.execute(SQL["forget_old_sessions"], now)
        await _record_own(db, staff_id, AuditAction.STAFF_SIGNED_IN, now, came_from)
        token = secrets.token_urlsafe(32)
        await db.execute(SQL["add_session"], _digest(token), staff_id, now, now + SESSION_LASTS)
        return token


async def admit(db: Connection, token: str | None, *, now: datetime, opens_page: bool = True) -> Admission | None:
    """Admit the holder of a session.

    Args:
        db: any connection.
        token: from the cookie.
        now: the time, aware.
        opens_page: whether a person asked for a page: that keeps the session alive and changes its token every hour.
            A page that refreshes itself must not keep itself signed in for ever.

    Returns:
        None where nobody is signed in with that token.
    """
    if token is None or not _TOKEN.fullmatch(token):
        return None
    row = await db.fetchrow(SQL["find_session"], _digest(token), now, now - SESSION_ENDS)
    if row is None:
        return None
    staff = Staff(row["staff_id"], row["name"], row["email"], row["expires_at"])
    if row["retired"] or not opens_page:  # retired: it has been changed for another already
        return Admission(staff)
    until = min(now + SESSION_LASTS, row["began_at"] + SESSION_ENDS)
    if now - row["created_at"] >= _ROTATE_EVERY:
        renewed = secrets.token_urlsafe(32)
        async with db.transaction():
            await db.execute(SQL["lock_by_session"], _digest(token))
            changed = await db.fetchval(SQL["change_token"], _digest(token), now, now + _GRACE, _digest(renewed), until)
        return Admission(staff, renewed if changed else None)  # None: another request has just changed it
    if now - row["seen_at"] >= _TOUCH_EVERY:
        seen = await db.fetchval(SQL["see_session"], _digest(token), now, until)
        return Admission(staff, token if seen else None)  # None: as above
    return Admission(staff)


async def forget_expired(db: Connection, *, now: datetime) -> None:
    """Delete the sign-in links and sessions that ended a month ago."""
    await db.execute(SQL["forget_old_links"], now)
    await db.execute(SQL["forget_old_sessions"], now)


async def end_session(db: Connection, token: str, *, now: datetime, came_from: str = "") -> None:
    """Sign out: neither the token nor any that it came from or became opens anything from now on."""
    async with atomic(db):
        await db.execute(SQL["lock_to_end_session"], _digest(token))
        staff_id = await db.fetchval(SQL["end_session"], _digest(token), now)
        if staff_id is not None:
            await _record_own(db, staff_id, AuditAction.STAFF_SIGNED_OUT, now, came_from)


async def end_access(db: Connection, staff_id: int, *, now: datetime) -> tuple[int, int]:
    """End all that gives somebody access now: sessions, and links that have not been used.

    Args:
        db: in the caller's transaction.
        staff_id: whose.
        now: the time, aware.

    Returns:
        How many sessions and how many links could still have been used.
    """
    await db.execute(SQL["lock_to_end"], staff_id)
    sessions = await db.fetchval(SQL["end_sessions"], staff_id, now)
    return sessions, await db.fetchval(SQL["drop_unused_links"], staff_id, now)


async def _record_own(db: Connection, staff_id: int, action: AuditAction, now: datetime, came_from: str) -> None:
    email = await db.fetchval(SQL["find_mailbox"], staff_id)
    await record(db, Actor(ActorKind.STAFF, email, staff_id, came_from), action, f"staff {staff_id}", at=now)


def _digest(token: str) -> bytes:
    """Digest a token to store or look it up: the time that a look-up takes tells nothing about tokens."""
    return hashlib.sha256(token.encode()).digest()
