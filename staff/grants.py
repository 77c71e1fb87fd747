"""Grants: roles of accounts in units, for a time; given and revoked with a note in the audit, never changed.

Nobody widens their own grants or gives more than they hold, and the organisation always has an administrator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import asyncpg

from core.access import Actor, ActorKind, Grant, Permission, Scope
from core.audit import AuditAction, record
from core.db import Connection, Pool, atomic, load_queries
from core.errors import Conflict, InputError, NotFound
from staff.grants_in_words import WHOLE_ORGANISATION
from staff.roles import ADMINISTRATOR, ROLES, find_role, permissions_of, role_name

SQL: Final = load_queries(__file__)

ENOUGH_ADMINISTRATORS: Final = 2
"""Administrators below which only somebody at the server can help the last one who loses a phone."""


class HeldAlready(Conflict):
    """The account holds the role there already, at that time.

    Args:
        role: its name.
        unit: the path of the unit; None for the whole organisation.
        starts_at: when the grant that there is begins, or began.
        ends_at: when it ends; None for never.
    """

    def __init__(self, role: str, unit: str | None, starts_at: datetime, ends_at: datetime | None) -> None:
        super().__init__(
            f"They are {role} of {unit or WHOLE_ORGANISATION} already.",
            remedy="To change from when or until when, revoke that first.",
        )
        self.starts_at, self.ends_at = starts_at, ends_at


async def grants_of(db: Connection, staff_id: int, now: datetime) -> tuple[Grant, ...]:
    """Return the grants of an account that are in force.

    Args:
        db: a connection.
        staff_id: whose.
        now: the time, aware.
    """
    rows = await db.fetch(SQL["list_in_force"], staff_id, now)
    return tuple(Grant(row["role"], row["unit_id"], permissions_of(row["role"])) for row in rows)


async def give_grant(
    db: Connection,
    staff_id: int,
    role: str,
    *,
    by: Actor,
    now: datetime,
    unit_id: int | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    invitation: Mapping[str, Any] | None = None,
) -> int:
    """Give an account a role, with a note in the audit.

    Args:
        db: in the caller's transaction, if any.
        staff_id: whose.
        role: its name.
        by: who gives it: an operator, or staff whose own grants cover it.
        now: the time, aware.
        unit_id: where, with everything below; None for the whole organisation.
        starts_at: default, and earliest: now.
        ends_at: when it ends by itself; None for never.
        invitation: the invitation that it comes from, and who made it, for the audit.

    Returns:
        The number of the grant.

    Raises:
        InputError: there is no such role, or it would end before it begins.
        HeldAlready: they hold it already at that time.
        Conflict: the giver may not give it.
    """
    role_given = find_role(role)
    begins = max(starts_at or now, now)  # rows are history: no grant begins in the past
    if ends_at is not None and ends_at <= begins:
        raise InputError("The grant would end before it begins.", remedy="Choose a later end.")
    async with atomic(db):
        await lock_grants(db)
        await require_authority(db, by, staff_id, unit_id, role_given.permissions, now=now)
        same = await db.fetchrow(SQL["find_same"], staff_id, role_given.name, unit_id, now, ends_at, begins)
        if same is not None:
            raise HeldAlready(role_given.name, same["unit"], same["starts_at"], same["ends_at"])
        grant_id: int = await db.fetchval(
            SQL["add_grant"], staff_id, role_given.name, unit_id, begins, ends_at, by.name, now
        )
        await record(
            db, by, AuditAction.GRANT_GIVEN, f"staff {staff_id}",
            {**_detail(role_given.name, unit_id, begins, ends_at), **(invitation or {})},
            permission=_permission(by), at=now,
        )  # fmt: skip
        return grant_id


async def revoke_grant(
    db: Connection,
    staff_id: int,
    role: str,
    *,
    by: Actor,
    now: datetime,
    unit_id: int | None = None,
    everywhere: bool = False,
) -> int:
    """Take a role from an account, with a note in the audit; from then on no page opens by it.

    Args:
        db: in the caller's transaction, if any.
        staff_id: whose.
        role: its name; one that this version of Muster does not know can be revoked as well.
        by: who takes it.
        now: the time, aware.
        unit_id: where; None for the grant of the whole organisation.
        everywhere: take it in every unit.

    Returns:
        How many grants were revoked.

    Raises:
        NotFound: they do not hold it.
        Conflict: nobody would be administrator any more, or the actor may not take it.
    """
    name = role_name(role)
    async with atomic(db), keeping_an_administrator(db, now):
        rows = await db.fetch(SQL["find_to_revoke"], staff_id, name, unit_id, everywhere, now)
        if not rows:
            raise NotFound(
                "They hold that role nowhere."
                if everywhere
                else f"They are not {name} of {await _where(db, unit_id)}.",
                remedy=await _held_in_words(db, staff_id, now),
            )
        for row in rows:
            await require_authority(db, by, staff_id, row["unit_id"], frozenset(), now=now)
        await db.execute(SQL["revoke"], [row["grant_id"] for row in rows], now, by.name)
        for row in rows:
            await record(
                db, by, AuditAction.GRANT_REVOKED, f"staff {staff_id}",
                _detail(name, row["unit_id"], row["starts_at"], row["ends_at"]), permission=_permission(by), at=now,
            )  # fmt: skip
        return len(rows)


async def _where(db: Connection, unit_id: int | None) -> str:
    return WHOLE_ORGANISATION if unit_id is None else str(await db.fetchval(SQL["find_unit_path"], unit_id))


async def _held_in_words(db: Connection, staff_id: int, now: datetime) -> str:
    """Say what an account holds instead."""
    rows = await list_grants(db, now=now, staff_id=staff_id)
    roles = "; ".join(f"{row['role']} of {row['unit'] or WHOLE_ORGANISATION}" for row in rows)
    return f"They are {roles}." if rows else "They hold no role."


async def lock_grants(db: Connection) -> None:
    """Wait for transactions that give, revoke or disable at this moment; others wait until the caller's has ended."""
    await db.execute(SQL["lock"])


