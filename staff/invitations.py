"""Invitations by email: a link that lasts for days, spent by a button; then the account exists and its grant begins."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from core.access import SYSTEM, Actor, ActorKind
from core.alerts import resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, Pool, atomic, load_queries
from core.errors import Conflict, InputError, NotFound
from core.sign_in_links import pieces_of
from staff.accounts import add_staff, already_on_the_staff, find_staff, staff_name
from staff.grants import give_grant, lock_grants, require_authority
from staff.roles import find_role, permissions_of
from staff.sessions import Device, end_session, open_staff_session
from staff.tokens import digest_of, is_token, new_token

SQL: Final = load_queries(__file__)

INVITATION_PATH: Final = "/console/first-sign-in"
"""Path by which such links are recognised in text that comes back from outside: see `core.sign_in_links`."""
INVITATION_LASTS: Final = timedelta(days=7)
"""Time in which an invitation can be accepted."""


async def invite(
    db: Connection,
    email: str,
    name: str,
    role: str,
    *,
    by: Actor,
    now: datetime,
    unit_id: int | None = None,
    ends_at: datetime | None = None,
    lasts: timedelta = INVITATION_LASTS,
) -> str:
    """Invite somebody, with a note in the audit.

    Args:
        db: in the caller's transaction, which also queues the message.
        email: the invited person's mailbox, in lower case.
        name: what to call them.
        role: what they will be.
        by: who invites them, and may give them the role.
        now: the time, aware.
        unit_id: where; None for the whole organisation.
        ends_at: when the grant ends by itself.
        lasts: how long the link works.

    Returns:
        The path of the link, which is not stored and cannot be shown again; put `public_url` in front.

    Raises:
        InputError: there is no such role, or its end has passed.
        Conflict: they are on the staff, or invited, already; or that is not for this actor to decide.
    """
    kind = find_role(role)
    if ends_at is not None and ends_at <= now:
        raise InputError("The grant would have ended already.", remedy="Choose a later end.")
    async with atomic(db):
        await require_authority(db, by, None, unit_id, kind.permissions, now=now)
        account = await find_staff(db, email)
        if account is not None:
            raise already_on_the_staff(account, remedy=f"Give them a role: muster user grant {email} ROLE")
        await db.execute(SQL["close_expired"], email, now)
        token = new_token()
        invitation_id = await db.fetchval(
            SQL["add_invitation"], digest_of(token), sorted(pieces_of(token)), email, staff_name(name),
            kind.name, unit_id, ends_at, by.to_json(), now, now + lasts,
        )  # fmt: skip
        if invitation_id is None:
            remedy = f"Send it again: muster user invite {email} --again. Or first: muster user withdraw {email}"
            raise Conflict(f"{email} is invited already.", remedy=remedy)
        detail = {"role": kind.name, "unit": unit_id, "until": ends_at.isoformat() if ends_at else None}
        await record(db, by, AuditAction.INVITATION_MADE, f"invitation {invitation_id}", detail, at=now)
    return f"{INVITATION_PATH}/{token}"


async def renew_invitation(
    db: Connection, email: str, *, by: Actor, now: datetime, lasts: timedelta = INVITATION_LASTS
) -> tuple[str, asyncpg.Record]:
    """Make another link for an invitation that was not accepted yet; the earlier link no longer works.

    Returns:
        The path of the link, and the invitation: name, role, unit and ends_at.

    Raises:
        NotFound: nobody of that address is invited.
    """
    token = new_token()
    async with atomic(db):
        row = await _find_open(db, email, by, now)
        await db.execute(
            SQL["renew"], row["invitation_id"], digest_of(token), sorted(pieces_of(token)), now + lasts, by.to_json()
        )
        await record(db, by, AuditAction.INVITATION_RESENT, f"invitation {row['invitation_id']}", at=now)
        await resolve_alert(db, f"invitation:{row['invitation_id']}")  # of the earlier link: that it was revoked
    return f"{INVITATION_PATH}/{token}", row


async def withdraw_invitation(db: Connection, email: str, *, by: Actor, now: datetime) -> None:
    """Withdraw an invitation that was not accepted yet, with a note in the audit.

    Raises:
        NotFound: nobody of that address is invited.
    """
    async with atomic(db):
        row = await _find_open(db, email, by, now)
        await db.execute(SQL["withdraw"], row["invitation_id"], now)
        await record(db, by, AuditAction.INVITATION_WITHDRAWN, f"invitation {row['invitation_id']}", at=now)


async def withdraw_invitations_of(db: Connection, staff_id: int, *, by: Actor, now: datetime) -> list[str]:
    """Withdraw the open invitations of somebody whose access ends, with a note in the audit.

    Args:
        db: in the transaction that ends it.
        staff_id: who invited.
        by: who ends their access.
        now: the time, aware.

    Returns:
        The mailboxes of those who were invited.
    """
    rows = await db.fetch(SQL["withdraw_of"], staff_id, now)
    for row in rows:
        detail = {"why": "the inviter's access has ended"}
        await record(db, by, AuditAction.INVITATION_WITHDRAWN, f"invitation {row['invitation_id']}", detail, at=now)
    return sorted(row["email"] for row in rows)


async def refuse_if_invited(db: Connection, email: str) -> None:
    """Refuse what is asked about somebody who is invited and has no account yet.

    Raises:
        NotFound: they have not accepted their invitation.
    """
    mailbox = email.strip().lower()
    if await db.fetchval(SQL["is_invited"], mailbox):
        raise NotFound(
            f"{mailbox} is invited, and has not accepted yet.",
            remedy=f"Another link: muster user invite {mailbox} --again. Without waiting: muster user add {mailbox}",
        )


async def withdraw_for_account(db: Connection, email: str, *, by: Actor, now: datetime) -> str | None:
    """Withdraw the open invitation of somebody who gets an account without it, with a note in the audit.

    Args:
        db: in the transaction that makes the account.
        email: the invited person's mailbox, in lower case.
        by: who makes it.
        now: the time, aware.

    Returns:
        The name they were invited by; None if they were not.
    """
    row = await db.fetchrow(SQL["find_open"], email)
    if row is None:
        return None
    await db.execute(SQL["withdraw"], row["invitation_id"], now)
    detail = {"why": "the account was made without it"}
    await record(db, by, AuditAction.INVITATION_WITHDRAWN, f"invitation {row['invitation_id']}", detail, at=now)
    name: str = row["name"]
    return name


async def find_invitation(db: Connection, token: str, *, now: datetime) -> asyncpg.Record | None:
    """Return the invitation of a link that works; looking does not use it.

    Args:
        db: a connection.
        token: from the link's path.
        now: the time, aware.

    Returns:
        Its email, name, role, unit (its path; None for the whole organisation), ends_at (of the role) and invited_by
        (the inviter's name); None if the link does not work.
    """
    return await db.fetchrow(SQL["look_at"], digest_of(token), now) if is_token(token) else None


async def accept_invitation(
    db: Connection, token: str, *, now: datetime, device: Device, replaces: str | None = None
) -> str | None:
    """Use an invitation: make the account, begin its grant, and open a session.

    The inviter must still be somebody who may give that role there; if not, the invitation is withdrawn.

    Args:
        db: outside any transaction.
        token: from the link's path.
        now: the time, aware.
        device: the browser.
        replaces: the session token the browser held until now; that session ends.

    Returns:
        The session's token; None if the link is unknown, used, withdrawn or expired, the account was disabled, or the
        inviter may no longer give the role.
    """
    if not is_token(token):
        return None
    async with db.transaction():
        row = await db.fetchrow(SQL["accept"], digest_of(token), now)
        if row is None:
            return None
        await lock_grants(db)  # so that nobody revokes the inviter's grants meanwhile
        if not await _may_still_invite(db, row, now):
            await db.execute(SQL["withdraw"], row["invitation_id"], now)
            why = {"why": "the inviter may no longer give that role"}
            await record(
                db, SYSTEM, AuditAction.INVITATION_WITHDRAWN, f"invitation {row['invitation_id']}", why, at=now
            )
            return None
        account = await add_staff(db, row["email"], row["name"], by=SYSTEM, now=now)
        account = account or await find_staff(db, row["email"])  # None: added by hand meanwhile
        assert account is not None  # one of the two
        if account["disabled_at"] is not None:
            return None
        staff_id: int = account["staff_id"]
        with contextlib.suppress(Conflict, InputError):  # they hold the role by now, or the grant has ended
            await give_grant(
                db, staff_id, row["role"], by=SYSTEM, now=now, unit_id=row["unit_id"], ends_at=row["ends_at"],
                invitation={"invitation": row["invitation_id"], "invited_by": row["invited_by"]},
            )  # fmt: skip
        await db.execute(SQL["note_account"], row["invitation_id"], staff_id)
        actor = Actor(ActorKind.STAFF, row["email"], staff_id, device.came_from)
        await record(db, actor, AuditAction.INVITATION_ACCEPTED, f"invitation {row['invitation_id']}", at=now)
        session = await open_staff_session(db, staff_id, now=now, device=device)
    if replaces is not None:  # in a transaction of its own: two accounts locked in one could wait for each other
        await end_session(db, replaces, now=now, came_from=device.came_from)
    return session


async def list_invitations(db: Connection | Pool) -> list[asyncpg.Record]:
    """List open invitations: email, name, role, unit, invited_by, invited_at and expires_at."""
    return await db.fetch(SQL["list_open"])


async def list_mailboxes(db: Connection, *, invitation_ids: Sequence[int] = (), email: str = "") -> dict[int, str]:
    """Return the mailboxes of invitations, open or not, by number.

    Args:
        db: a connection.
        invitation_ids: which.
        email: and all that went to this mailbox.
    """
    rows = await db.fetch(SQL["list_mailboxes"], list(invitation_ids), email.strip().lower())
    return {row["invitation_id"]: row["email"] for row in rows}


async def delete_old_invitations(db: Connection, *, now: datetime) -> None:
    """Delete invitations that ended a month ago and were not accepted."""
    await db.execute(SQL["delete_old_invitations"], now)


async def _find_open(db: Connection, email: str, by: Actor, now: datetime) -> asyncpg.Record:
    """Find and lock the open invitation of a mailbox, for an actor who may give the role that it offers.

    Raises:
        NotFound: nobody of that address is invited.
        Conflict: that is not for this actor to decide.
    """
    row = await db.fetchrow(SQL["find_open"], email)
    if row is None:
        raise NotFound(f"{email} is not invited.", remedy="See: muster user list")
    await require_authority(db, by, None, row["unit_id"], permissions_of(row["role"]), now=now)
    return row


async def _may_still_invite(db: Connection, row: asyncpg.Record, now: datetime) -> bool:
    """Tell whether the inviter may give that role there, by their own grants as they are now."""
    invited_by = row["invited_by"]
    actor = Actor(ActorKind(invited_by["kind"]), invited_by["name"], invited_by["id"], invited_by["came_from"])
    try:
        await require_authority(db, actor, None, row["unit_id"], permissions_of(row["role"]), now=now)
    except Conflict:
        return False
    return True
