"""Second factor: set up, proven in a session, asked for afresh before what matters, and reset by somebody else.

A code of an app, a recovery code or a passkey proves it. Whoever has none yet sets one up; whoever has one needs it to
change anything about it, so that a stolen link or an open browser does not replace it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from core.access import Actor
from core.alerts import raise_alert, resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, atomic, load_queries
from core.errors import Conflict, NotFound
from core.settings import Settings
from staff import passkeys
from staff.account_messages import News, queue_news
from staff.backoff import ALL_CODES, CODES, PASSKEYS, TooManyTries, forget_tries, take_try
from staff.grants import require_authority
from staff.passkeys import (
    ChallengePurpose,
    Site,
    accept_passkey,
    drop_passkeys,
    find_passkey_number,
    list_passkeys,
    take_challenge,
)
from staff.recovery_codes import count_recovery_codes, drop_recovery_codes, make_recovery_codes, use_recovery_code
from staff.sessions import Device, Staff, end_others, end_session, note_second_factor, open_session
from staff.totp import accept_totp, begin_totp, confirm_totp, drop_totp, has_totp

SQL: Final = load_queries(__file__)

FRESH_TIME: Final = timedelta(minutes=10)
"""How long a proof is fresh enough to launch, export, approve, make keys or grant."""
_CODE_LENGTH: Final = 6


@dataclass(frozen=True, slots=True)
class Proof:
    """Outcome of proving a second factor, or of setting one up.

    Attributes:
        token: the session's new token; the one before has proven nothing.
        recovery_codes: new ones, to be shown once; empty if there are some already.
    """

    token: str
    recovery_codes: tuple[str, ...] = ()


def is_fresh(session: Staff, now: datetime) -> bool:
    """Return whether a second factor was proven in this session in the last ten minutes.

    Args:
        session: who is signed in.
        now: the time, aware.
    """
    return session.second_factor_at is not None and now - session.second_factor_at < FRESH_TIME


def may_set_up(session: Staff, now: datetime) -> bool:
    """Return whether second factors may be set up or changed: the first without more ado, others with a fresh proof."""
    return not session.has_second_factor or is_fresh(session, now)


async def prove_by_code(
    db: Connection, session: Staff, token: str, code: str, *, settings: Settings, came_from: str, now: datetime
) -> Proof | None:
    """Prove the second factor by a code of the app, or by a recovery code.

    Args:
        db: outside any transaction.
        session: who is signed in.
        token: the session's.
        code: as it was typed.
        settings: have MUSTER_SECRET_KEY, and what the mail to the owner needs.
        came_from: network of the browser.
        now: the time, aware.

    Returns:
        None if the code is wrong, was used before, or the session has just changed.

    Raises:
        TooManyTries: they have to wait.
    """
    is_recovery = sum(char.isalnum() for char in code) > _CODE_LENGTH
    await take_try(db, CODES, f"{session.staff_id} {came_from}", now=now)
    if not is_recovery:  # nobody guesses 80 bits, and these are the way in where the app's codes are slowed down
        try:
            await take_try(db, ALL_CODES, f"{session.staff_id}", now=now)
        except TooManyTries:
            await raise_alert(
                db,
                key=f"codes:{session.staff_id}",
                severity="warning",
                title=f"Somebody is guessing codes of {session.email}, after signing in by a link of theirs.",
                remedy="Their mailbox may be in the wrong hands. Ask them, and end what is open with:"
                f" muster user sign-out {session.email}",
            )
            raise
    actor, subject = session.actor(came_from), f"staff {session.staff_id}"
    async with db.transaction():
        await db.execute(SQL["lock_account"], session.staff_id)
        if is_recovery:
            good = await use_recovery_code(db, session.staff_id, code, now=now)
        else:
            good = await accept_totp(db, session.staff_id, code, keys=settings.secret_key, now=now)
        if not good:
            await record(db, actor, AuditAction.STAFF_SECOND_FACTOR_FAILED, subject, {"by": "code"}, at=now)
            return None
        if is_recovery:
            left = await count_recovery_codes(db, session.staff_id)
            await record(db, actor, AuditAction.STAFF_RECOVERY_CODE_USED, subject, {"left": left}, at=now)
            await _tell(db, settings, session, News.RECOVERY_CODE_USED, came_from, now)
        proof = await _proven(db, session, token, "recovery code" if is_recovery else "app", came_from, now)
    await forget_tries(db, CODES, f"{session.staff_id} {came_from}")
    await forget_tries(db, ALL_CODES, f"{session.staff_id}")
    await resolve_alert(db, f"codes:{session.staff_id}")
    return proof


async def prove_by_passkey(
    db: Connection, site: Site, session: Staff, token: str, answer: Mapping[str, Any], *, came_from: str, now: datetime
) -> Proof | None:
    """Prove the second factor by a passkey of the account.

    Args:
        db: outside any transaction.
        site: ours.
        session: who is signed in.
        token: the session's.
        answer: what the browser sent.
        came_from: network of the browser.
        now: the time, aware.
    """
    if not await take_challenge(db, answer, ChallengePurpose.PROVE, now=now, session=session.session):
        return None
    async with db.transaction():
        await db.execute(SQL["lock_account"], session.staff_id)
        if await accept_passkey(db, site, answer, now=now) != session.staff_id:
            raise NotFound("That passkey is not one of this account.", remedy="Use another one.")
        return await _proven(db, session, token, "passkey", came_from, now)


async def sign_in_by_passkey(
    db: Connection, site: Site, answer: Mapping[str, Any], *, device: Device, replaces: str | None, now: datetime
) -> str | None:
    """Sign the owner of a passkey in: it is both factors.

    Args:
        db: outside any transaction.
        site: ours.
        answer: what the browser sent.
        device: the browser.
        replaces: the session token it held until now, which ends.
        now: the time, aware.

    Returns:
        The session's token; None if the answer is not in order.

    Raises:
        TooManyTries: there were too many in the name of this passkey, and they have to wait.
    """
    if not await take_challenge(db, answer, ChallengePurpose.SIGN_IN, now=now):
        return None
    passkey_id = await find_passkey_number(db, answer)
    if passkey_id is None:
        return None
    await take_try(db, PASSKEYS, f"{passkey_id} {device.came_from}", now=now)
    async with db.transaction():
        staff_id = await accept_passkey(db, site, answer, now=now)
        if staff_id is None:
            return None
        token = await open_session(db, staff_id, now=now, device=device, is_proven=True)
        await forget_tries(db, PASSKEYS, f"{passkey_id} {device.came_from}")
    if replaces is not None:  # in a transaction of its own: two accounts locked in one could wait for each other
        await end_session(db, replaces, now=now, came_from=device.came_from)
    return token


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
    """Take the app into use that shows the code; None if it is wrong.

    With the first factor of an account its other sessions end, and its owner is told by mail.

    Raises:
        Conflict: there is a second factor, which must be proven first.
        TooManyTries: they have to wait.
    """
    await take_try(db, CODES, f"{session.staff_id} {came_from}", now=now)
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        is_first = not await has_second_factor(db, session.staff_id)
        if not await confirm_totp(db, session.staff_id, session.session, code, keys=settings.secret_key, now=now):
            return None
        actor, subject = session.actor(came_from), f"staff {session.staff_id}"
        await record(db, actor, AuditAction.STAFF_TOTP_ADDED, subject, {"first": is_first}, at=now)
        ended = await _end_others(db, session, came_from, now) if is_first else 0
        proof = await _set_up(db, session, token, "app", came_from, now)
        await _tell(db, settings, session, News.APP_ADDED, came_from, now, ended)
    await forget_tries(db, CODES, f"{session.staff_id} {came_from}")
    return proof


async def passkey_options(db: Connection, site: Site, session: Staff, *, now: datetime) -> str:
    """Make what a browser needs to set up a passkey, as JSON.

    Raises:
        Conflict: there is a second factor, which must be proven first.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        return await passkeys.registration_options(db, site, session.staff_id, session=session.session, now=now)