@asynccontextmanager
async def keeping_an_administrator(db: Connection, now: datetime) -> AsyncIterator[None]:
    """Refuse the changes made in the context if they leave no administrator; one context runs at a time.

    Args:
        db: in a transaction.
        now: the time, aware.

    Raises:
        Conflict: there was an administrator before, and is none after.
    """
    await lock_grants(db)
    before = await count_administrators(db, now)
    yield
    if before and not await count_administrators(db, now):
        raise Conflict(
            "Then nobody would be administrator of the whole organisation.",
            remedy="First give it to somebody else, without an end: muster user grant EMAIL administrator",
        )


async def count_administrators(db: Connection | Pool, now: datetime) -> int:
    """Count the accounts that are administrators of the whole organisation with no end date."""
    count: int = await db.fetchval(SQL["count_administrators"], ADMINISTRATOR, now)
    return count


async def list_idle_grants(db: Connection | Pool, *, now: datetime) -> list[asyncpg.Record]:
    """List the grants in units that nobody is in any more: email, role and unit."""
    return await db.fetch(SQL["list_idle"], now)


async def list_grants(db: Connection | Pool, *, now: datetime, staff_id: int | None = None) -> list[asyncpg.Record]:
    """List the grants that have not ended.

    Args:
        db: a connection.
        now: the time, aware.
        staff_id: of one account; None for all.

    Returns:
        Each with staff_id, role, unit_id, unit (its path), starts_at, ends_at, given_by and given_at.
    """
    return await db.fetch(SQL["list_grants"], now, staff_id)


async def list_ended_grants(db: Connection, staff_id: int, *, now: datetime) -> list[asyncpg.Record]:
    """List the last grants of an account that have ended, or were revoked.

    Args:
        db: a connection.
        staff_id: whose.
        now: the time, aware.

    Returns:
        Each with role, unit (its path), ended_at and is_revoked, the newest end first.
    """
    return await db.fetch(SQL["list_ended"], staff_id, now)


async def require_authority(
    db: Connection,
    by: Actor,
    staff_id: int | None,
    unit_id: int | None,
    permissions: frozenset[Permission],
    *,
    now: datetime,
) -> None:
    """Refuse staff who decide about themselves, about units where they may not grant, or give permissions they lack.

    An operator may, but for an account whose mailbox they name themselves by; the first administrator of all is an
    exception, because there is nobody else to ask.

    Args:
        db: a connection.
        by: who decides; an operator at the server, and Muster itself, may.
        staff_id: about whom; None for somebody who has no account yet.
        unit_id: where; None for the whole organisation.
        permissions: the permissions they would get.
        now: the time, aware.

    Raises:
        Conflict: they may not decide that.
    """
    if by.kind is ActorKind.OPERATOR and staff_id is not None:
        themselves = await db.fetchval(SQL["is_mailbox_of"], staff_id, by.name.strip().lower())
        if themselves and await count_administrators(db, now):
            raise Conflict("Nobody changes their own grants.", remedy="Ask another administrator.")
    if by.kind in {ActorKind.OPERATOR, ActorKind.SYSTEM}:
        return
    if by.kind is not ActorKind.STAFF or by.actor_id == staff_id:
        raise Conflict("Nobody changes their own grants.", remedy="Ask another administrator.")
    if by.actor_id is not None:  # as they are now: a grant that was revoked while a page was open gives nothing
        by = replace(by, grants=await grants_of(db, by.actor_id, now))
    for permission in sorted({Permission.GRANT, *permissions} - await _given_unheld(db, by, unit_id)):
        if not await _covers(db, by.scope(permission), unit_id):
            raise Conflict(
                f"You lack the permission “{permission}” there, so you cannot give or take it.",
                remedy="Ask an administrator of the whole organisation.",
            )


async def _given_unheld(db: Connection, by: Actor, unit_id: int | None) -> frozenset[Permission]:
    """Return the permissions that an administrator of a unit may give there without holding them.

    Nobody who gives access sees vetting's findings, but somebody has to appoint the vetters.
    """
    administrator = replace(by, grants=tuple(grant for grant in by.grants if grant.role == ADMINISTRATOR))
    if not await _covers(db, administrator.scope(Permission.GRANT), unit_id):
        return frozenset()
    return frozenset(Permission) - ROLES[ADMINISTRATOR].permissions


async def _covers(db: Connection, scope: Scope, unit_id: int | None) -> bool:
    if scope.is_everywhere or unit_id is None:
        return scope.is_everywhere
    return bool(await db.fetchval(SQL["covers"], unit_id, list(scope.unit_ids)))


def _permission(by: Actor) -> Permission | None:
    return Permission.GRANT if by.kind is ActorKind.STAFF else None


def _detail(role: str, unit_id: int | None, starts_at: datetime, ends_at: datetime | None) -> dict[str, Any]:
    return {
        "role": role, "unit": unit_id, "from": starts_at.isoformat(), "until": ends_at.isoformat() if ends_at else None,
    }  # fmt: skip
