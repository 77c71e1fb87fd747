"""Invitations: a link that makes an account once, in time, with the grant that whoever invites may give."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from core.access import Actor, ActorKind
from core.db import Connection, Pool
from core.errors import Conflict, InputError, NotFound
from staff.accounts import disable_staff
from staff.grants import grants_of, revoke_grant
from staff.invitations import (
    INVITATION_LASTS,
    INVITATION_PATH,
    accept_invitation,
    find_invitation,
    invite,
    list_invitations,
    renew_invitation,
    withdraw_invitation,
    withdraw_invitations_of,
)
from staff.quoted_links import without_links
from staff.retention import delete_expired
from staff.sessions import Device, admit_session
from tests.support.electorate import add_unit
from tests.support.staff_accounts import BY, NETWORK, add_account, sign_in

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADA = "ada@union.test"
PHONE = Device("Safari on an iPhone", NETWORK)


async def invited(db: Connection, role: str = "rep", **more: object) -> str:
    path = await invite(db, ADA, "Ada Price", role, by=BY, now=NOW, **more)  # type: ignore[arg-type]
    start, _, token = path.rpartition("/")
    assert start == INVITATION_PATH
    return token


async def accept(db: Connection, token: str, *, at: datetime = NOW, replaces: str | None = None) -> str | None:
    return await accept_invitation(db, token, now=at, device=PHONE, replaces=replaces)


async def test_an_invitation_makes_an_account_with_a_grant_and_a_session(db: Connection) -> None:
    leeds, ends = await add_unit(db, "Leeds"), NOW + timedelta(days=90)
    token = await invited(db, unit_id=leeds, ends_at=ends)
    for _ in range(3):  # as link scanners do
        found = await find_invitation(db, token, now=NOW)
        assert found is not None
        assert (found["email"], found["role"], found["unit"], found["ends_at"]) == (ADA, "rep", "Leeds", ends)
        assert found["invited_by"] == "olga"
    assert await db.fetchval("select count(*) from staff") == 0
    later = NOW + INVITATION_LASTS - timedelta(seconds=1)
    session = await accept(db, token, at=later)
    admission = await admit_session(db, session, now=later)
    assert admission is not None
    assert (admission.staff.email, admission.staff.name) == (ADA, "Ada Price")
    assert [(grant.role, grant.unit_id) for grant in admission.staff.grants] == [("rep", leeds)]
    assert await grants_of(db, admission.staff.staff_id, ends) == ()
    assert await accept(db, token, at=later) is None, "spent"
    assert await list_invitations(db) == []
    actions = [row["action"] for row in await db.fetch("select action from audit_shown order by audit_id")]
    assert actions == [
        "invitation.made", "staff.added", "grant.given", "invitation.accepted", "staff.signed_in",
    ]  # fmt: skip


async def test_of_two_presses_at_once_one_accepts(pool: Pool, db: Connection) -> None:
    token = await invited(db)

    async def press() -> str | None:
        async with pool.acquire() as own:
            return await accept(own, token)

    assert sum(session is not None for session in await asyncio.gather(*(press() for _ in range(5)))) == 1
    assert await db.fetchval("select count(*) from staff_session") == 1


async def test_expired_withdrawn_and_replaced_links_work_no_longer(db: Connection) -> None:
    token = await invited(db)
    assert await accept(db, token, at=NOW + INVITATION_LASTS) is None
    path, invitation = await renew_invitation(db, ADA, by=BY, now=NOW)
    assert (invitation["name"], invitation["role"], invitation["unit"]) == ("Ada Price", "rep", None)
    assert await accept(db, token) is None, "another one was sent"
    token = path.rpartition("/")[2]
    await withdraw_invitation(db, ADA, by=BY, now=NOW)
    assert await accept(db, token) is None
    assert await find_invitation(db, token, now=NOW) is None
    with pytest.raises(NotFound):
        await withdraw_invitation(db, ADA, by=BY, now=NOW)
    with pytest.raises(NotFound):
        await renew_invitation(db, ADA, by=BY, now=NOW)
    assert await db.fetchval("select count(*) from staff") == 0
    for nonsense in ("", "A" * 43, "short"):
        assert await accept(db, nonsense) is None


async def test_somebody_is_invited_once_at_a_time(db: Connection) -> None:
    await invited(db)
    with pytest.raises(Conflict, match="invited already"):
        await invited(db)
    late = NOW + INVITATION_LASTS
    await invite(db, ADA, "Ada", "viewer", by=BY, now=late)
    await add_account(db, "bob@union.test", now=NOW)
    with pytest.raises(Conflict, match="on the staff already"):
        await invite(db, "bob@union.test", "Bob", "viewer", by=BY, now=NOW)
    with pytest.raises(InputError):
        await invite(db, "eve@union.test", "Eve", "boss", by=BY, now=NOW)
    with pytest.raises(InputError):
        await invite(db, "eve@union.test", "Eve", "viewer", by=BY, now=NOW, ends_at=NOW)


async def test_only_what_one_may_give_is_offered(db: Connection) -> None:
    leeds = await add_unit(db, "Leeds")
    regional = await add_account(db, "bob@union.test", "administrator", now=NOW, unit=leeds)
    actor = Actor(ActorKind.STAFF, "bob@union.test", regional, NETWORK)
    with pytest.raises(Conflict, match="lack the permission"):
        await invite(db, ADA, "Ada", "rep", by=actor, now=NOW)
    await invite(db, ADA, "Ada", "rep", by=actor, now=NOW, unit_id=leeds)
    await withdraw_invitation(db, ADA, by=actor, now=NOW)
    await invited(db)
    for forbidden in (withdraw_invitation, renew_invitation):
        with pytest.raises(Conflict, match="lack the permission"):
            await forbidden(db, ADA, by=actor, now=NOW)
    assert len(await list_invitations(db)) == 1


async def test_an_invitation_to_an_account_made_meanwhile(db: Connection) -> None:
    token = await invited(db)
    ada = await add_account(db, ADA, "rep", now=NOW)
    assert await accept(db, token) is not None
    assert len(await grants_of(db, ada, NOW)) == 1


async def test_a_disabled_account_is_not_let_in_by_an_invitation(db: Connection) -> None:
    token = await invited(db)
    await add_account(db, ADA, now=NOW)
    await db.execute("update staff set disabled_at = now()")
    assert await accept(db, token) is None
    assert await db.fetchval("select count(*) from staff_grant") == 0


async def test_accepting_ends_the_session_that_the_browser_held(db: Connection) -> None:
    await add_account(db, "eve@union.test", "viewer", now=NOW)
    planted = await sign_in(db, "eve@union.test", now=NOW)
    assert await accept(db, await invited(db), replaces=planted) is not None
    assert await admit_session(db, planted, now=NOW) is None


async def test_an_invitation_that_comes_back_from_outside_is_masked_and_ends(db: Connection) -> None:
    token = await invited(db)
    words = await without_links(db, f"I got this: https://muster.test{INVITATION_PATH}/{token} What is it?", now=NOW)
    assert token not in words
    assert await find_invitation(db, token, now=NOW) is None
    assert len(await list_invitations(db)) == 1, "it can be sent again"
    assert "muster user invite ada@union.test --again" in await db.fetchval("select remedy from alert")
    await renew_invitation(db, ADA, by=BY, now=NOW)
    assert await db.fetchval("select count(*) from alert where resolved_at is null") == 0


async def administrators(db: Connection) -> tuple[int, Actor]:
    """An administrator who invites, beside another one who stays."""
    await add_account(db, "olga@union.test", "administrator", now=NOW)
    bob = await add_account(db, "bob@union.test", "administrator", now=NOW)
    return bob, Actor(ActorKind.STAFF, "bob@union.test", bob, NETWORK)


@pytest.mark.parametrize("ends", ["revoked", "disabled", "renewed"])
async def test_an_invitation_counts_no_longer_than_its_senders_authority(db: Connection, ends: str) -> None:
    bob, actor = await administrators(db)
    token = (await invite(db, ADA, "Ada", "administrator", by=actor, now=NOW)).rpartition("/")[2]
    if ends == "disabled":
        async with db.transaction():
            await disable_staff(db, bob, NOW)
    else:
        await revoke_grant(db, bob, "administrator", by=BY, now=NOW)
    if ends == "renewed":  # by somebody who may
        token = (await renew_invitation(db, ADA, by=BY, now=NOW))[0].rpartition("/")[2]
        assert await accept(db, token) is not None
        return
    assert await accept(db, token) is None
    assert await find_invitation(db, token, now=NOW) is None
    assert await db.fetchval("select count(*) from staff where email = $1", ADA) == 0
    noted = await db.fetchrow("select actor, detail from audit_shown where action = 'invitation.withdrawn'")
    assert tuple(noted or ()) == ("muster", {"why": "the inviter may no longer give that role"})


async def test_the_grant_of_an_invitation_is_recorded_as_what_it_is(db: Connection) -> None:
    bob, actor = await administrators(db)
    token = (await invite(db, ADA, "Ada", "rep", by=actor, now=NOW)).rpartition("/")[2]
    assert await accept(db, token) is not None
    row = await db.fetchrow(
        "select actor_kind, actor, came_from, detail from audit_shown where action = 'grant.given'"
        " order by audit_id desc"
    )
    assert row is not None
    assert (row["actor_kind"], row["actor"], row["came_from"]) == ("system", "muster", "")
    sender = {"kind": "staff", "name": "bob@union.test", "id": bob, "came_from": NETWORK}
    assert (row["detail"]["invited_by"], row["detail"]["role"]) == (sender, "rep")
    assert row["detail"]["invitation"] == await db.fetchval("select invitation_id from staff_invitation")


async def test_what_somebody_invited_is_withdrawn_with_their_access(db: Connection) -> None:
    bob, actor = await administrators(db)
    token = (await invite(db, ADA, "Ada", "rep", by=actor, now=NOW)).rpartition("/")[2]
    await invite(db, "eve@union.test", "Eve", "rep", by=BY, now=NOW)
    assert await withdraw_invitations_of(db, bob, by=BY, now=NOW) == [ADA]
    assert await accept(db, token) is None
    assert [row["email"] for row in await list_invitations(db)] == ["eve@union.test"]


async def test_who_may_not_change_an_invitation_has_not_changed_it(db: Connection) -> None:
    leeds = await add_unit(db, "Leeds")
    regional = await add_account(db, "bob@union.test", "administrator", now=NOW, unit=leeds)
    actor, token = Actor(ActorKind.STAFF, "bob@union.test", regional, NETWORK), await invited(db)
    async with db.transaction():  # a caller who goes on after the refusal
        for forbidden in (withdraw_invitation, renew_invitation):
            with contextlib.suppress(Conflict):
                await forbidden(db, ADA, by=actor, now=NOW)
    assert await accept(db, token) is not None


async def test_invitations_that_nobody_accepted_are_forgotten_after_a_month(db: Connection) -> None:
    await invited(db)
    await invite(db, "eve@union.test", "Eve", "rep", by=BY, now=NOW)
    await withdraw_invitation(db, "eve@union.test", by=BY, now=NOW)
    taken = (await invite(db, "bob@union.test", "Bob", "rep", by=BY, now=NOW)).rpartition("/")[2]
    assert await accept(db, taken) is not None
    for days, left in ((30, 3), (31, 2), (37, 2), (38, 1)):
        await delete_expired(db, now=NOW + timedelta(days=days))
        assert await db.fetchval("select count(*) from staff_invitation") == left, days
