"""Staff with second factors, and what they do with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from core.db import Connection
from staff.passkeys import Site, authentication_options
from staff.second_factor import (
    passkey_options,
    set_up_passkey,
)
from staff.second_factor_check import prove_by_code, sign_in_by_passkey
from staff.sessions import Device
from tests.support.passkey_device import PasskeyDevice
from tests.support.staff_accounts import NETWORK, SETTINGS, who

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SITE = Site("https://muster.union.test", "muster.union.test", "The Union")
LAPTOP = Device("Firefox on Windows", NETWORK)


async def prove(db: Connection, token: str, code: str, *, at: datetime, came_from: str = NETWORK) -> str | None:
    staff = await who(db, token, now=at)
    proof = await prove_by_code(db, staff, token, code, settings=SETTINGS, came_from=came_from, now=at)
    return None if proof is None else proof.token


async def make_passkey(db: Connection, token: str, *, at: datetime = NOW) -> tuple[PasskeyDevice, str]:
    device, staff = PasskeyDevice(SITE.origin), await who(db, token, now=at)
    options = json.loads(await passkey_options(db, SITE, staff, now=at))
    proof = await set_up_passkey(
        db, SITE, staff, token, device.create(options), settings=SETTINGS, device=LAPTOP, now=at
    )
    assert proof is not None
    return device, proof.token


async def asked(db: Connection, token: str | None = None, *, at: datetime = NOW) -> dict[str, Any]:
    if token is None:
        options = await authentication_options(db, SITE, now=at)
    else:
        staff = await who(db, token, now=at)
        options = await authentication_options(db, SITE, now=at, staff_id=staff.staff_id, session=staff.session)
    answer: dict[str, Any] = json.loads(options)
    return answer


async def by_passkey(db: Connection, answer: dict[str, Any], *, at: datetime = NOW, **more: Any) -> str | None:
    return await sign_in_by_passkey(
        db, SITE, answer, settings=SETTINGS, device=LAPTOP, replaces=more.get("replaces"), now=at
    )


async def told(db: Connection) -> list[str]:
    """Subjects of the mails to an account's owner."""
    rows = await db.fetch("select content->>'subject' as subject from transactional order by message_id")
    return [row["subject"].removesuffix(" at The Union on Muster") for row in rows]
