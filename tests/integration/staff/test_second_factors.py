"""Second factors: each proof counts once, for its account and session, and nobody replaces somebody else's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr

from core.access import Actor, ActorKind
from core.db import Connection, Pool
from core.errors import Conflict
from staff.backoff import TooManyTries
from staff.grants import give_grant, revoke_grant
from staff.recovery_codes import HOW_MANY, count_recovery_codes
from staff.retention import delete_expired
from staff.second_factor import (
    LastFactor,
    begin_app,
    confirm_app,
    passkey_options,
    remove_app,
    remove_passkey,
    renew_recovery_codes,
    reset_second_factors,
)
from staff.second_factor_check import is_fresh, prove_by_passkey
from staff.sessions import admit_session
from staff.sign_in import make_sign_in_link, use_link
from staff.totp import accept_totp, pending_secret, renew_secrets
from tests.support.second_factors import NOW, SITE, asked, by_passkey, make_passkey, prove, told
from tests.support.staff_accounts import BY, KEYS, NETWORK, SETTINGS, add_account, set_up_app, sign_in, who


async def test_a_role_decides_whether_a_link_is_enough(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "campaigner", now=NOW)
    token = await sign_in(db, "ada@union.test", now=NOW)
    assert not (await who(db, token, now=NOW)).awaits_second_factor
    assert ada
    for role in ("administrator", "approver", "coordinator", "vetter"):
        await add_account(db, f"{role}@union.test", role, now=NOW)
        session = await who(db, await sign_in(db, f"{role}@union.test", now=NOW), now=NOW)
        assert session.awaits_second_factor, role
        assert not is_fresh(session, NOW)


@pytest.mark.parametrize("is_proof", [True, False])
async def test_only_a_link_for_trying_muster_out_is_a_proof_by_itself(db: Connection, is_proof: bool) -> None:
    link = await make_sign_in_link(
        db, email="staff@union.test", now=NOW, by=BY, create_as="administrator", is_proof=is_proof
    )
    token = await use_link(db, link.rpartition("/")[2], now=NOW)
    assert token is not None
    assert (await who(db, token, now=NOW)).awaits_second_factor is not is_proof


async def test_a_code_counts_once(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    app, _, _ = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    token = await sign_in(db, "ada@union.test", now=NOW)
    assert await prove(db, token, app.at(NOW), at=NOW) is None, "the code of the set-up"
    later = NOW + timedelta(minutes=1)
    code = app.at(later)
    proven = await prove(db, token, f"{code[:3]} {code[3:]}", at=later)
    assert proven is not None
    other = await sign_in(db, "ada@union.test", now=later)
    assert await prove(db, other, code, at=later) is None, "replayed"
    assert await prove(db, other, app.at(later - timedelta(seconds=30)), at=later) is None, "an earlier one"
    assert await prove(db, other, app.at(later + timedelta(seconds=30)), at=later) is not None, "the clock may differ"


async def test_a_code_that_arrives_twice_at_once_counts_once(pool: Pool, db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "approver", now=NOW)
    app, _, _ = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    later = NOW + timedelta(minutes=5)

    async def enter() -> bool:
        async with pool.acquire() as own:
            return await accept_totp(own, ada, app.at(later), keys=KEYS, now=later)

    assert sorted(await asyncio.gather(*(enter() for _ in range(4)))) == [False, False, False, True]


async def test_the_secret_is_stored_encrypted_and_codes_as_digests(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    app, _, codes = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    secret = await db.fetchval("select encode(secret, 'escape') from staff_totp")
    assert app.secret not in secret
    assert len(codes) == len(set(codes)) == HOW_MANY
    digests = await db.fetch("select encode(digest, 'escape') as text from staff_recovery_code")
    assert not {code.replace("-", "") for code in codes} & {row["text"] for row in digests}
    details = await db.fetchval("select string_agg(detail::text, ' ') from audit_shown")
    assert not [code for code in (app.secret, *codes) if code in details]


async def test_an_app_outlives_the_key_that_encrypted_its_secret(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "approver", now=NOW)
    app, _, _ = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    newer = SecretStr("seven violet lanterns over a slow canal")
    later = NOW + timedelta(minutes=5)
    assert not await accept_totp(db, ada, app.at(later), keys=(newer,), now=later), "otherwise this shows nothing"
    assert await renew_secrets(db, keys=(newer, *KEYS)) == 1
    assert await renew_secrets(db, keys=(newer, *KEYS)) == 0
    assert await renew_secrets(db, keys=KEYS) == 0, "what no key opens stays as it is"
    assert await accept_totp(db, ada, app.at(later), keys=(newer,), now=later)


async def test_a_recovery_code_lets_in_once(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "approver", now=NOW)
    _, _, codes = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    token = await sign_in(db, "ada@union.test", now=NOW)
    assert await prove(db, token, codes[0].upper().replace("-", " ").replace("0", "O"), at=NOW) is not None
    other = await sign_in(db, "ada@union.test", now=NOW)
    assert await prove(db, other, codes[0], at=NOW) is None
    assert await count_recovery_codes(db, ada) == HOW_MANY - 1
    used = await db.fetchval("select detail from audit_shown where action = 'staff.recovery_code_used'")
    assert used == {"left": HOW_MANY - 1}
    await add_account(db, "bob@union.test", "approver", now=NOW)
    bob = await sign_in(db, "bob@union.test", now=NOW)
    assert await prove(db, bob, codes[1], at=NOW) is None, "another account's"


async def test_new_recovery_codes_end_the_old_ones(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    _, token, codes = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    fresh = await renew_recovery_codes(db, await who(db, token, now=NOW), settings=SETTINGS, came_from=NETWORK, now=NOW)
    assert not set(fresh) & set(codes)
    assert await prove(db, await sign_in(db, "ada@union.test", now=NOW), codes[0], at=NOW) is None
    late = NOW + timedelta(minutes=10)
    with pytest.raises(Conflict, match="proven first"):
        await renew_recovery_codes(db, await who(db, token, now=late), settings=SETTINGS, came_from=NETWORK, now=late)


async def test_a_proof_is_fresh_for_ten_minutes(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    app, token, _ = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    almost, after = NOW + timedelta(minutes=9, seconds=59), NOW + timedelta(minutes=10)
    assert is_fresh(await who(db, token, now=almost), almost)
    session = await who(db, token, now=after)
    assert not is_fresh(session, after)
    assert not session.awaits_second_factor, "every page opens still"
    again = await prove(db, token, app.at(after), at=after)
    assert again is not None
    assert is_fresh(await who(db, again, now=after), after)


async def test_the_token_from_before_the_proof_has_proven_nothing(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    app, _, _ = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    planted, later = await sign_in(db, "ada@union.test", now=NOW), NOW + timedelta(seconds=45)
    proven = await prove(db, planted, app.at(later), at=later)
    assert proven not in {None, planted}
    assert (await who(db, planted, now=later)).awaits_second_factor
    assert await admit_session(db, planted, now=later + timedelta(minutes=2)) is None


async def test_guessing_waits_longer_and_longer_but_from_elsewhere_nobody_waits(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    app, _, codes = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    at, token = NOW + timedelta(minutes=5), await sign_in(db, "ada@union.test", now=NOW)
    for _ in range(5):
        assert await prove(db, token, "000000", at=at, came_from="198.51.100.0/24") is None
    with pytest.raises(TooManyTries, match="2 seconds"):
        await prove(db, token, app.at(at), at=at, came_from="198.51.100.0/24")
    later = at + timedelta(seconds=2)
    assert await prove(db, token, "000000", at=later, came_from="198.51.100.0/24") is None
    with pytest.raises(TooManyTries, match="4 seconds"):
        await prove(db, token, codes[0], at=later, came_from="198.51.100.0/24")
    assert await prove(db, token, app.at(later), at=later) is not None
    assert await db.fetchval("select count(*) from audit_shown where action = 'staff.second_factor_failed'") == 6


async def test_codes_guessed_from_many_networks_are_slowed_down_but_recovery_codes_still_work(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    _, _, codes = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    token = await sign_in(db, "ada@union.test", now=NOW)
    for n in range(20):
        assert await prove(db, token, "000000", at=NOW, came_from=f"198.51.{n}.0/24") is None
    with pytest.raises(TooManyTries):
        await prove(db, token, "000000", at=NOW, came_from="203.0.113.0/24")
    assert "guessing codes of ada@union.test" in await db.fetchval("select title from alert")
    assert await prove(db, token, codes[0], at=NOW, came_from="203.0.113.0/24") is not None


async def test_a_secret_is_seen_and_confirmed_in_its_own_session_alone(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    own, thief = [await sign_in(db, "ada@union.test", now=NOW) for _ in range(2)]
    session, other = await who(db, own, now=NOW), await who(db, thief, now=NOW)
    await begin_app(db, session, keys=KEYS, now=NOW)
    assert await pending_secret(db, ada, other.session, keys=KEYS, now=NOW) is None
    secret = await pending_secret(db, ada, session.session, keys=KEYS, now=NOW)
    assert secret is not None
    await begin_app(db, other, keys=KEYS, now=NOW)  # the other way round: Ada would confirm the thief's
    assert await pending_secret(db, ada, session.session, keys=KEYS, now=NOW) == secret
    code = pyotp.TOTP(secret.get_secret_value()).at(NOW)
    assert await confirm_app(db, other, thief, code, settings=SETTINGS, came_from="x", now=NOW) is None
    proof = await confirm_app(db, session, own, code, settings=SETTINGS, came_from=NETWORK, now=NOW)
    assert proof is not None
    assert await admit_session(db, thief, now=NOW) is None, "whoever had a link was in until now"
    assert await admit_session(db, proof.token, now=NOW) is not None
    assert await db.fetchval("select count(*) from staff_totp") == 1
    noted = await db.fetch("select action, detail from audit_shown where action ~ 'totp|ended' order by audit_id")
    assert [tuple(row) for row in noted] == [
        ("staff.totp_added", {"first": True}), ("staff.sessions_ended", {"sessions": 1}),
    ]  # fmt: skip
    assert await told(db) == ["An authenticator app was set up"]
    text = await db.fetchval("select content->>'text' from transactional")
    assert "from network 192.0.2.0/24. Wherever else you were signed in, you were signed out." in text


async def test_a_set_up_that_was_left_off_is_forgotten(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    await begin_app(db, await who(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW), keys=KEYS, now=NOW)
    for minutes, left in ((29, 1), (30, 0)):
        await delete_expired(db, now=NOW + timedelta(minutes=minutes))
        assert await db.fetchval("select count(*) from staff_totp") == left


async def test_the_owner_is_told_of_each_change(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    _, token, codes = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    _, token = await make_passkey(db, token)
    session = await who(db, token, now=NOW)
    passkey_id = await db.fetchval("select passkey_id from staff_passkey")
    await remove_passkey(db, session, passkey_id, settings=SETTINGS, came_from=NETWORK, now=NOW)
    elsewhere = await prove(db, await sign_in(db, "ada@union.test", now=NOW), codes[0], at=NOW)
    assert await admit_session(db, elsewhere, now=NOW) is not None
    assert await admit_session(db, token, now=NOW) is not None, "another factor ends no session"
    await renew_recovery_codes(db, session, settings=SETTINGS, came_from=NETWORK, now=NOW)
    assert await told(db) == [
        "An authenticator app was set up", "A passkey was added", "A passkey was removed", "A recovery code was used",
        "New recovery codes were made",
    ]  # fmt: skip
    assert {row["address"] for row in await db.fetch("select address from message")} == {"ada@union.test"}


async def test_a_link_alone_does_not_replace_a_second_factor(db: Connection) -> None:
    await add_account(db, "ada@union.test", "approver", now=NOW)
    own, stolen = await sign_in(db, "ada@union.test", now=NOW), await sign_in(db, "ada@union.test", now=NOW)
    before = await who(db, stolen, now=NOW)  # as a page that was opened before the owner set anything up
    await begin_app(db, before, keys=KEYS, now=NOW)
    await make_passkey(db, own)
    assert await admit_session(db, stolen, now=NOW) is None, "it ended with the first factor"
    stolen = await sign_in(db, "ada@union.test", now=NOW)
    for session in (before, await who(db, stolen, now=NOW)):
        with pytest.raises(Conflict, match="proven first"):
            await begin_app(db, session, keys=KEYS, now=NOW)
        with pytest.raises(Conflict, match="proven first"):
            await confirm_app(db, session, stolen, "123456", settings=SETTINGS, came_from=NETWORK, now=NOW)
        with pytest.raises(Conflict, match="proven first"):
            await passkey_options(db, SITE, session, now=NOW)
        with pytest.raises(Conflict, match="proven first"):
            await remove_passkey(db, session, 1, settings=SETTINGS, came_from=NETWORK, now=NOW)


async def test_a_wrong_first_code_and_a_bad_proof_are_recorded(db: Connection) -> None:
    await add_account(db, "ada@union.test", "administrator", now=NOW)
    token = await sign_in(db, "ada@union.test", now=NOW)
    session = await who(db, token, now=NOW)
    await begin_app(db, session, keys=KEYS, now=NOW)
    assert await confirm_app(db, session, token, "000000", settings=SETTINGS, came_from=NETWORK, now=NOW) is None
    device, token = await make_passkey(db, token)
    session, bad = await who(db, token, now=NOW), device.get(await asked(db, token))
    bad["response"]["signature"] = "AAAA"
    assert await prove_by_passkey(db, SITE, session, token, bad, settings=SETTINGS, came_from=NETWORK, now=NOW) is None
    failed = await db.fetch(
        "select actor, detail->>'by' from audit_shown where action = 'staff.second_factor_failed' order by audit_id"
    )
    assert [tuple(row) for row in failed] == [("ada@union.test", "new app"), ("ada@union.test", "passkey")]


async def test_the_last_factor_stays_where_a_role_needs_one(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    _, token = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    more: Any = {"settings": SETTINGS, "came_from": NETWORK, "now": NOW}
    session = await who(db, token, now=NOW)
    passkey_id = await db.fetchval("select passkey_id from staff_passkey")
    assert not await remove_passkey(db, session, passkey_id + 1, **more)
    assert not await remove_app(db, session, **more)
    with pytest.raises(LastFactor, match="set up another"):
        await remove_passkey(db, session, passkey_id, **more)
    assert await count_recovery_codes(db, ada) == HOW_MANY
    _, token, _ = await set_up_app(db, token, now=NOW)
    assert await remove_passkey(db, session, passkey_id, **more)
    with pytest.raises(LastFactor):
        await remove_app(db, session, **more)
    await make_passkey(db, token)
    assert await remove_app(db, session, **more)
    assert (await told(db))[-1] == "The authenticator app was removed"


async def test_without_its_last_factor_an_account_has_proven_nothing(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "campaigner", now=NOW)
    _, token = await make_passkey(db, await sign_in(db, "ada@union.test", now=NOW))
    passkey_id, session = await db.fetchval("select passkey_id from staff_passkey"), await who(db, token, now=NOW)
    assert await remove_passkey(db, session, passkey_id, settings=SETTINGS, came_from=NETWORK, now=NOW)
    assert await count_recovery_codes(db, ada) == 0
    assert (await who(db, token, now=NOW)).second_factor_at is None
    await give_grant(db, ada, "administrator", by=BY, now=NOW)
    assert (await who(db, token, now=NOW)).awaits_second_factor, "its old proof opens nothing"


async def test_a_reset_removes_everything_and_signs_out(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "administrator", now=NOW)
    _, token, _ = await set_up_app(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    device, token = await make_passkey(db, token)
    session = await who(db, token, now=NOW)
    with pytest.raises(Conflict, match="their own"):
        await reset_second_factors(db, ada, by=session.actor(NETWORK), now=NOW)
    eve = await add_account(db, "eve@union.test", "coordinator", now=NOW)
    with pytest.raises(Conflict, match="lack the permission"):
        await reset_second_factors(db, ada, by=Actor(ActorKind.STAFF, "eve@union.test", eve), now=NOW)
    removed = await reset_second_factors(db, ada, by=BY, now=NOW)
    assert removed == {"apps": 1, "passkeys": 1, "recovery_codes": HOW_MANY, "sessions": 1}
    assert await admit_session(db, token, now=NOW) is None
    assert await by_passkey(db, device.get(await asked(db))) is None
    again = await who(db, await sign_in(db, "ada@union.test", now=NOW), now=NOW)
    assert (again.has_second_factor, again.awaits_second_factor) == (False, True)


async def test_a_revoked_grant_counts_no_longer_in_an_open_session(db: Connection) -> None:
    ada = await add_account(db, "ada@union.test", "rep", now=NOW)
    token = await sign_in(db, "ada@union.test", now=NOW)
    assert [grant.role for grant in (await who(db, token, now=NOW)).grants] == ["rep"]
    await revoke_grant(db, ada, "rep", by=BY, now=NOW)
    assert (await who(db, token, now=NOW)).grants == ()
