"""Codes of an authenticator app (RFC 6238): set up with a QR code, checked, and each accepted once."""

from __future__ import annotations

import hmac
import io
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import pyotp
import segno
import structlog
from pydantic import SecretStr

from core.db import Connection, load_queries
from core.secret_box import InvalidToken, SecretBox
from staff.typed_codes import read_typed_code

SQL: Final = load_queries(__file__)

STEP_SECONDS: Final = 30
"""Seconds for which an app shows one code."""
_DRIFT_STEPS: Final = (-1, 0, 1)
"""Steps around the present one that are accepted: phones are late, and so are people."""
_SET_UP_TIMEOUT: Final = timedelta(minutes=30)
_CODE: Final = re.compile(r"[0-9]{6}")

log = structlog.get_logger(__name__)


async def begin_totp(db: Connection, staff_id: int, session: UUID, *, keys: Sequence[SecretStr], now: datetime) -> None:
    """Make a secret for setting up an app; the secret in use stays in use until the new one is confirmed.

    Args:
        db: in a transaction that has locked the account.
        staff_id: whose.
        session: in which it is set up, and which alone sees it.
        keys: MUSTER_SECRET_KEY.
        now: the time, aware.
    """
    await db.execute(SQL["delete_replaced"], staff_id, session, now - _SET_UP_TIMEOUT)
    await db.execute(SQL["add_secret"], staff_id, session, _box(keys).encrypt(SecretStr(pyotp.random_base32())), now)


async def pending_secret(
    db: Connection, staff_id: int, session: UUID, *, keys: Sequence[SecretStr], now: datetime
) -> SecretStr | None:
    """Return the secret that is being set up in a session; None if there is none, or it is older than half an hour."""
    row = await db.fetchrow(SQL["find_unconfirmed"], staff_id, session, now - _SET_UP_TIMEOUT)
    return None if row is None else _open(row, keys)


def otpauth_uri(secret: str, *, email: str, issuer: str) -> str:
    """Return the address from which an app reads a secret."""
    # apps part issuer and name at a colon, and some read a slash as the end, also where they are escaped
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=" ".join(re.sub("[:/]", " ", issuer).split()))


def qr_code(uri: str) -> bytes:
    """Draw an address as a QR code, as SVG without styles."""
    picture = io.BytesIO()
    segno.make(uri, error="m").save(picture, kind="svg", scale=6, light="#fff", svgclass=None, lineclass=None)
    return picture.getvalue()


async def confirm_totp(
    db: Connection, staff_id: int, session: UUID, code: str, *, keys: Sequence[SecretStr], now: datetime
) -> bool:
    """Start to use the new secret if the code is right; the former secret no longer works.

    Args:
        db: in a transaction that has locked the account.
        staff_id: whose.
        session: in which it was made.
        code: as it was typed.
        keys: MUSTER_SECRET_KEY.
        now: the time, aware.
    """
    row = await db.fetchrow(SQL["find_unconfirmed"], staff_id, session, now - _SET_UP_TIMEOUT)
    step = None if row is None else _step_of(row, code, keys, now)
    if row is None or step is None:
        return False
    await db.execute(SQL["delete_confirmed"], staff_id)
    await db.execute(SQL["confirm"], row["totp_id"], now, step)
    await db.execute(SQL["delete_unconfirmed"], staff_id)  # set-ups that other sessions had begun
    return True


async def accept_totp(db: Connection, staff_id: int, code: str, *, keys: Sequence[SecretStr], now: datetime) -> bool:
    """Accept a code, once; return whether it was right.

    Args:
        db: in the transaction that lets them in.
        staff_id: whose.
        code: as it was typed.
        keys: MUSTER_SECRET_KEY.
        now: the time, aware.
    """
    row = await db.fetchrow(SQL["find_confirmed"], staff_id)
    step = None if row is None else _step_of(row, code, keys, now)
    if row is None or step is None:
        return False
    return await db.fetchval(SQL["use_step"], row["totp_id"], step) is not None


async def has_totp(db: Connection, staff_id: int) -> bool:
    """Tell whether an app is set up."""
    return await db.fetchrow(SQL["find_confirmed"], staff_id) is not None


async def delete_totp_in_use(db: Connection, staff_id: int) -> bool:
    """Delete the secret in use; return whether there was one."""
    return bool(await db.execute(SQL["delete_confirmed"], staff_id) != "DELETE 0")


async def delete_totp(db: Connection, staff_id: int) -> bool:
    """Delete all secrets of an account; return whether one was in use."""
    await db.execute(SQL["delete_unconfirmed"], staff_id)
    return await delete_totp_in_use(db, staff_id)


async def delete_unconfirmed(db: Connection, *, now: datetime) -> None:
    """Delete secrets whose set-up was not finished."""
    await db.execute(SQL["delete_old_unconfirmed"], now - _SET_UP_TIMEOUT)


async def renew_secrets(db: Connection, *, keys: Sequence[SecretStr]) -> int:
    """Encrypt the secrets of apps with the newest key, so that the former one can be removed; return how many were not.

    Args:
        db: a connection.
        keys: MUSTER_SECRET_KEY.
    """
    box, renewed = _box(keys), 0
    for row in await db.fetch(SQL["list_secrets"]):
        if secret := box.renew(row["secret"]):
            await db.execute(SQL["renew_secret"], row["totp_id"], row["secret"], secret)
            renewed += 1
    return renewed


def _step_of(row: asyncpg.Record, code: str, keys: Sequence[SecretStr], now: datetime) -> int | None:
    """Return the time step that a code belongs to, if it is later than the last accepted one."""
    typed, secret = read_typed_code(code), _open(row, keys)
    if secret is None or not _CODE.fullmatch(typed):
        return None
    totp, present = pyotp.TOTP(secret.get_secret_value()), int(now.timestamp()) // STEP_SECONDS
    fitting = [
        present + drift
        for drift in _DRIFT_STEPS
        if hmac.compare_digest(totp.at((present + drift) * STEP_SECONDS), typed)
    ]  # all are compared, so that the time it takes tells nothing
    return next((step for step in fitting if step > row["last_step"]), None)


def _open(row: asyncpg.Record, keys: Sequence[SecretStr]) -> SecretStr | None:
    try:
        return _box(keys).decrypt(row["secret"])
    except InvalidToken:
        log.warning("an authenticator app's secret does not open with MUSTER_SECRET_KEY", totp_id=row["totp_id"])
        return None


def _box(keys: Sequence[SecretStr]) -> SecretBox:
    return SecretBox(keys, "authenticator apps")
