"""`muster user`: roles, invitations, sessions and lost phones, as an operator types it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from pydantic import SecretStr

from core.clock import system_clock
from core.db import Connection
from core.runtime import open_runtime
from core.settings import Settings
from sandbox import Sandbox, SandboxConfig, open_sandbox
from staff.grants import grants_of
from staff.invitations import accept_invitation, find_invitation, invite
from staff.sessions import Device, admit_session
from staff.sign_in import link_works, make_sign_in_link
from tests.integration.staff.conftest import Muster
from tests.support.command import muster
from tests.support.electorate import add_unit
from tests.support.outbox_rows import SMS_FROM, deliver, with_sandbox
from tests.support.staff_accounts import BY, add_account, set_up_app, sign_in
from tests.support.traces import found_in


async def send(settings: Settings, sandbox: Sandbox) -> None:
    """What a worker with the command's settings does."""
    keys = (SecretStr("a quiet river of nine green otters at dawn"),)
    async with open_runtime(with_sandbox(settings, sandbox, secret_key=keys), pool_size=5) as runtime:
        await deliver(runtime)


async def test_a_branch_with_a_new_name_leaves_no_role_behind_unseen(
    user: Muster, db: Connection, settings: Settings, tmp_path: Path
) -> None:
    members = tmp_path / "members.csv"
    members.write_text("Member ID,Region,Branch\n1,North,Leeds\n2,North,York\n")
    assert muster(settings, "people", "import", str(members)).returncode == 0
    user("add", "olga@union.example")
    assert user("add", "ada@union.example", "--role", "rep", "--unit", "Leeds").returncode == 0
    assert "nobody is in" not in user("list").stderr

    members.write_text("Member ID,Region,Branch\n1,South,Leeds\n2,North,York\n")
    note = "nobody is in these units, so these roles show no people: ada@union.example, rep of North / Leeds."
    for done in (muster(settings, "people", "import", str(members)), user("list")):
        assert done.returncode == 0
        assert note in done.stderr
    assert await db.fetchval("select count(*) from unit where name = 'Leeds'") == 2


async def test_roles_are_given_listed_and_taken_back(user: Muster, db: Connection) -> None:
    region = await add_unit(db, "North", "region")
    await add_unit(db, "Leeds", parent=region)
    first = user("add", "olga@union.example")
    assert "There is only one administrator" in first.stderr
    asked = user("add", "ada@union.example")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "--role ROLE" in asked.stderr
    assert "service manager" in asked.stderr
    assert user("add", "ada@union.example", "--role", "rep", "--unit", "north/leeds").returncode == 0

    given = user("grant", "ada@union.example", "approver", "--until", "2199-12-31")
    assert given.stdout == (
        "ada@union.example is approver of the whole organisation until Tuesday 31 December 2199 (last day)."
        " They need a second factor, and set it up when they sign in.\n"
    )
    again = user("grant", "ada@union.example", "approver")
    assert again.stderr.startswith("Error: ada@union.example is approver of the whole organisation already.")
    wrong = user("grant", "ada@union.example", "rep", "--unit", "Leds")
    assert (wrong.returncode, wrong.stderr) == (1, "Error: There is no unit “Leds”.\nDid you mean Leeds?\n")
    assert user("grant", "ada@union.example", "rep", "--until", "soon").returncode == 2
    assert user("grant", "ada@union.example").returncode == 2

    listed = user("list").stdout
    assert (
        "rep of North / Leeds; approver of the whole organisation until Tuesday 31 December 2199 (last day)"
        " · no second factor" in listed
    )
    ada, _ = json.loads(user("list", "--json").stdout)
    assert [(grant["role"], grant["unit"]) for grant in ada["grants"]] == [("rep", "North / Leeds"), ("approver", None)]

    elsewhere = user("revoke", "ada@union.example", "rep")
    assert elsewhere.returncode == 1
    assert "ada@union.example is not rep of the whole organisation.\nThey are rep of North / Leeds;" in elsewhere.stderr
    assert user("revoke", "ada@union.example", "rep", "--everywhere").stdout == "1 grant revoked.\n"
    assert user("revoke", "ada@union.example", "approver").stdout == "1 grant revoked.\n"
    assert "no role" in user("list").stdout
    for words in (("revoke", "olga@union.example", "administrator"), ("disable", "olga@union.example")):
        refused = user(*words)
        assert refused.returncode == 1
        assert "nobody would be administrator" in refused.stderr
    assert user("grant", "ada@union.example", "administrator").stderr == ""


