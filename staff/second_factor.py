"""Second factor: set up, changed, removed by its owner, and reset by somebody else.

An account without a second factor sets one up without further proof. Changing an existing factor takes a proof of it
first, so that a stolen link or an open browser cannot replace it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from core.access import Actor
from core.alerts import resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, atomic
from core.errors import Conflict
from core.settings import Settings
from staff import passkeys
from staff.account_messages import AccountNotice
from staff.accounts import lock_account
from staff.backoff import CODES, delete_tries, take_try
from staff.grants import require_authority
from staff.passkeys import ChallengePurpose, Site, delete_passkeys, host_of, list_passkeys, take_challenge
from staff.recovery_codes import count_recovery_codes, delete_recovery_codes, make_recovery_codes
from staff.second_factor_check import Proof, is_fresh, note_proof, tell_owner
from staff.sessions import Device, Staff, empty_proofs, end_others
from staff.totp import begin_totp, confirm_totp, delete_totp, delete_totp_in_use, has_totp


class LastFactor(Conflict):
    """The factor cannot be removed: a role needs one, and this is the last."""


def may_set_up(session: Staff, now: datetime) -> bool:
    """Tell whether second factors may be set up or changed: the first without a proof, others with a fresh proof."""
    return not session.has_second_factor or is_fresh(session, now)


async def begin_app(db: Connection, session: Staff, *, keys: Sequence[SecretStr], now: datetime) -> None:
    """Make the secret for an authenticator app.

    Raises:
        Conflict: there is a second factor, which must be proven first.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        await begin_totp(db, session.staff_id, session.session, keys=keys, now=now)


async def confirm_app(
    db: Connection, session: Staff, token: str, code: str, *, settings: Settings, came_from: str, now: datetime
) -> Proof | None:
    """Confirm the app that shows the code; None if the code is wrong.

    With the first factor of an account its other sessions end, and its owner is told by mail.

    Raises:
        Conflict: there is a second factor, which must be proven first.
        TooManyTries: they have to wait.
    """
    await take_try(db, CODES, f"{session.staff_id} {came_from}", now=now)
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        actor, subject = session.actor(came_from), f"staff {session.staff_id}"
        is_first = not await has_second_factor(db, session.staff_id)
        if not await confirm_totp(db, session.staff_id, session.session, code, keys=settings.secret_key, now=now):
            await record(db, actor, AuditAction.STAFF_SECOND_FACTOR_FAILED, subject, {"by": "new app"}, at=now)
            return None
        await record(db, actor, AuditAction.STAFF_TOTP_ADDED, subject, {"first": is_first}, at=now)
        ended = await _end_others(db, session, came_from, now) if is_first else 0
        proof = await _set_up(db, session, token, "app", came_from, now)
        await tell_owner(db, settings, session, AccountNotice.APP_ADDED, came_from, now, ended)
    await delete_tries(db, CODES, f"{session.staff_id} {came_from}")
    return proof


async def passkey_options(db: Connection, site: Site, session: Staff, *, now: datetime) -> str:
    """Make what a browser needs to set up a passkey, as JSON.

    Raises:
        Conflict: there is a second factor, which must be proven first.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        return await passkeys.registration_options(db, site, session.staff_id, session=session.session, now=now)


async def set_up_passkey(
    db: Connection,
    site: Site,
    session: Staff,
    token: str,
    answer: Mapping[str, Any],
    *,
    settings: Settings,
    device: Device,
    now: datetime,
) -> Proof | None:
    """Add the passkey that a browser has made; None if its answer is not in order.

    Raises:
        Conflict: there is a second factor, which must be proven first.
    """
    if not await take_challenge(db, answer, ChallengePurpose.REGISTER, now=now, session=session.session):
        return None
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        is_first = not await has_second_factor(db, session.staff_id)
        passkey_id = await passkeys.add_passkey(db, site, session.staff_id, answer, name=device.browser, now=now)
        if passkey_id is None:
            return None
        await record(
            db, session.actor(device.came_from), AuditAction.STAFF_PASSKEY_ADDED, f"staff {session.staff_id}",
            {"passkey": passkey_id, "first": is_first}, at=now,
        )  # fmt: skip
        ended = await _end_others(db, session, device.came_from, now) if is_first else 0
        proof = await _set_up(db, session, token, "passkey", device.came_from, now)
        await tell_owner(db, settings, session, AccountNotice.PASSKEY_ADDED, device.came_from, now, ended)
        return proof


async def remove_passkey(
    db: Connection, session: Staff, passkey_id: int, *, settings: Settings, came_from: str, now: datetime
) -> bool:
    """Remove a passkey of the account; return whether it had it.

    Raises:
        Conflict: a second factor must be proven first.
        LastFactor: a role of theirs needs one, and there is no other.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        if await passkeys.delete_passkey(db, session.staff_id, passkey_id) is None:
            return False
        await resolve_alert(db, f"passkey:{passkey_id}")  # about the possible copy
        await record(
            db, session.actor(came_from), AuditAction.STAFF_PASSKEY_REMOVED, f"staff {session.staff_id}",
            {"passkey": passkey_id}, at=now,
        )  # fmt: skip
        await tell_owner(db, settings, session, AccountNotice.PASSKEY_REMOVED, came_from, now)
        await _without_last(db, session, settings)
        return True


