"""A campaign about nothing that is asked: from the file to the archive, without a word of ballots anywhere."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
import orjson
import pytest
from twilio.request_validator import RequestValidator

from campaigns.launch import launch_due_steps
from campaigns.replies.answers import Inbound, answer_reply
from campaigns.replies.classification import OwnMail
from campaigns.replies.reply_inbox import open_replies, read_by_staff, reply_thread
from core.db import Connection
from core.errors import Conflict
from core.member_link_lifetime import LINK_LIFETIME
from core.runtime import Runtime
from core.settings import Settings
from muster.operator import operator
from sandbox import Sandbox
from tests.support.clocks import FixedClock
from tests.support.console_site import console_site
from tests.support.council_commands import of_a_ballot, run_for_council
from tests.support.inbound_rows import BROWSER, Forms, look, press, serve
from tests.support.member_states import Client
from tests.support.outbox_rows import SMS_FROM, deliver, with_sandbox
from webhooks import process_inbound
from webhooks.subscriptions.event_sources import read_events

PEOPLE = """member id,first name,mobile,email,language
1,Ann,07400900001,,en
2,Bob,07400900002,,en
3,Carys,,carys@example.org,cy
"""
FILE = """
[notice]
title = "New bin days"
organisation = "Northtown Council"

[campaign]
name = "bins"
title = "Bin days from December"
quiet_hours = "none"

[[campaign.steps]]
template = "bin-days"
channels = ["sms", "email"]
"""
SMS = """---
purpose: service
{menu}---
Hello {{{{ first_name }}}}, your bins are emptied on Thursdays from December. More: {{{{ confirm_link }}}}
STOP to opt out
"""
EMAIL = """---
purpose: service
subject: "New bin days"
---
Hello {{ first_name }},

Your bins are emptied on Thursdays from December.