async def test_a_file_of_grants_is_all_or_nothing(user: Muster, db: Connection, tmp_path: Path) -> None:
    ada = await add_account(db, "ada@union.example", now=system_clock())
    await add_account(db, "olga@union.example", "administrator", now=system_clock())
    path = tmp_path / "grants.csv"
    path.write_text(
        "email,role,unit\nada@union.example,rep,whole organisation\neve@union.example,rep,whole organisation\n"
    )
    refused = user("grant", "--file", str(path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Row 3: Nobody on the staff has the address “eve@union.example”." in refused.stderr
    assert await grants_of(db, ada, system_clock()) == ()
    path.write_text(
        "email,role,unit\nada@union.example,rep,whole organisation\nada@union.example,caller,whole organisation\n"
    )
    lines = [f"ada@union.example is {role} of the whole organisation.\n" for role in ("rep", "caller")]
    assert user("grant", "--file", str(path)).stdout == "".join([*lines, "2 grants given.\n"])
    assert user("grant", "--file", str(path)).stdout == "0 grants given. 2 rows were given before.\n"
    assert user("grant", "ada@union.example", "--file", str(path)).returncode == 2


async def test_an_invitation_is_mailed_and_accepted(user: Muster, db: Connection, settings: Settings) -> None:
    await add_account(db, "olga@union.example", "administrator", now=system_clock())
    refused = user("invite", "ada@union.example", "Ada", "--role", "rep")
    assert "No mail relay is set up" in refused.stderr
    assert await db.fetchval("select count(*) from staff_invitation") == 0
    async with open_sandbox(SandboxConfig()) as sandbox:
        relay = {"MUSTER_SMTP_URL": sandbox.smtp_url}
        options = ("--role", "rep", "--days", "3", "--until", "31 March 2199")
        words = ("invite", "Ada@union.example", "Ada <b>Price</b>", *options)
        sent = await asyncio.to_thread(user, *words, **relay)
        role = "rep of the whole organisation until Sunday 31 March 2199 (last day)"
        assert sent.stdout.startswith(f"The invitation as {role} goes to ada@union.example; its link works until ")
        assert f"to be {role} · its link works until " in user("list").stdout
        for early in (("grant", "ada@union.example", "caller"), ("link", "ada@union.example")):
            assert "is invited, and has not accepted yet.\nAnother link: " in user(*early).stderr
        no_role = user("invite", "eve@union.example")
        assert (no_role.returncode, "The roles are: administrator, " in no_role.stderr) == (1, True)
        twice = await asyncio.to_thread(user, *words, **relay)
        assert "invited already" in twice.stderr
        again = await asyncio.to_thread(user, "invite", "ada@union.example", "--again", **relay)
        assert again.returncode == 0, again.stderr
        await send(settings, sandbox)
        newer, older = [mail.parse() for mail in sandbox.mailbox.newest()]
        assert newer["Subject"] == "Your invitation to The Union on Muster"
        tokens = []
        for mail in (newer, older):
            plain, styled = mail.get_body(("plain",)), mail.get_body(("html",))
            assert plain is not None
            assert styled is not None
            assert "Ada &lt;b&gt;Price" in styled.get_content()
            for text in (plain.get_content(), styled.get_content()):
                assert re.search(
                    rf"An administrator \(.+\) invites you to The Union on Muster, as {re.escape(role)}\.", text
                )
            [token] = re.findall(r"https://vote\.example\.org/console/first-sign-in/(\S+)", plain.get_content())
            tokens.append(token)
        works = [await find_invitation(db, token, now=system_clock()) is not None for token in tokens]
        assert sorted(works) == [False, True], "the first link ended with the second"
    assert await found_in(db, tuple(tokens)) == set(), "a key has no place in the database"
    token = tokens[works.index(True)]
    assert await accept_invitation(db, token, now=system_clock(), device=Device()) is not None
    assert "rep of the whole organisation" in user("list").stdout
    assert user("withdraw", "ada@union.example").returncode == 1


async def test_who_is_invited_and_added_by_hand_is_there_once(user: Muster, db: Connection) -> None:
    await add_account(db, "olga@union.example", "administrator", now=system_clock())
    await invite(db, "ada@union.example", "Ada Price", "rep", by=BY, now=system_clock())
    added = user("add", "ada@union.example", "--role", "viewer", "--until", "31/01/2199")
    assert "ada@union.example is viewer of the whole organisation until Thursday 31 January 2199" in added.stderr
    assert "Their invitation is withdrawn" in added.stderr
    listed = user("list").stdout
    assert (listed.count("ada@union.example"), "Ada Price" in listed) == (1, True)


async def test_a_grant_to_come_is_not_said_to_be_there(user: Muster, db: Connection) -> None:
    now = system_clock()
    await add_account(db, "olga@union.example", "administrator", now=now)
    await add_account(db, "ada@union.example", "viewer", now=now)
    await set_up_app(db, await sign_in(db, "ada@union.example", now=now), now=now)
    words = "coordinator of the whole organisation from Friday 1 February 2199 until Friday 1 March 2199 (last day)"
    given = user("grant", "ada@union.example", "Coordinator", "--from", "1/2/2199", "--until", "1 March 2199")
    assert given.stdout == f"ada@union.example will be {words}.\n", "she has an app"
    assert words in user("list").stdout
    for words in ("grant", "revoke"):
        own = user(words, "olga@union.example", "administrator", "--actor", "Olga@union.example")
        assert (own.returncode, "Nobody changes their own grants." in own.stderr) == (1, True)


async def test_the_account_for_trying_out_is_marked(user: Muster, db: Connection) -> None:
    await add_account(db, "staff@localhost", "administrator", now=system_clock())
    listed = user("list")
    assert "does not count as an administrator" in listed.stdout
    assert "There is no administrator of the whole organisation" in listed.stderr


async def test_a_lost_phone_is_reset_and_told_by_mail_and_text(
    user: Muster, db: Connection, settings: Settings
) -> None:
    now = system_clock()
    ada = await add_account(db, "ada@union.example", "administrator", now=now)
    await db.execute("update staff set phone = '+447700900123'")
    _, token, _ = await set_up_app(db, await sign_in(db, "ada@union.example", now=now), now=now)
    link = (await make_sign_in_link(db, email="ada@union.example", now=now, by=BY)).rpartition("/")[2]
    assert "authenticator app, 10 recovery codes" in user("list").stdout
    async with open_sandbox(SandboxConfig()) as sandbox:
        providers = {
            "MUSTER_SMTP_URL": sandbox.smtp_url,
            "MUSTER_TWILIO_ACCOUNT_SID": sandbox.config.twilio.account_sid,
            "MUSTER_TWILIO_AUTH_TOKEN": sandbox.config.twilio.auth_token,
            "MUSTER_SMS_FROM": SMS_FROM,
        }
        done = await asyncio.to_thread(user, "reset", "ada@union.example", "--actor", "Grace", **providers)
        assert done.stdout.splitlines()[0] == (
            "Removed: 1 authenticator app, 0 passkeys, 10 recovery codes. Ended: 1 session."
        ), done.stderr
        await send(settings, sandbox)
        assert sorted(mail.parse()["Subject"] for mail in sandbox.mailbox.newest()) == [
            "An authenticator app was set up at The Union on Muster",
            "Your second factors at The Union on Muster were reset",
        ]
        [text] = [message for message in sandbox.twilio.messages if message.direction == "outbound-api"]
        assert text.to == "+447700900123"
        assert "were reset" in text.body
    assert await admit_session(db, token, now=system_clock()) is None
    assert not await link_works(db, link, now=system_clock())
    audit = await db.fetch("select actor, subject from audit_shown where action = 'staff.second_factors_reset'")
    assert [tuple(row) for row in audit] == [("Grace", f"staff {ada}")]
    without = user("reset", "ada@union.example")
    assert without.returncode == 0, "who has lost a phone does not wait for a relay"
    assert "They are not told by mail" in without.stdout


async def test_sessions_are_listed_and_ended(user: Muster, db: Connection) -> None:
    now = system_clock()
    await add_account(db, "ada@union.example", "rep", now=now)
    laptop = await sign_in(db, "ada@union.example", now=now)
    phone = await sign_in(db, "ada@union.example", now=now, browser="Safari on an iPhone")
    listed = user("sessions", "ada@union.example").stdout
    assert "Firefox on Windows" in listed
    [line] = [line for line in listed.splitlines() if "iPhone" in line]
    assert "network 192.0.2.0/24" in line
    assert user("sessions", "ada@union.example", "--end", "00000000").returncode == 1
    assert user("sessions", "ada@union.example", "--end", line.split()[0]).stdout == "Ended: 1 session.\n"
    assert await admit_session(db, phone, now=now) is None
    assert await admit_session(db, laptop, now=now) is not None
    [left] = json.loads(user("sessions", "ada@union.example", "--json").stdout)
    assert left["browser"] == "Firefox on Windows"
    assert "digest" not in left
    assert user("sessions", "ada@union.example", "--end-all").stdout == "Ended: 1 session.\n"
    assert user("sessions", "ada@union.example").stdout == "ada@union.example is signed in nowhere.\n"
