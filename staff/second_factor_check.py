"""Proofs of a second factor: by a code of the app, a recovery code or a passkey; fresh for ten minutes.

Each proof counts once, for its account and session. Failed tries are in the audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from core.access import Actor, ActorKind
from core.alerts import raise_alert, resolve_alert
from core.audit import AuditAction, record
from core.db import Connection
from core.errors import Conflict, NotFound
from core.settings import Settings
from staff.account_messages import AccountNotice, queue_notice
from staff.accounts import lock_account
from staff.backoff import ALL_CODES, CODES, PASSKEYS, TooManyTries, delete_tries, take_try
from staff.passkeys import (
    ChallengePurpose,
    PasskeyAnswer,
    Site,
    accept_passkey,
    find_passkey_number,
    take_challenge,
)
from staff.recovery_codes import count_recovery_codes, use_recovery_code
from staff.sessions import Device, Staff, end_others, end_session, note_second_factor, open_staff_session
from staff.totp import accept_totp
from staff.typed_codes import read_typed_code

FRESH_TIME: Final = timedelta(minutes=10)
"""How long a proof is fresh enough to launch, export, approve, make keys or grant."""
_CODE_LENGTH: Final = 6


@dataclass(frozen=True, slots=True)
class Proof:
    """Outcome of proving a second factor, or of setting one up.

    Attributes:
        token: the session's new token; the old token carries no proof.
        recovery_codes: new ones, to be shown once; empty if there are some already.
    """

    token: str
    recovery_codes: tuple[str, ...] = ()


def is_fresh(session: Staff, now: datetime) -> bool:
    """Tell whether a second factor was proven in this session in the last ten minutes.

    Args:
        session: who is signed in.
        now: the time, aware.
    """
    return session.second_factor_at is not None and now - session.second_factor_at < FRESH_TIME


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
    is_recovery = len(read_typed_code(code)) > _CODE_LENGTH
    await take_try(db, CODES, f"{session.staff_id} {came_from}", now=now)
    if not is_recovery:  # nobody guesses 80 bits; these let owners in while codes wait
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
        await lock_account(db, session.staff_id)
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
            await tell_owner(db, settings, session, AccountNotice.RECOVERY_CODE_USED, came_from, now)
        proof = await note_proof(db, session, token, "recovery code" if is_recovery else "app", came_from, now)
    await delete_tries(db, CODES, f"{session.staff_id} {came_from}")
    await delete_tries(db, ALL_CODES, f"{session.staff_id}")
    await resolve_alert(db, f"codes:{session.staff_id}")
    return proof


async def prove_by_passkey(
    db: Connection,
    site: Site,
    session: Staff,
    token: str,
    answer: Mapping[str, Any],
    *,
    settings: Settings,
    came_from: str,
    now: datetime,
) -> Proof | None:
    """Prove the second factor by a passkey of the account.

    Args:
        db: outside any transaction.
        site: ours.
        session: who is signed in.
        token: the session's.
        answer: what the browser sent.
        settings: have what the mail to the owner needs.
        came_from: network of the browser.
        now: the time, aware.

    Returns:
        None if the answer is not in order.

    Raises:
        NotFound: it is the passkey of another account.
        TooManyTries: there were too many in the name of this passkey, and they have to wait.
    """
    if not await take_challenge(db, answer, ChallengePurpose.PROVE, now=now, session=session.session):
        return None
    tries = await _take_passkey_try(db, answer, came_from, now)
    if tries is None:
        return None
    async with db.transaction():
        await lock_account(db, session.staff_id)
        answered = await accept_passkey(db, site, answer, now=now)
        if answered is None:
            return None
        if not answered.is_good:
            await _note_refused(db, settings, answered, session.actor(came_from), now)
            return None
        if answered.staff_id != session.staff_id:
            raise NotFound("That passkey is not one of this account.", remedy="Use another one.")
        await delete_tries(db, PASSKEYS, tries)
        return await note_proof(db, session, token, "passkey", came_from, now)


async def sign_in_by_passkey(
    db: Connection,
    site: Site,
    answer: Mapping[str, Any],
    *,
    settings: Settings,
    device: Device,
    replaces: str | None,
    now: datetime,
) -> str | None:
    """Sign in the owner of a passkey, which is both factors at once.

    Args:
        db: outside any transaction.
        site: ours.
        answer: what the browser sent.
        settings: have what the mail to the owner needs.
        device: the browser.
        replaces: the session token that the browser held until now; that session ends.
        now: the time, aware.

    Returns:
        The session's token; None if the answer is not in order.

    Raises:
        TooManyTries: there were too many in the name of this passkey, and they have to wait.
    """
    if not await take_challenge(db, answer, ChallengePurpose.SIGN_IN, now=now):
        return None
    tries = await _take_passkey_try(db, answer, device.came_from, now)
    if tries is None:
        return None
    async with db.transaction():
        answered = await accept_passkey(db, site, answer, now=now)
        if answered is None:
            return None
        if not answered.is_good:
            by = Actor(ActorKind.SYSTEM, "sign-in page", None, device.came_from)
            await _note_refused(db, settings, answered, by, now)
            return None
        token = await open_staff_session(db, answered.staff_id, now=now, device=device, is_proven=True)
        await delete_tries(db, PASSKEYS, tries)
    if replaces is not None:  # in a transaction of its own: two accounts locked in one could wait for each other
        await end_session(db, replaces, now=now, came_from=device.came_from)
    return token


async def tell_owner(
    db: Connection,
    settings: Settings,
    session: Staff,
    notice: AccountNotice,
    came_from: str,
    now: datetime,
    signed_out: int = 0,
) -> None:
    """Tell the account's owner by mail, so that an intruder cannot hide the change from them.

    Args:
        db: in the transaction that does it.
        settings: have what the mail needs.
        session: the owner's session, or a record with its fields.
        notice: what was done.
        came_from: network of the browser.
        now: the time, aware.
        signed_out: how many other sessions ended with it.
    """
    await queue_notice(
        db, settings, notice, address=session.email, name=session.name, came_from=came_from, now=now,
        signed_out=signed_out,
    )  # fmt: skip


async def note_proof(db: Connection, session: Staff, token: str, what: str, came_from: str, now: datetime) -> Proof:
    """Record in the session, and in the audit, that a second factor was proven.

    Args:
        db: in a transaction that has locked the account.
        session: who is signed in.
        token: the session's.
        what: the factor that proved it.
        came_from: network of the browser.
        now: the time, aware.

    Raises:
        Conflict: another request has just changed the session's token; no code or challenge is used up.
    """
    renewed = await note_second_factor(db, token, now=now)
    if renewed is None:
        raise Conflict("This page was opened twice, and the session has just changed.", remedy="Try again.")
    await record(
        db, session.actor(came_from), AuditAction.STAFF_SECOND_FACTOR_PROVEN, f"staff {session.staff_id}",
        {"by": what}, at=now,
    )  # fmt: skip
    return Proof(renewed)


async def _take_passkey_try(db: Connection, answer: Mapping[str, Any], came_from: str, now: datetime) -> str | None:
    """Count a try in the name of a passkey; return the key of the count, or None if we do not know the passkey."""
    passkey_id = await find_passkey_number(db, answer)
    if passkey_id is None:
        return None
    tries = f"{passkey_id} {came_from}"
    await take_try(db, PASSKEYS, tries, now=now)
    return tries


async def _note_refused(db: Connection, settings: Settings, answered: PasskeyAnswer, by: Actor, now: datetime) -> None:
    """Record that a passkey was refused; if there is a copy of it, sign its owner out, and tell them and the staff."""
    subject, detail = f"staff {answered.staff_id}", {"passkey": answered.passkey_id}
    if not answered.is_copied:
        failed = AuditAction.STAFF_SECOND_FACTOR_FAILED
        await record(db, by, failed, subject, {"by": "passkey", **detail}, at=now)
        return
    await record(db, by, AuditAction.STAFF_PASSKEY_COPIED, subject, detail, at=now)
    await end_others(db, answered.staff_id, but=None, by=by, now=now)  # one of the sessions may be the copy's
    await raise_alert(
        db,
        key=f"passkey:{answered.passkey_id}",
        severity="warning",
        title=f"There may be a copy of a passkey of {answered.email}: it is refused, and they were signed out.",
        remedy="Ask them. They sign in by a link and another factor or a recovery code, remove that passkey under “Your"
        f" account”, and make another. If they have neither: muster user reset {answered.email}",
    )
    await queue_notice(
        db, settings, AccountNotice.PASSKEY_COPIED, address=answered.email, name=answered.name,
        came_from=by.came_from, now=now, signed_out=1,
    )  # fmt: skip