[See more]({{ confirm_link }})
"""


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    for name, menu in (("bin-days", ""), ("bin-digits", "menu: {1: voted}\n")):
        folder = tmp_path / "messages" / name
        folder.mkdir(parents=True)
        text = SMS.format(menu=menu).replace("More:", "Reply 1. More:" if menu else "More:")
        (folder / "sms.txt").write_text(text, encoding="utf-8")
    (tmp_path / "messages" / "bin-days" / "email.md").write_text(EMAIL, encoding="utf-8")
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "bins.toml").write_text(FILE, encoding="utf-8")
    return tmp_path


async def test_a_notice_from_its_file_to_the_archive(
    runtime: Runtime, db: Connection, settings: Settings, sandbox: Sandbox, templates: Path
) -> None:
    texts: list[str] = []

    def do(words: str, code: int = 0) -> str:
        done = run_for_council(settings, sandbox, templates, words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        texts.append(done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    do(f"people import {templates / 'people.csv'}")
    texts.clear()  # that is about a member file, whatever comes of it
    assert "It can be used" in do("template check bin-days --about notice")
    assert "has a menu of digits, and a notice wants no answer" in do("template check bin-digits --about notice", 1)
    do(f"campaign create {templates / 'bins.toml'}")
    assert "2  get it by text" in do("campaign launch bins --yes")
    assert "bins" in do("campaign list")
    listed = orjson.loads(do("campaign list --json"))
    assert listed[0]["about"] == {"notice": "bins"}

    clock = FixedClock(datetime.now(UTC) + timedelta(hours=1))
    here = replace(
        runtime,
        clock=clock,
        settings=with_sandbox(settings, sandbox, organisation="Northtown Council", templates=templates),
    )
    assert (await deliver(here)).accepted == 3
    await sandbox.idle()
    ann, bob = (next(sandbox.twilio.messages.to(f"+4474009000{n:02}")) for n in (1, 2))
    (carys,) = sandbox.mailbox.to("carys@example.org")
    texts += [ann.body, bob.body, carys.parse().as_string()]

    async with serve(here) as client, console_site(here) as site:
        await the_page_says_what_it_was_about(here, db, client, ann.body, texts)
        await replies_wait_and_stop_works(here, db, client, texts)
        await a_mail_stops_mails(db)
        output = orjson.loads(do("campaign status bins --json"))
        assert set(output) == {"campaign", "steps", "opted_out", "answers_until"}, "no answer is counted"
        do("campaign status bins")
        do("replies list")

        assert await launch_due_steps(here) == 0
        assert await db.fetchval("select state from campaign") == "finished"
        told_others = await read_events(db, "audit", 0, 1_000_000, {"campaign.started", "campaign.finished"})
        assert [(event.type, event.data["subject_kind"], event.data["subject"]) for event in told_others] == [
            (kind, "notice", "bins") for kind in ("campaign.started", "campaign.finished")
        ]
        await site.sign_in()
        for path in ("/console/", "/console/campaigns/bins"):
            status, page = await site.get(path)
            assert status == 200
            assert "New bin days" in page
            texts.append(page)

        link = re.search(r"http://muster\.test(/\w+)", bob.body)
        assert link is not None
        clock.now = (await db.fetchval("select finished_at from campaign")) + LINK_LIFETIME - timedelta(hours=1)
        await look(client, link[1])
        clock.wait(hours=2)
        assert (await client.get(link[1])).status == 404
    assert "not long enough ago" in do("messages archive --campaign bins", 1)
    await db.execute("update campaign set finished_at = now() - interval '100 days'")
    assert "Nothing is old enough." in do("messages archive --before 2020-01-01")
    assert "3 messages moved into the archive." in do("messages archive")
    year = await db.fetchval("select max(year) from message_archive")
    for finished in (None, datetime.now(UTC) - timedelta(days=60)):
        await db.execute("update campaign set finished_at = $1", finished)
        with pytest.raises(asyncpg.RaiseError, match="messages of bins cannot be deleted yet"):
            await db.execute("select drop_archive_year($1, $2)", year, operator("ada").to_json())
    await db.execute("update campaign set finished_at = now() - interval '100 days'")
    assert await db.fetchval("select drop_archive_year($1, $2)", year, operator("ada").to_json()) == 3
    assert {words: of_a_ballot(words) for words in texts if of_a_ballot(words)} == {}


async def the_page_says_what_it_was_about(
    here: Runtime, db: Connection, client: Client, text: str, said: list[str]
) -> None:
    link = re.search(r"http://muster\.test(/\w+)", text)
    assert link is not None
    page = await see(client, link[1], said)
    assert (page.shown, "New bin days" in page.words, "You need not answer it." in page.words) == (["stop"], True, True)
    for path in (f"{link[1]}?lang=cy", f"/p{link[1]}", f"/p{link[1]}?lang=cy"):
        await see(client, path, said)
    here.clock.wait(seconds=150)  # type: ignore[attr-defined]
    forged = await press(client, link[1], page, "voted")
    assert "One more question" in forged.words, "no page of a notice has that button"
    assert forged.shown == ["nothing", "stop"]
    assert await db.fetchval("select count(*) from suppression") == 0
    here.clock.wait(seconds=150)  # type: ignore[attr-defined]
    stopped = await press(client, link[1], forged, "stop")
    assert "We have stopped." in stopped.words
    here.clock.wait(seconds=150)  # type: ignore[attr-defined]
    again = await see(client, link[1], said)
    assert again.shown == ["undo_stop"]
    assert await db.fetchval("select count(*) from suppression where reason = 'opted_out'") == 2


async def see(client: Client, path: str, said: list[str]) -> Forms:
    answer = await client.get(path, headers={"User-Agent": BROWSER})
    assert answer.status == 200
    said.append(await answer.text())
    return Forms(said[-1])


async def replies_wait_and_stop_works(here: Runtime, db: Connection, client: Client, said: list[str]) -> None:
    for number, words in enumerate(("1", "I have posted it", "Which bin is it?", "STOP")):
        form = {
            "AccountSid": here.settings.twilio_account_sid, "MessageSid": f"SM{number:032x}", "Body": words,
            "From": "+447400900002", "To": SMS_FROM, "NumMedia": "0",
        }  # fmt: skip
        url = f"{here.settings.public_url}/webhooks/twilio/inbound"
        signature = RequestValidator(here.settings.twilio_auth_token[0].get_secret_value()).compute_signature(url, form)
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post("/webhooks/twilio/inbound", data=urlencode(form), headers=headers)
        assert answer.status == 200
        said.append(await answer.text())
        while await process_inbound(here, 10):
            pass
    waiting = await open_replies(db)
    assert [(reply.text, reply.reading, reply.about) for reply in waiting] == [
        (words, "unclear", "the notice bins") for words in ("1", "I have posted it", "Which bin is it?")
    ]
    assert await db.fetchval("select count(*) from claim") == 0
    assert await db.fetchval(
        "select count(*) from suppression where address = '+447400900002' and reason = 'opted_out'"
    ) == 1  # fmt: skip
    with pytest.raises(Conflict, match="no answer to a notice"):
        await read_by_staff(db, waiting[0].reply_id, reading="voted", actor=operator("ada"), at=here.clock())
    await read_by_staff(db, waiting[0].reply_id, reading="call_me", actor=operator("ada"), at=here.clock())
    assert (await reply_thread(db, waiting[0].reply_id)).state == "closed"


async def a_mail_stops_mails(db: Connection) -> None:
    message_id = await db.fetchval("select message_id from message where channel = 'email'")
    text = "Please take me off your list"
    mail = Inbound(
        99, "email", "carys@example.org", ("hello@council.test",), text, datetime.now(UTC), message_id=message_id,
        read=OwnMail(text).read(),
    )  # fmt: skip
    answered = await answer_reply(db, mail)
    assert (answered.reading, answered.answer_id) == ("opt_out", None)
    assert await db.fetchval("select reason from suppression where address = 'carys@example.org'") == "opted_out"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('template = "bin-digits"', "the template bin-digits has a menu of digits, and a notice wants no answer"),
        ('template = "ballot-reminder"', "there is no variable “ballot”"),
        ("audience = { answered = true }", "audience.answered: nobody answers a notice: leave the key out"),
    ],
)
async def test_a_notice_with_keys_of_other_subjects_is_refused(
    settings: Settings, sandbox: Sandbox, templates: Path, change: str, problem: str
) -> None:
    run_for_council(settings, sandbox, templates, f"people import {templates / 'people.csv'}")
    key = change.partition(" ")[0]
    kept = [line for line in FILE.splitlines() if not line.startswith(f"{key} ")]
    (templates / "bins.toml").write_text(
        "\n".join([*kept, change]).replace('"email"', '"sms"').replace('["sms", "sms"]', '["sms"]')
    )
    refused = run_for_council(settings, sandbox, templates, f"campaign create {templates / 'bins.toml'}")
    assert refused.returncode == 1
    assert problem in refused.stderr
