"""`muster user`: letting staff in and out again, as an operator types it."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re

import pytest
from pydantic import SecretStr

from core.clock import system_clock
from core.db import Connection
from core.runtime import open_runtime
from core.settings import Settings
from messaging.suppression import suppress
from sandbox import Sandbox, SandboxConfig, open_sandbox
from staff.sessions import admit_session
from staff.sign_in import link_works, use_link
from tests.integration.staff.conftest import Muster
from tests.support.outbox_rows import SMS_FROM, deliver, with_sandbox
from tests.support.traces import found_in


async def test_an_account_signs_in_and_out(user: Muster, db: Connection) -> None:
    assert "muster user add" in user("list").stdout
    assert user("add", "olga@union.example.com").returncode == 0

    added = user("add", "Ada@Union.example.com", "--name", "Ada", "--role", "administrator")
    assert added.returncode == 0, added.stderr
    where, _, token = added.stdout.strip().rpartition("/")
    assert where == "https://vote.example.org/console/sign-in"
    assert added.stderr == (
        "This link works once, for 15 minutes; anybody who has it can use it.\n"
        "ada@union.example.com is administrator of the whole organisation.\n"
    ), "two administrators: no note"
    assert await link_works(db, token, now=system_clock())

    again = user("add", "ada@union.example.com")
    assert (again.returncode, again.stdout) == (1, "")
    assert "muster user link ada@union.example.com" in again.stderr

    assert user("disable", "ADA@union.example.com").returncode == 0
    assert not await link_works(db, token, now=system_clock())
    refused = user("link", "ada@union.example.com")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: The access of ada@union.example.com was taken away.")

    again = user("add", "ada@union.example.com", "--role", "viewer")
    assert "is on the staff already, as " in again.stderr
    assert "disabled" in again.stderr
    assert "muster user enable ada@union.example.com gives them back" in again.stderr
    enabled = user("enable", "ada@union.example.com")
    assert enabled.returncode == 0
    assert "They have again: administrator of the whole organisation" in enabled.stdout
    assert user("link", "ada@union.example.com").stdout.startswith("https://vote.example.org/console/sign-in/")
    ada, olga = json.loads(user("list", "--json").stdout)
    assert (ada["email"], ada["name"], ada["disabled_at"]) == ("ada@union.example.com", "Ada", None)
    assert [grant["role"] for grant in olga["grants"]] == ["administrator"], "the first of all"
    me = pwd.getpwuid(os.getuid()).pw_name
    audit = await db.fetch("select actor, action, came_from from audit_shown order by audit_id")
    assert [row["action"] for row in audit] == [
        "staff.added", "grant.given", "staff.link_made", "staff.added", "grant.given", "staff.link_made",
        "staff.disabled", "staff.enabled", "staff.link_made",
    ]  # fmt: skip
    assert {row["came_from"] for row in audit} == {me}
    assert {row["actor"] for row in audit} == {me}


async def test_the_audit_names_the_actor_beside_the_system_user(user: Muster, db: Connection) -> None:
    for words in (
        ("add", "ada@union.example.com", "--role", "rep"),
        ("link",),
        ("sign-out",),
        ("disable",),
        ("enable",),
    ):
        assert user(*words, *(["ada@union.example.com"] if len(words) == 1 else []), "--actor", "Grace").returncode == 0
    audit = await db.fetch("select actor, came_from from audit_shown")
    assert len(audit) == 7
    assert {row["actor"] for row in audit} == {"Grace"}
    assert {row["came_from"] for row in audit} == {pwd.getpwuid(os.getuid()).pw_name}


async def test_signing_somebody_out_ends_sessions_and_unused_links(user: Muster, db: Connection) -> None:
    tokens = [user("add", "ada@union.example.com").stdout.strip().rpartition("/")[2]]
    tokens += [user("link", "ada@union.example.com").stdout.strip().rpartition("/")[2] for _ in range(2)]
    sessions = [await use_link(db, token, now=system_clock()) for token in tokens[:2]]
    ended = user("sign-out", "Ada@union.example.com")
    assert "Ended: 2 sessions and 1 unused link." in ended.stdout, ended.stderr
    for session in sessions:
        assert await admit_session(db, session, now=system_clock()) is None
    assert not await link_works(db, tokens[2], now=system_clock())
    [ada] = json.loads(user("list", "--json").stdout)
    assert ada["signed_in_at"], "when somebody was here last is still known"


async def test_a_link_is_mailed_by_a_worker_and_kept_nowhere(user: Muster, db: Connection, settings: Settings) -> None:
    async with open_sandbox(SandboxConfig()) as sandbox:
        added = await asyncio.to_thread(
            user, "add", "ada@union.example.com", "--name", "Ada <b>Price</b>", "--send",
            MUSTER_SMTP_URL=sandbox.smtp_url,
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        assert added.stdout.startswith("The link goes by mail to ada@union.example.com; it works once, until ")
        assert "No worker is up to send it; start one: muster worker" in added.stdout
        assert "/console/sign-in/" not in added.stdout + added.stderr
        await send(settings, sandbox)
        [mail] = sandbox.mailbox.newest()
        parsed = mail.parse()
        assert parsed["From"] == "The Union <ballot@union.test>"
        assert parsed["Subject"] == "Sign in to The Union on Muster"
        assert parsed["Auto-Submitted"] == "auto-generated"
        plain, styled = parsed.get_body(("plain",)), parsed.get_body(("html",))
        assert plain is not None
        assert styled is not None
        text, html = plain.get_content(), styled.get_content()
        [link] = re.findall(r"https://vote\.example\.org/console/sign-in/\S+", text)
        assert html.count(f'href="{link}"') == 2
        assert "Ada &lt;b&gt;Price" in html
        token = link.rpartition("/")[2]
        assert await link_works(db, token, now=system_clock())
    assert await found_in(db, (token,)) == set(), "a key has no place in the database"
    assert await db.fetchval("select state from message") == "accepted"


async def test_a_link_is_texted_to_who_has_a_phone(user: Muster, db: Connection, settings: Settings) -> None:
    async with open_sandbox(SandboxConfig()) as sandbox:
        twilio = {
            "MUSTER_TWILIO_ACCOUNT_SID": sandbox.config.twilio.account_sid,
            "MUSTER_TWILIO_AUTH_TOKEN": sandbox.config.twilio.auth_token,
            "MUSTER_SMS_FROM": SMS_FROM,
        }
        await asyncio.to_thread(user, "add", "ada@union.example.com")
        refused = await asyncio.to_thread(user, "link", "ada@union.example.com", "--text", **twilio)
        assert "has no mobile here" in refused.stderr
        assert "muster user phone ada@union.example.com NUMBER" in refused.stderr
        assert await db.fetchval("select count(*) from sign_in") == 1, "no link that nobody gets"
        told = await asyncio.to_thread(user, "phone", "ada@union.example.com", "07700", "900123")
        assert told.stdout == "Links by text go to +447700900123.\n"
        sent = await asyncio.to_thread(user, "link", "ada@union.example.com", "--text", **twilio)
        assert sent.stdout.startswith("The link goes by text to +447700900123; it works once, until ")
        await suppress(db, channel="sms", address="+447700900123", reason="opted_out", source="sms_reply")
        await send(settings, sandbox)
        [text] = [message for message in sandbox.twilio.messages if message.direction == "outbound-api"]
        assert (text.to, text.sender) == ("+447700900123", SMS_FROM)
        [link] = re.findall(r"https://vote\.example\.org/console/sign-in/\S+", text.body)
        assert await link_works(db, link.rpartition("/")[2], now=system_clock())
        tried = await asyncio.to_thread(user, "link", "ada@union.example.com", "--text", **twilio)
        assert tried.stdout.startswith("The link is tried by text to +447700900123, as links for staff always are")
        assert "stopped: They asked not to receive these messages." in tried.stdout
        assert "muster user link ada@union.example.com" in tried.stdout
    assert "no links by text" in user("phone", "ada@union.example.com").stdout


async def send(settings: Settings, sandbox: Sandbox) -> None:
    """What a worker with the command's settings does."""
    keys = (SecretStr("a quiet river of nine green otters at dawn"),)
    async with open_runtime(with_sandbox(settings, sandbox, secret_key=keys), pool_size=5) as runtime:
        await deliver(runtime)


async def test_without_a_relay_no_link_is_made_and_nobody_added(user: Muster, db: Connection) -> None:
    user("add", "ada@union.example.com")
    await db.execute("delete from sign_in")
    for words in (("link", "ada@union.example.com"), ("add", "eve@union.example.com", "--role", "viewer")):
        failed = user(*words, "--send")
        assert (failed.returncode, failed.stdout) == (1, "")
        assert "No mail relay is set up" in failed.stderr
        assert "/console/sign-in/" not in failed.stderr
    assert await db.fetchval("select count(*) from sign_in") == 0
    assert await db.fetchval("select count(*) from staff") == 1


@pytest.mark.parametrize("words", [("link", "nobody@x.org"), ("disable", "nobody@x.org"), ("add", "not an address")])
def test_impossible_accounts_are_refused(user: Muster, words: tuple[str, ...]) -> None:
    refused = user(*words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: ")
