"""Accounts of staff for tests, with their grants, sessions and second factors."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pyotp
from pydantic import SecretStr

from core.db import Connection
from core.settings import Settings
from muster.operator import operator
from staff.accounts import add_staff
from staff.grants import give_grant
from staff.second_factor import begin_app, confirm_app
from staff.sessions import Device, Staff, admit_session
from staff.sign_in import make_sign_in_link, use_link
from staff.totp import pending_secret

EVERYDAY_ROLE: Final = "campaigner"
"""Role that opens every page of the console by a link alone: it needs no second factor."""
BY: Final = operator("olga")
KEYS: Final = (SecretStr("a quiet river of nine green otters at dawn"),)
SETTINGS: Final = Settings().model_copy(
    update={"secret_key": KEYS, "organisation": "The Union", "public_url": "https://muster.union.test"}
)
NETWORK: Final = "192.0.2.0/24"


async def add_account(db: Connection, email: str, *roles: str, now: datetime, unit: int | None = None) -> int:
    """Add an account with roles; return its number."""
    row = await add_staff(db, email, email.partition("@")[0].capitalize(), by=BY, now=now)
    assert row is not None
    for role in roles:
        await give_grant(db, row["staff_id"], role, by=BY, now=now, unit_id=unit)
    staff_id: int = row["staff_id"]
    return staff_id


async def sign_in(db: Connection, email: str, *, now: datetime, browser: str = "Firefox on Windows") -> str:
    """Sign somebody in by a link; return the session's token."""
    path = await make_sign_in_link(db, email=email, now=now, by=BY)
    token = await use_link(db, path.rpartition("/")[2], now=now, device=Device(browser, NETWORK))
    assert token is not None
    return token


async def who(db: Connection, token: str, *, now: datetime) -> Staff:
    """Who is signed in with a token."""
    admission = await admit_session(db, token, now=now, opens_page=False)
    assert admission is not None
    return admission.staff


async def set_up_app(db: Connection, token: str, *, now: datetime) -> tuple[pyotp.TOTP, str, tuple[str, ...]]:
    """Set up an authenticator app; return it, the session's new token, and the recovery codes."""
    staff = await who(db, token, now=now)
    await begin_app(db, staff, keys=KEYS, now=now)
    secret = await pending_secret(db, staff.staff_id, staff.session, keys=KEYS, now=now)
    assert secret is not None
    app = pyotp.TOTP(secret.get_secret_value())
    proof = await confirm_app(db, staff, token, app.at(now), settings=SETTINGS, came_from=NETWORK, now=now)
    assert proof is not None
    return app, proof.token, proof.recovery_codes
