"""Passkeys: each answer counts once, for its account, its session and its site."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta
from typing import Any

import pytest

from core.db import Connection, Pool
from core.errors import NotFound
from staff.backoff import TooManyTries
from staff.passkeys import site_of
from staff.second_factor import LastFactor, passkey_options, remove_app, reset_second_factors, set_up_passkey
from staff.second_factor_check import is_fresh, prove_by_passkey
from staff.sessions import admit_session
from staff.totp import has_totp
from tests.support.passkey_device import PasskeyDevice
from tests.support.second_factors import LAPTOP, NOW, SITE, asked, by_passkey, make_passkey, told
from tests.support.staff_accounts import BY, NETWORK, SETTINGS, add_account, set_up_app, sign_in, who


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


async def test_a_passkey_waits_after_bad_answers_in_its_own_name_alone(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await add_account(db, "bob@union.test", "administrator", now=NOW)
    adas, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    bobs, _ = await make_passkey(db, await sign_in(db, "bob@union.test", now=NOW))
    for _ in range(100):  # an office that signs in, and somebody on its Wi-Fi whose passkey nobody knows
        await asked(db)
        assert await by_passkey(db, PasskeyDevice(SITE.origin).get(await asked(db))) is None
    assert await by_passkey(db, adas.get(await asked(db))) is not None
    for _ in range(10):
        bad = adas.get(await asked(db))
        bad["response"]["signature"] = "AAAA"
        assert await by_passkey(db, bad) is None
    with pytest.raises(TooManyTries, match="2 seconds"):
        await by_passkey(db, adas.get(await asked(db)))
    assert await by_passkey(db, bobs.get(await asked(db))) is not None
    late = NOW + timedelta(seconds=2)
    assert await by_passkey(db, adas.get(await asked(db, at=late)), at=late) is not None


async def test_who_begins_one_sign_in_after_the_other_fills_no_table(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    session = await sign_in(db, "ada@union.test", now=NOW)
    device, _ = await make_passkey(db, session)
    monkeypatch.setattr("staff.passkeys._MAX_CHALLENGES", 20)
    proving = await asked(db, session := await sign_in(db, "ada@union.test", now=NOW))
    for seconds in range(50):
        newest = await asked(db, at=NOW + timedelta(seconds=seconds))
    assert await db.fetchval("select count(*) from passkey_challenge where family is null") == 20
    assert await by_passkey(db, device.get(newest)) is not None
    staff = await who(db, session, now=NOW)
    assert await prove_by_passkey(
        db, SITE, staff, session, device.get(proving), settings=SETTINGS, came_from=NETWORK, now=NOW
    )


async def test_a_passkey_ends_the_session_that_the_browser_held(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await add_account(db, "eve@union.test", "viewer", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    planted = await sign_in(db, "eve@union.test", now=NOW)
    assert await by_passkey(db, device.get(await asked(db)), replaces=planted) is not None
    assert await admit_session(db, planted, now=NOW) is None


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


async def test_a_copied_passkey_is_refused_from_then_on_and_everybody_learns_of_it(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    device, token = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    device.count = 5
    assert await by_passkey(db, device.get(await asked(db))) is not None
    device.count = 3
    forged = device.get(await asked(db))
    forged["response"]["signature"] = "AAAA"
    assert await by_passkey(db, forged) is None
    assert await db.fetchval("select count(*) from alert") == 0, "whoever cannot sign raises no alarm"
    device.count = 3
    assert await by_passkey(db, device.get(await asked(db))) is None
    device.count = 50
    assert await by_passkey(db, device.get(await asked(db))) is None, "which one is the copy nobody knows"
    assert await admit_session(db, token, now=NOW) is None
    actions = await db.fetch(
        "select action, actor, subject, detail->>'passkey' is not null from audit_shown"
        " where action ~ 'copied|failed' order by audit_id"
    )
    assert [tuple(row) for row in actions] == [
        (f"staff.{action}", "sign-in page", f"staff {ada}", True)
        for action in ("second_factor_failed", "passkey_copied", "second_factor_failed")
    ]
    assert "copy of a passkey of ada@union.test" in await db.fetchval("select title from alert")
    assert (await told(db))[-1] == "A passkey was refused, because there may be a copy of it"
    again = await sign_in(db, "ada@union.test", now=NOW)
    assert (await who(db, again, now=NOW)).awaits_second_factor, "it is still asked for"
    await reset_second_factors(db, ada, by=BY, now=NOW)
    assert await db.fetchval("select count(*) from alert where resolved_at is null") == 0


async def test_a_passkey_that_is_kept_on_several_devices_may_count_on_each(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    session = await sign_in(db, "ada@union.test", now=NOW)
    device, staff = PasskeyDevice(SITE.origin, synced=True), await who(db, session, now=NOW)
    options = json.loads(await passkey_options(db, SITE, staff, now=NOW))
    assert await set_up_passkey(
        db, SITE, staff, session, device.create(options), settings=SETTINGS, device=LAPTOP, now=NOW
    )
    for count in (5, 3, 3):  # of a laptop, and of a phone that was used less
        device.count = count
        assert await by_passkey(db, device.get(await asked(db))) is not None
    assert await db.fetchval("select count(*) from alert") == 0


@pytest.mark.parametrize("change", ["copied_at = now()", "host = 'former.union.test'"])
@pytest.mark.parametrize(("role", "is_kept"), [("administrator", True), ("viewer", False)])
async def test_a_passkey_that_no_longer_works_is_no_last_factor(
    db: Connection, role: str, is_kept: bool, change: str
) -> None:
    ada = await add_account(db, "ada@union.test", role, now=NOW)
    _, token, _ = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    _, token = await make_passkey(db, token)
    await db.execute(f"update staff_passkey set {change}")
    session = await who(db, token, now=NOW)
    with pytest.raises(LastFactor) if is_kept else contextlib.nullcontext():
        await remove_app(db, session, settings=SETTINGS, came_from=NETWORK, now=NOW)
    assert await has_totp(db, ada) == is_kept
    again = await who(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    assert again.awaits_second_factor == is_kept, "nobody is asked for what does not work"


async def test_another_accounts_passkey_proves_nothing(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await add_account(db, "eve@union.test", "approver", now=NOW)
    await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    eves, evening = await make_passkey(db, await sign_in(db, "eve@union.test", now=NOW))
    stolen = await sign_in(db, "ada@union.test", now=NOW)
    staff = await who(db, stolen, now=NOW)
    with pytest.raises(NotFound):
        await prove_by_passkey(
            db, SITE, staff, stolen, eves.get(await asked(db, stolen)), settings=SETTINGS, came_from=NETWORK, now=NOW
        )
    assert (await who(db, stolen, now=NOW)).awaits_second_factor
    for elsewhere in (
        await asked(db, evening),
        await asked(db),
    ):  # a challenge of another session, or of the sign-in page
        answer = eves.get(elsewhere)
        assert (
            await prove_by_passkey(db, SITE, staff, stolen, answer, settings=SETTINGS, came_from=NETWORK, now=NOW)
            is None
        )
    eves.handle = b"\0" * 16
    assert await by_passkey(db, eves.get(await asked(db))) is None, "it names another account"


async def test_a_passkey_is_set_up_in_the_session_that_asked(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await add_account(db, "eve@union.test", "approver", now=NOW)
    ada, eve = await sign_in(db, "ada@union.test", now=NOW), await sign_in(db, "eve@union.test", now=NOW)
    options = json.loads(await passkey_options(db, SITE, await who(db, ada, now=NOW), now=NOW))
    device = PasskeyDevice(SITE.origin)
    answer, session = device.create(options), await who(db, eve, now=NOW)
    assert await set_up_passkey(db, SITE, session, eve, answer, settings=SETTINGS, device=LAPTOP, now=NOW) is None
    device, _ = await make_passkey(db, ada)
    again = json.loads(await passkey_options(db, SITE, session, now=NOW))
    answer = device.create(again)
    assert await set_up_passkey(db, SITE, session, eve, answer, settings=SETTINGS, device=LAPTOP, now=NOW) is None, (
        "it is Ada's already"
    )
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
            await db.execute("delete from sign_in_backoff")
            if name == "userHandle" and not bad:
                continue  # a device may leave it out
            assert await by_passkey(db, answer) is None, (name, bad)
    for name in ("id", "rawId", "type"):
        for bad in ("", "AAAA", 5, None):
            await db.execute("delete from sign_in_backoff")
            assert await by_passkey(db, device.get(await asked(db)) | {name: bad}) is None, (name, bad)


async def test_a_disabled_account_has_no_passkey(db: Connection) -> None:
    await add_account(db, "ada@union.test", "campaigner", now=NOW)
    device, _ = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    await db.execute("update staff set disabled_at = now()")
    assert await by_passkey(db, device.get(await asked(db))) is None


@pytest.mark.parametrize(
    ("public_url", "host"),
    [
        ("https://muster.union.test", "muster.union.test"), ("https://muster.union.test:8443", "muster.union.test"),
        ("http://localhost:8000", "localhost"), ("https://münchen.example", "xn--mnchen-3ya.example"),
        ("http://muster.union.test", None), ("http://127.0.0.1:8000", None),
        ("https://192.0.2.7", None), ("https://[2001:db8::1]", None),
    ],
)  # fmt: skip
def test_browsers_have_passkeys_for_names_over_https(public_url: str, host: str | None) -> None:
    site = site_of(public_url, "Muster")
    assert (site and site.host) == host
    assert site is None or site.origin.startswith(f"{public_url.partition(':')[0]}://{host}")
