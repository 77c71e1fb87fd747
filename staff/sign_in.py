"""Staff sign-in: a link that works once, then a session. No passwords; only digests are stored."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from core.access import Actor, ActorKind
from core.alerts import resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, atomic, load_queries
from core.errors import Conflict, InputError, NotFound
from core.sign_in_links import pieces_of
from staff.accounts import add_staff, find_staff, lock_account, staff_mailbox, verify_phone
from staff.backoff import LINKS, delete_tries
from staff.grants import give_grant
from staff.sessions import NO_DEVICE, Device, end_sessions, open_staff_session
from staff.tokens import digest_of, is_token, new_token

SQL: Final = load_queries(__file__)

SIGN_IN_PATH: Final = "/console/sign-in"
REQUESTED_LINK_MINUTES: Final = 10
"""Minutes for which a link works that somebody asked for on the sign-in page."""
_MAX_LIVE_LINKS: Final = 4
"""Most live links of an account; while it has so many, asking for another makes none."""


async def make_sign_in_link(
    db: Connection,
    *,
    email: str,
    now: datetime,
    by: Actor,
    name: str | None = None,
    minutes: int = 15,
    create_as: str | None = None,
    is_proof: bool = False,
    phone: str | None = None,
) -> str:
    """Make a link that signs somebody in once.

    Args:
        db: in the caller's transaction, if any.
        email: whose; case does not matter.
        now: the time, aware.
        by: who lets them in, for the audit.
        name: what to call somebody new; default the part before the @.
        minutes: how long the link works.
        create_as: the role, in the whole organisation, with which somebody unknown becomes a member of staff.
        is_proof: whether the link counts as a second factor too, like a link that is shown only on the server's screen.
        phone: the number, if the link goes by text; it is verified when the link is used.

    Returns:
        The path, `/console/sign-in/<token>`; put `public_url` in front. It is not stored and cannot be shown again.

    Raises:
        InputError: that is not an email address.
        NotFound: nobody on the staff has it, and `create_as` is not given.
        Conflict: their access was taken away.
    """
    mailbox = staff_mailbox(email)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", mailbox):
        raise InputError(f"“{email}” is not an email address.", remedy="It looks like ada@union.example.")
    await db.execute(SQL["delete_old_links"], now)
    async with atomic(db):
        row = await find_staff(db, mailbox)
        if row is None and create_as is not None:
            row = await add_staff(db, mailbox, name or mailbox.partition("@")[0], by=by, now=now)
            if row is not None:
                await give_grant(db, row["staff_id"], create_as, by=by, now=now)
            row = row or await find_staff(db, mailbox)  # None: another process has just added them
        if row is None:
            remedy = f"Add them: muster user add {mailbox}"
            raise NotFound(f"Nobody on the staff has the address {mailbox}.", remedy=remedy)
        if row["disabled_at"] is not None:
            raise Conflict(f"The access of {mailbox} was taken away.", remedy=f"First: muster user enable {mailbox}")
        token, until = new_token(), now + timedelta(minutes=minutes)
        await db.execute(
            SQL["add_link"], digest_of(token), sorted(pieces_of(token)), row["staff_id"], until, is_proof, phone
        )
        await record(db, by, AuditAction.STAFF_LINK_MADE, f"staff {row['staff_id']}", {"minutes": minutes}, at=now)
        await resolve_alert(db, f"sign-in:{row['staff_id']}")  # of the earlier links: that they were revoked
    return f"{SIGN_IN_PATH}/{token}"


async def make_requested_link(
    db: Connection, email: str, *, now: datetime, by: Actor, by_text: bool = False
) -> str | None:
    """Make the link that somebody asked for on the sign-in page, for the owner of the mailbox.

    A stranger who asks again and again locks nobody out: a link is refused only while the mailbox has several that
    still work.

    Args:
        db: in the caller's transaction, which also queues the message.
        email: as it was typed.
        now: the time, aware.
        by: the page, with the network it was asked from.
        by_text: whether it goes to their phone.

    Returns:
        The path; None if that is nobody's mailbox, the account was disabled or has no phone for a text, or enough
        links are on their way.
    """
    row = await find_staff(db, email)
    if row is None or row["disabled_at"] is not None or (by_text and row["phone"] is None):
        return None
    await lock_account(db, row["staff_id"])  # of several asked for at once, each counts the earlier ones
    if await db.fetchval(SQL["count_live_links"], row["staff_id"], now) >= _MAX_LIVE_LINKS:
        return None
    return await make_sign_in_link(
        db, email=row["email"], now=now, by=by, minutes=REQUESTED_LINK_MINUTES, phone=row["phone"] if by_text else None
    )


async def link_works(db: Connection, token: str, *, now: datetime) -> bool:
    """Tell whether a link would sign somebody in; looking does not use it."""
    return is_token(token) and await db.fetchval(SQL["look_at_link"], digest_of(token), now) is not None


async def use_link(
    db: Connection, token: str, *, now: datetime, replaces: str | None = None, device: Device = NO_DEVICE
) -> str | None:
    """Use a link and open a session.

    Args:
        db: outside any transaction.
        token: from the link's path.
        now: the time, aware.
        replaces: the session token the browser held until now; that session ends, so that nobody can plant one.
        device: the browser.

    Returns:
        The session's token, or None if the link is unknown, used or expired.
    """
    if not is_token(token):
        return None
    async with db.transaction():
        await db.execute(SQL["lock_to_sign_in"], digest_of(token), digest_of(replaces or ""))
        row = await db.fetchrow(SQL["use_link"], digest_of(token), now)
        if row is None:
            return None
        if row["phone"] is not None:
            actor = Actor(ActorKind.STAFF, row["email"], row["staff_id"], device.came_from)
            await verify_phone(db, row["staff_id"], row["phone"], by=actor, now=now)
        await delete_tries(db, LINKS, f"{row['staff_id']} {device.came_from}")
        return await open_staff_session(
            db, row["staff_id"], now=now, device=device, replaces=replaces, is_proven=row["is_proof"]
        )


async def delete_old_links(db: Connection, *, now: datetime) -> None:
    """Delete the sign-in links that ran out a month ago."""
    await db.execute(SQL["delete_old_links"], now)


async def end_access(db: Connection, staff_id: int, *, now: datetime) -> tuple[int, int]:
    """End all sessions of somebody, and their links that have not been used.

    Args:
        db: in the caller's transaction.
        staff_id: whose.
        now: the time, aware.

    Returns:
        How many sessions and how many links could still have been used.
    """
    sessions = await end_sessions(db, staff_id, now=now)
    return sessions, await db.fetchval(SQL["end_unused_links"], staff_id, now)
