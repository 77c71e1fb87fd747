"""Sessions of the staff: opened by a sign-in, listed as "signed in on", ended one by one or all at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from core.access import Actor, ActorKind, Grant
from core.audit import AuditAction, record
from core.db import Connection, atomic, load_queries
from staff.accounts import lock_account
from staff.grants import grants_of
from staff.roles import ROLES
from staff.tokens import digest_of, is_token, new_token

SQL: Final = load_queries(__file__)

SESSION_LASTS: Final = timedelta(hours=12)
"""Session lifetime after the last page somebody opened."""
SESSION_ENDS: Final = timedelta(days=7)
"""Session lifetime after the sign-in, whatever was opened since."""
_TOUCH_EVERY: Final = timedelta(minutes=5)
_ROTATE_EVERY: Final = timedelta(hours=1)
_TOKEN_GRACE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Device:
    """Browser that a session is in.

    Attributes:
        browser: in plain words.
        came_from: its network.
    """

    browser: str = ""
    came_from: str = ""


NO_DEVICE: Final = Device()
"""Session whose browser is not known."""


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff who is signed in.

    Attributes:
        staff_id: their number.
        name: as they are greeted.
        email: in lower case.
        until: when the session ends if no further page is opened; aware.
        session: names the session; it stays when the token changes.
        grants: those in force.
        second_factor_at: when they last proved a second factor in this session; None if they have not.
        has_second_factor: whether they have set one up.
    """

    staff_id: int
    name: str
    email: str
    until: datetime
    session: UUID
    grants: tuple[Grant, ...] = ()
    second_factor_at: datetime | None = None
    has_second_factor: bool = False

    def actor(self, came_from: str) -> Actor:
        """Return the actor that they are in the audit, with their grants.

        Args:
            came_from: network of their browser.
        """
        return Actor(ActorKind.STAFF, self.email, self.staff_id, came_from, self.grants)

    @property
    def needs_second_factor(self) -> bool:
        """Tell whether a role of theirs needs one."""
        return any(grant.role in ROLES and ROLES[grant.role].needs_second_factor for grant in self.grants)

    @property
    def awaits_second_factor(self) -> bool:
        """Tell whether they have to prove or set up a second factor before any page opens."""
        return self.second_factor_at is None and (self.has_second_factor or self.needs_second_factor)


@dataclass(frozen=True, slots=True)
class Admission:
    """Session that a cookie opened.

    Attributes:
        staff: whose session it is.
        cookie: the token the browser should be given, for another twelve hours; None if nothing changes.
    """

    staff: Staff
    cookie: str | None = None


async def open_staff_session(
    db: Connection,
    staff_id: int,
    *,
    now: datetime,
    device: Device = NO_DEVICE,
    replaces: str | None = None,
    is_proven: bool = False,
) -> str:
    """Open a session, with a note in the audit.

    Args:
        db: in a transaction that has locked the account.
        staff_id: whose.
        now: the time, aware.
        device: the browser.
        replaces: the session token the browser held until now; that session ends, so that nobody can plant one.
        is_proven: whether the sign-in counts as a second factor too.

    Returns:
        The session's token.
    """
    if replaces is not None:
        await end_session(db, replaces, now=now, came_from=device.came_from)
    await db.execute(SQL["delete_old_sessions"], now)
    await _record_own(db, staff_id, AuditAction.STAFF_SIGNED_IN, now, device.came_from)
    await db.execute(SQL["note_sign_in"], staff_id, now)
    token = new_token()
    await db.execute(
        SQL["add_session"], digest_of(token), staff_id, now, now + SESSION_LASTS, device.browser, device.came_from,
        now if is_proven else None,
    )  # fmt: skip
    return token


async def admit_session(
    db: Connection, token: str | None, *, now: datetime, opens_page: bool = True
) -> Admission | None:
    """Admit the holder of a session.

    Args:
        db: any connection.
        token: from the cookie.
        now: the time, aware.
        opens_page: whether a person asked for a page: that keeps the session alive and changes its token every hour.
            A page that refreshes itself must not keep itself signed in for ever.

    Returns:
        None if nobody is signed in with that token.
    """
    if token is None or not is_token(token):
        return None
    row = await db.fetchrow(SQL["find_session"], digest_of(token), now, now - SESSION_ENDS)
    if row is None:
        return None
    staff = Staff(
        row["staff_id"], row["name"], row["email"], row["expires_at"], row["family"],
        await grants_of(db, row["staff_id"], now), row["second_factor_at"], row["has_second_factor"],
    )  # fmt: skip
    if row["retired"] or not opens_page:  # retired: another token has replaced it
        return Admission(staff)
    until = _until(row, now)
    if now - row["created_at"] >= _ROTATE_EVERY:
        async with db.transaction():
            await db.execute(SQL["lock_by_session"], digest_of(token))
            return Admission(staff, await _change(db, token, now, until))  # None: another request has just changed it
    if now - row["seen_at"] >= _TOUCH_EVERY:
        seen = await db.fetchval(SQL["see_session"], digest_of(token), now, until)
        return Admission(staff, token if seen else None)  # None: as above
    return Admission(staff)


