"""Passkeys: each answer counts once, for its site and its account."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from core.db import Connection, Pool
from core.errors import NotFound
from staff.recovery_codes import HOW_MANY, count_recovery_codes
from staff.second_factor import (
    add_passkey,
    is_fresh,
    passkey_options,
    prove_by_passkey,
    remove_passkey,
)
from staff.sessions import admit
from tests.support.passkey_device import PasskeyDevice
from tests.support.second_factors import LAPTOP, NOW, SITE, asked, by_passkey, make_passkey
from tests.support.staff_accounts import NETWORK, add_account, sign_in, who


async def test_a_passkey_signs_in_and_is_both_factors(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    device, proven = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    assert not (await who(db, proven, now=NOW)).awaits_second_factor
    options = await asked(db)
    assert options.get("allowCredentials", []) == [], "nobody types an address"
    token = await by_passkey(db, device.get(options))
    assert token is not None
    session = await who(db, token, now=NOW)
    assert (session.staff_id, session.awaits_second_factor, is_fresh(session, NOW)) == (ada, False, True)
    assert await db.fetchval("select sign_count from staff_passkey") == 1
    assert await db.fetchval("select count(*) from passkey_challenge") == 0


async def test_an_answer_of_a_passkey_counts_once(pool: Pool, db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    answer = device.get(await asked(db))

    async def press() -> str | None:
        async with pool.acquire() as own:
            return await by_passkey(own, answer)

    tokens = await asyncio.gather(*(press() for _ in range(4)))
    assert sum(token is not None for token in tokens) == 1
    assert await by_passkey(db, answer) is None
    late = device.get(await asked(db))
    assert await by_passkey(db, late, at=NOW + timedelta(minutes=5)) is None, "the challenge ran out"
    assert await by_passkey(db, device.get({"challenge": "A" * 43, "rpId": SITE.host})) is None, "not one of ours"


async def test_a_passkey_ends_the_session_that_the_browser_held(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await add_account(db, "eve@union.test", "viewer", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    planted = await sign_in(db, "eve@union.test", now=NOW)
    assert await by_passkey(db, device.get(await asked(db)), replaces=planted) is not None
    assert await admit(db, planted, now=NOW) is None


async def test_a_passkey_is_bound_to_its_site(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    device.origin = "https://muster.union.test.evil.test"
    assert await by_passkey(db, device.get(await asked(db))) is None
    device.origin = SITE.origin
    assert await by_passkey(db, device.get(await asked(db), host="evil.test")) is None
    device.verifies = False
    assert await by_passkey(db, device.get(await asked(db))) is None, "without a finger"
    device.verifies = True
    assert await by_passkey(db, device.get(await asked(db))) is not None


async def test_a_copied_passkey_is_noticed_by_its_count(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    device.count = 5
    assert await by_passkey(db, device.get(await asked(db))) is not None
    device.count = 3
    assert await by_passkey(db, device.get(await asked(db))) is None


async def test_another_accounts_passkey_proves_nothing(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await add_account(db, "eve@union.test", "approver", now=NOW)
    await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    eves, evening = await make_passkey(db, await sign_in(db, "eve@union.test", now=NOW))
    stolen = await sign_in(db, "ada@union.test", now=NOW)
    staff = await who(db, stolen, now=NOW)
    with pytest.raises(NotFound):
        await prove_by_passkey(
            db, SITE, staff, stolen, eves.get(await asked(db, stolen)), came_from=NETWORK, now=NOW
        )  # fmt: skip
    assert (await who(db, stolen, now=NOW)).awaits_second_factor
    for elsewhere in (
        await asked(db, evening),
        await asked(db),
    ):  # a challenge of another session, or of the sign-in page
        answer = eves.get(elsewhere)
        assert await prove_by_passkey(db, SITE, staff, stolen, answer, came_from=NETWORK, now=NOW) is None
    eves.handle = b"\0" * 16
    assert await by_passkey(db, eves.get(await asked(db))) is None, "it names another account"


async def test_a_passkey_is_set_up_in_the_session_that_asked(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await add_account(db, "eve@union.test", "approver", now=NOW)
    ada, eve = await sign_in(db, "ada@union.test", now=NOW), await sign_in(db, "eve@union.test", now=NOW)
    options = json.loads(await passkey_options(db, SITE, await who(db, ada, now=NOW), now=NOW))
    device = PasskeyDevice(SITE.origin)
    answer, session = device.create(options), await who(db, eve, now=NOW)
    assert await add_passkey(db, SITE, session, eve, answer, device=LAPTOP, now=NOW) is None
    device, _ = await make_passkey(db, ada)
    again = json.loads(await passkey_options(db, SITE, session, now=NOW))
    answer = device.create(again)
    assert await add_passkey(db, SITE, session, eve, answer, device=LAPTOP, now=NOW) is None, "it is Ada's already"
    assert await db.fetchval("select count(*) from staff_passkey") == 1


@pytest.mark.parametrize(
    "answer", [{}, {"response": None}, {"response": {"clientDataJSON": 7}}, {"response": {"clientDataJSON": "e30"}}]
)
async def test_nonsense_signs_nobody_in(db: Connection, answer: dict[str, Any]) -> None:
    assert await by_passkey(db, answer) is None


async def test_what_a_device_signed_may_be_damaged_anywhere(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    for name in ("authenticatorData", "signature", "userHandle", "clientDataJSON"):
        for bad in ("", "AAAA", 5, None, ["x"]):
            answer = device.get(await asked(db))
            answer["response"][name] = bad
            if name == "userHandle" and not bad:
                continue  # a device may leave it out
            assert await by_passkey(db, answer) is None, (name, bad)
    for name in ("id", "rawId", "type"):
        for bad in ("", "AAAA", 5, None):
            assert await by_passkey(db, device.get(await asked(db)) | {name: bad}) is None, (name, bad)


async def test_a_disabled_account_has_no_passkey(db: Connection) -> None:
    await add_account(db, "ada@union.test", "campaigner", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    await db.execute("update staff set disabled_at = now()")
    assert await by_passkey(db, device.get(await asked(db))) is None


async def test_the_last_passkey_takes_the_recovery_codes_with_it(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    _, token = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    passkey_id = await db.fetchval("select passkey_id from staff_passkey")
    assert await count_recovery_codes(db, ada) == HOW_MANY
    assert not await remove_passkey(db, await who(db, token, now=NOW), passkey_id + 1, came_from=NETWORK, now=NOW)
    assert await remove_passkey(db, await who(db, token, now=NOW), passkey_id, came_from=NETWORK, now=NOW)
    assert await count_recovery_codes(db, ada) == 0