async def remove_app(db: Connection, session: Staff, *, settings: Settings, came_from: str, now: datetime) -> bool:
    """Remove the authenticator app of the account; return whether it had one.

    Raises:
        Conflict: a second factor must be proven first.
        LastFactor: a role of theirs needs one, and there is no other.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        if not await delete_totp_in_use(db, session.staff_id):
            return False
        await record(db, session.actor(came_from), AuditAction.STAFF_TOTP_REMOVED, f"staff {session.staff_id}", at=now)
        await tell_owner(db, settings, session, AccountNotice.APP_REMOVED, came_from, now)
        await _without_last(db, session, settings)
        return True


async def renew_recovery_codes(
    db: Connection, session: Staff, *, settings: Settings, came_from: str, now: datetime
) -> list[str]:
    """Make new recovery codes, to be shown once; the former codes no longer work.

    Raises:
        Conflict: a second factor must be proven first, or there is none.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        if not await has_second_factor(db, session.staff_id):
            raise Conflict("There is no second factor yet.", remedy="Set one up first.")
        await tell_owner(db, settings, session, AccountNotice.RECOVERY_CODES_MADE, came_from, now)
        return await _new_codes(db, session, came_from, now)


async def has_second_factor(db: Connection, staff_id: int) -> bool:
    """Tell whether an account has an app or a passkey set up."""
    return await has_totp(db, staff_id) or bool(await list_passkeys(db, staff_id))


async def reset_second_factors(db: Connection, staff_id: int, *, by: Actor, now: datetime) -> dict[str, int]:
    """Remove all second factors of somebody who has lost them, and end their sessions, with a note in the audit.

    Args:
        db: in the caller's transaction, which also queues the messages that tell them.
        staff_id: whose.
        by: who does it: an administrator of the whole organisation, or an operator; nobody resets their own.
        now: the time, aware.

    Returns:
        What was removed: `apps`, `passkeys`, `recovery_codes`, and `sessions` that ended.

    Raises:
        Conflict: the account is their own, or they may not decide about it.
    """
    if by.actor_id == staff_id:
        raise Conflict("Nobody resets their own second factors.", remedy="Ask another administrator.")
    async with atomic(db):
        await require_authority(db, by, staff_id, None, frozenset(), now=now)
        await lock_account(db, staff_id)
        for row in await list_passkeys(db, staff_id):
            await resolve_alert(db, f"passkey:{row['passkey_id']}")
        removed = {
            "apps": int(await delete_totp(db, staff_id)),
            "passkeys": await delete_passkeys(db, staff_id),
            "recovery_codes": await count_recovery_codes(db, staff_id),
        }
        await delete_recovery_codes(db, staff_id)
        removed["sessions"] = await end_others(db, staff_id, but=None, by=by, now=now)
        await record(db, by, AuditAction.STAFF_SECOND_FACTORS_RESET, f"staff {staff_id}", removed, at=now)
        return removed


async def _lock_to_set_up(db: Connection, session: Staff, now: datetime) -> None:
    """Lock the account, read it again, and refuse if a second factor must be proven first."""
    await lock_account(db, session.staff_id)
    if not is_fresh(session, now) and await has_second_factor(db, session.staff_id):
        raise Conflict("Your second factor must be proven first.", remedy="Enter a code, or use your passkey.")


async def _set_up(db: Connection, session: Staff, token: str, what: str, came_from: str, now: datetime) -> Proof:
    """Make recovery codes if there are none, and record that the factor was proven by setting it up."""
    codes = [] if await count_recovery_codes(db, session.staff_id) else await _new_codes(db, session, came_from, now)
    proof = await note_proof(db, session, token, what, came_from, now)
    return Proof(proof.token, tuple(codes))


async def _without_last(db: Connection, session: Staff, settings: Settings) -> None:
    """Delete recovery codes and proofs if the last factor that works has just been removed.

    Raises:
        LastFactor: a role of theirs needs one; nothing is removed.
    """
    theirs = await list_passkeys(db, session.staff_id, host=host_of(settings.public_url))
    if any(row["works"] for row in theirs) or await has_totp(db, session.staff_id):
        return
    if session.needs_second_factor:
        raise LastFactor("Your role needs a second factor, and this is the last one.", remedy="First set up another.")
    await delete_passkeys(db, session.staff_id)  # those that no longer work would still be asked for
    await delete_recovery_codes(db, session.staff_id)  # they replace a factor, and there is none any more
    await empty_proofs(db, session.staff_id)


async def _end_others(db: Connection, session: Staff, came_from: str, now: datetime) -> int:
    """End the account's other sessions with its first factor: until now a link was enough to open one."""
    return await end_others(db, session.staff_id, but=session.session, by=session.actor(came_from), now=now)


async def _new_codes(db: Connection, session: Staff, came_from: str, now: datetime) -> list[str]:
    codes = await make_recovery_codes(db, session.staff_id, now=now)
    await record(
        db, session.actor(came_from), AuditAction.STAFF_RECOVERY_CODES_MADE, f"staff {session.staff_id}",
        {"codes": len(codes)}, at=now,
    )  # fmt: skip
    return codes
