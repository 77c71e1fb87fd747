"""Accounts of the staff: they are added, found, disabled and enabled, with a note in the audit of who did it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from core.access import Actor
from core.addresses import normalise_email
from core.audit import AuditAction, record
from core.control_characters import without_controls
from core.db import Connection, Pool, load_queries
from core.errors import AddressError, Conflict
from staff.grants import keeping_an_administrator

SQL: Final = load_queries(__file__)

_MAX_NAME_LENGTH: Final = 100
"""Characters of a name, which stands in mails and tables."""


async def find_staff(db: Connection, email: str) -> asyncpg.Record | None:
    """Look a member of staff up by their address; the row has staff_id, name, email, phone and disabled_at."""
    return await db.fetchrow(SQL["find_staff"], staff_mailbox(email))


def staff_mailbox(text: str) -> str:
    """Return a mailbox as accounts have it, however it was typed; what is none stays as it is, in lower case."""
    try:
        return normalise_email(text)
    except AddressError:
        return text.strip().lower()


def staff_name(text: str) -> str:
    """Return a name as accounts have it: on one line, without control characters, of a bearable length."""
    return " ".join(without_controls(text).split())[:_MAX_NAME_LENGTH].strip()


def already_on_the_staff(account: asyncpg.Record, *, remedy: str) -> Conflict:
    """Return the error for a mailbox that has an account, perhaps of somebody who had it before and has left.

    Args:
        account: as `find_staff` returns it.
        remedy: what to do if the account is not disabled.
    """
    email = account["email"]
    if account["disabled_at"] is None:
        return Conflict(f"{email} is on the staff already.", remedy=remedy)
    return Conflict(
        f"{email} is on the staff already, as {account['name']}, and disabled.",
        remedy=f"If it is the same person, muster user enable {email} gives them back what they had. If not, also: "
        f"muster user reset {email}, and muster user revoke for each role.",
    )


async def lock_account(db: Connection, staff_id: int) -> None:
    """Lock an account, so that set-ups, proofs, sign-ins, sign-outs and resets of it take turns.

    Args:
        db: in the transaction that does it.
        staff_id: whose.
    """
    await db.execute(SQL["lock_account"], staff_id)


async def add_staff(
    db: Connection, email: str, name: str, *, by: Actor, now: datetime, phone: str | None = None
) -> asyncpg.Record | None:
    """Add a member of staff, with a note in the audit.

    Args:
        db: in the caller's transaction, if any.
        email: the account's mailbox, in lower case.
        name: what to call them.
        by: who adds them.
        now: the time, aware.
        phone: their number in E.164, for links by text.

    Returns:
        The row, as `find_staff` returns it; None if they are on the staff already.
    """
    row = await db.fetchrow(SQL["add_staff"], email, staff_name(name), phone)
    if row is not None:
        await record(db, by, AuditAction.STAFF_ADDED, f"staff {row['staff_id']}", at=now)
    return row


async def list_staff(db: Connection | Pool) -> list[asyncpg.Record]:
    """List the staff; disabled accounts come last.

    Returns:
        Each with staff_id, email, name, phone, phone_verified_at, created_at, disabled_at, signed_in_at, has_totp (an
        authenticator app), passkeys and recovery_codes (how many are left).
    """
    return await db.fetch(SQL["list_accounts"])


async def disable_staff(db: Connection, staff_id: int, now: datetime) -> None:
    """Disable somebody's account; `sign_in.end_access` ends their sessions and links.

    Raises:
        Conflict: nobody would be administrator any more.
    """
    async with keeping_an_administrator(db, now):
        await db.execute(SQL["disable"], staff_id, now)


async def enable_staff(db: Connection, staff_id: int) -> None:
    """Give somebody's access back."""
    await db.execute(SQL["enable"], staff_id)


async def verify_phone(db: Connection, staff_id: int, phone: str, *, by: Actor, now: datetime) -> None:
    """Record that somebody used a link that went to their phone by text, with a note in the audit the first time.

    Args:
        db: in the transaction that signs them in.
        staff_id: whose.
        phone: the number it went to; if it is not theirs any more, nothing is recorded.
        by: who signs in.
        now: the time, aware.
    """
    if await db.fetchval(SQL["verify_phone"], staff_id, phone, now) is not None:
        await record(db, by, AuditAction.STAFF_PHONE_VERIFIED, f"staff {staff_id}", at=now)


async def set_phone(db: Connection, staff_id: int, phone: str | None, *, by: Actor, now: datetime) -> None:
    """Set or remove the number to which somebody's sign-in links go by text, with a note in the audit.

    Args:
        db: in the caller's transaction.
        staff_id: whose.
        phone: in E.164; None to remove it.
        by: who does it.
        now: the time, aware.
    """
    await db.execute(SQL["set_phone"], staff_id, phone)
    action = AuditAction.STAFF_PHONE_SET if phone else AuditAction.STAFF_PHONE_REMOVED
    await record(db, by, action, f"staff {staff_id}", at=now)