async def note_second_factor(db: Connection, token: str, *, now: datetime) -> str | None:
    """Record that the holder of a session has proven a second factor.

    Args:
        db: in a transaction that has locked the account.
        token: the session's.
        now: the time, aware.

    Returns:
        The session's new token: somebody who knew the old one has no proof. None if `token` is not the session's token
        any more.
    """
    row = await db.fetchrow(SQL["find_session"], digest_of(token), now, now - SESSION_ENDS)
    return None if row is None or row["retired"] else await _change(db, token, now, _until(row, now), proven_at=now)


async def empty_proofs(db: Connection, staff_id: int) -> None:
    """Clear the proof of a second factor from all sessions of an account that has lost its last one.

    Args:
        db: in a transaction that has locked the account.
        staff_id: whose.
    """
    await db.execute(SQL["empty_proofs"], staff_id)


async def list_sessions(db: Connection, staff_id: int, *, now: datetime) -> list[asyncpg.Record]:
    """List where somebody is signed in, the last seen first.

    Returns:
        Each with family, browser, came_from, began_at, seen_at, expires_at and second_factor_at.
    """
    rows = await db.fetch(SQL["list_sessions"], staff_id, now, now - SESSION_ENDS)
    return sorted(rows, key=lambda row: row["seen_at"], reverse=True)


async def end_session(db: Connection, token: str, *, now: datetime, came_from: str = "") -> None:
    """Sign out: end the session with its token, every earlier token, and every later one."""
    async with atomic(db):
        await db.execute(SQL["lock_to_end_session"], digest_of(token))
        staff_id = await db.fetchval(SQL["end_session"], digest_of(token), now)
        if staff_id is not None:
            await _record_own(db, staff_id, AuditAction.STAFF_SIGNED_OUT, now, came_from)


async def end_one(db: Connection, staff_id: int, family: UUID, *, by: Actor, now: datetime) -> bool:
    """End one session of an account, with a note in the audit; return whether there was one.

    Args:
        db: any connection.
        staff_id: whose; another's session is not found.
        family: which, as `list_sessions` names it.
        by: who ends it.
        now: the time, aware.
    """
    async with atomic(db):
        await lock_account(db, staff_id)  # waits for tokens that are just being changed
        ended: bool = await db.fetchval(SQL["end_family"], staff_id, family, now)
        if ended:
            await record(db, by, AuditAction.STAFF_SESSIONS_ENDED, f"staff {staff_id}", {"sessions": 1}, at=now)
        return ended


async def end_others(db: Connection, staff_id: int, *, but: UUID | None, by: Actor, now: datetime) -> int:
    """End all sessions of an account, with a note in the audit; return how many could still open a page.

    Args:
        db: any connection.
        staff_id: whose.
        but: the one that stays.
        by: who ends them.
        now: the time, aware.
    """
    async with atomic(db):
        await lock_account(db, staff_id)  # waits for tokens that are just being changed
        ended: int = await db.fetchval(SQL["end_sessions"], staff_id, now, but)
        if ended:
            await record(db, by, AuditAction.STAFF_SESSIONS_ENDED, f"staff {staff_id}", {"sessions": ended}, at=now)
        return ended


async def end_sessions(db: Connection, staff_id: int, *, now: datetime) -> int:
    """End all sessions of an account whose access ends; return how many could still open a page.

    Args:
        db: in the caller's transaction, which notes it in the audit.
        staff_id: whose.
        now: the time, aware.
    """
    await lock_account(db, staff_id)  # waits for tokens that are just being changed
    sessions: int = await db.fetchval(SQL["end_sessions"], staff_id, now, None)
    return sessions


async def delete_old_sessions(db: Connection, *, now: datetime) -> None:
    """Delete sessions that ended a month ago."""
    await db.execute(SQL["delete_old_sessions"], now)


async def _change(
    db: Connection, token: str, now: datetime, until: datetime, *, proven_at: datetime | None = None
) -> str | None:
    renewed = new_token()
    changed = await db.fetchval(
        SQL["change_token"], digest_of(token), now, now + _TOKEN_GRACE, digest_of(renewed), until, proven_at
    )
    return renewed if changed else None


def _until(row: asyncpg.Record, now: datetime) -> datetime:
    ends: datetime = row["began_at"] + SESSION_ENDS
    return min(now + SESSION_LASTS, ends)


async def _record_own(db: Connection, staff_id: int, action: AuditAction, now: datetime, came_from: str) -> None:
    email = await db.fetchval(SQL["find_mailbox"], staff_id)
    await record(db, Actor(ActorKind.STAFF, email, staff_id, came_from), action, f"staff {staff_id}", at=now)