async def add_passkey(
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
        await _tell(db, settings, session, News.PASSKEY_ADDED, device.came_from, now, ended)
        return proof


async def remove_passkey(
    db: Connection, session: Staff, passkey_id: int, *, settings: Settings, came_from: str, now: datetime
) -> bool:
    """Remove a passkey of the account; return whether it had it.

    Raises:
        Conflict: a second factor must be proven first.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        if await passkeys.remove_passkey(db, session.staff_id, passkey_id) is None:
            return False
        await record(
            db, session.actor(came_from), AuditAction.STAFF_PASSKEY_REMOVED, f"staff {session.staff_id}",
            {"passkey": passkey_id}, at=now,
        )  # fmt: skip
        await _tell(db, settings, session, News.PASSKEY_REMOVED, came_from, now)
        if not await has_second_factor(db, session.staff_id):
            await drop_recovery_codes(db, session.staff_id)  # they stand in for a factor that there is no longer
        return True


async def renew_recovery_codes(
    db: Connection, session: Staff, *, settings: Settings, came_from: str, now: datetime
) -> list[str]:
    """Make new recovery codes, to be shown once; those of before work no longer.

    Raises:
        Conflict: a second factor must be proven first, or there is none.
    """
    async with db.transaction():
        await _lock_to_set_up(db, session, now)
        if not await has_second_factor(db, session.staff_id):
            raise Conflict("There is no second factor yet.", remedy="Set one up first.")
        await _tell(db, settings, session, News.RECOVERY_CODES_MADE, came_from, now)
        return await _new_codes(db, session, came_from, now)


async def has_second_factor(db: Connection, staff_id: int) -> bool:
    """Return whether an account has an app or a passkey set up."""
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
        Conflict: it is their own, or not for them to decide.
    """
    if by.actor_id == staff_id:
        raise Conflict("Nobody resets their own second factors.", remedy="Ask another administrator.")
    async with atomic(db):
        await require_authority(db, by, staff_id, None, frozenset(), now=now)
        await db.execute(SQL["lock_account"], staff_id)
        removed = {
            "apps": int(await drop_totp(db, staff_id)),
            "passkeys": await drop_passkeys(db, staff_id),
            "recovery_codes": await count_recovery_codes(db, staff_id),
        }
        await drop_recovery_codes(db, staff_id)
        removed["sessions"] = await end_others(db, staff_id, but=None, by=by, now=now)
        await record(db, by, AuditAction.STAFF_SECOND_FACTORS_RESET, f"staff {staff_id}", removed, at=now)
        return removed


async def _lock_to_set_up(db: Connection, session: Staff, now: datetime) -> None:
    """Lock the account, and refuse where a second factor is to be proven first, as it is now."""
    await db.execute(SQL["lock_account"], session.staff_id)
    if not is_fresh(session, now) and await has_second_factor(db, session.staff_id):
        raise Conflict("Your second factor must be proven first.", remedy="Enter a code, or use your passkey.")


async def _set_up(db: Connection, session: Staff, token: str, what: str, came_from: str, now: datetime) -> Proof:
    """Make recovery codes where there are none, and note that the factor was proven with its set-up."""
    codes = [] if await count_recovery_codes(db, session.staff_id) else await _new_codes(db, session, came_from, now)
    proof = await _proven(db, session, token, what, came_from, now)
    return Proof(proof.token, tuple(codes))


async def _end_others(db: Connection, session: Staff, came_from: str, now: datetime) -> int:
    """End the account's other sessions with its first factor: until now a link was enough to open one."""
    return await end_others(
        db, session.staff_id, but=session.session, by=session.actor(came_from), now=now
    )  # fmt: skip


async def _tell(
    db: Connection, settings: Settings, session: Staff, news: News, came_from: str, now: datetime, signed_out: int = 0
) -> None:
    """Tell the account's owner by mail; whoever did it in their place cannot keep it from them."""
    await queue_news(
        db, settings, news, address=session.email, name=session.name, came_from=came_from, now=now,
        signed_out=signed_out,
    )  # fmt: skip


async def _new_codes(db: Connection, session: Staff, came_from: str, now: datetime) -> list[str]:
    codes = await make_recovery_codes(db, session.staff_id, now=now)
    await record(
        db, session.actor(came_from), AuditAction.STAFF_RECOVERY_CODES_MADE, f"staff {session.staff_id}",
        {"codes": len(codes)}, at=now,
    )  # fmt: skip
    return codes


async def _proven(db: Connection, session: Staff, token: str, what: str, came_from: str, now: datetime) -> Proof:
    """Note the proof in the session.

    Raises:
        Conflict: another request has just changed the session's token; nothing is used up.
    """
    renewed = await note_second_factor(db, token, now=now)
    if renewed is None:
        raise Conflict("This page was opened twice, and the session has just changed.", remedy="Try again.")
    await record(
        db, session.actor(came_from), AuditAction.STAFF_SECOND_FACTOR_PROVEN, f"staff {session.staff_id}",
        {"by": what}, at=now,
    )  # fmt: skip
    return Proof(renewed)
