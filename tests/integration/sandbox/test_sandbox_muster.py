"""The sandbox's members and scanners against Muster itself: what they did is what Muster knows, and nothing else is."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.message import EmailMessage

import aiohttp
import aiosmtplib
from aiohttp import web
from pydantic import SecretStr

import webhooks
from core.clock import system_clock
from core.db import Connection
from core.runtime import Runtime
from muster.app import make_app
from sandbox import Profile, Sandbox, SandboxConfig, TwilioConfig, open_sandbox
from tests.support.electorate import add_ballot, add_person, add_unit
from tests.support.inbound_rows import add_links

OURS = "+447480000001"
TWILIO = TwilioConfig(sent_after=(0.0, 0.05), delivered_after=(0.0, 0.1))
BY_EMAIL = {
    "open": 0.1,
    "press:voted": 0.35,
    "press:not_yet": 0.1,
    "press:no_ballot_paper": 0.1,
    "press:stop": 0.05,
    "unsubscribe_page": 0.1,
    "one_click": 0.1,
}
BY_SMS = {"press:voted": 0.25, "reply:voted": 0.3, "reply:opt_out": 0.15, "reply:not_voted": 0.1, "reply:unclear": 0.1}
LIVELY = Profile(email=BY_EMAIL, sms=BY_SMS, undo=0.2, speed=20_000, scanned=0.6, scanner_speed=50)


@asynccontextmanager
async def open_muster(runtime: Runtime) -> AsyncIterator[Runtime]:
    """Muster's web application, reachable at its public address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = runtime.settings.model_copy(
        update={
            "public_url": f"http://127.0.0.1:{port}",
            "twilio_account_sid": TWILIO.account_sid,
            "twilio_auth_token": (SecretStr(TWILIO.auth_token),),
            "sms_from": OURS,
        }
    )
    reachable = replace(runtime, settings=settings)
    runner = web.AppRunner(make_app(reachable), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield reachable
    await runner.cleanup()


async def add_message(db: Connection, runtime: Runtime, step: int, person: int, channel: str, address: str) -> int:
    """A message that has just been sent, with its links."""
    message: int = await db.fetchval(
        "insert into message (step_id, campaign_id, person_id, channel, address, state, sender_id, sent_at)"
        " select $1, campaign_id, $2, $3, $4, 'accepted', sms_sender_id, now() from step where step_id = $1"
        " returning message_id",
        step, person, channel, address,
    )  # fmt: skip
    await add_links(runtime, db, message, channel)
    return message


async def add_step(db: Connection) -> int:
    ballot = await add_ballot(db, opens=system_clock().replace(year=2000), closes=system_clock().replace(year=2100))
    campaign = await db.fetchval(
        "insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)"
        " values ('x', 'X', 'ballot', $1, 'running', '{}', '{}', 'test') returning campaign_id",
        ballot,
    )
    sender = await db.fetchval("insert into sender (channel, address) values ('sms', $1) returning sender_id", OURS)
    step: int = await db.fetchval(
        "insert into step (campaign_id, position, template, content, purpose, channels, secret, goal_id, state,"
        " sms_sender_id) select $1, 1, 'x', '{}', 'service', '{sms,email}', 'x', goal_id, 'running', $3"
        " from ballot where ballot_id = $2 returning step_id",
        campaign, ballot, sender,
    )  # fmt: skip
    return step


async def write_to(sandbox: Sandbox, runtime: Runtime, message: int, channel: str, address: str) -> str | None:
    """Send the message; returns a text's SID."""
    url = runtime.settings.public_url
    token = runtime.keyring.email_token if channel == "email" else runtime.keyring.token
    confirm = f"{url}/{token(message, 'confirm')}"
    stop = f"{url}/u/{token(message, 'unsubscribe')}"
    if channel == "sms":
        headers = {"Authorization": aiohttp.encode_basic_auth(TWILIO.account_sid, TWILIO.auth_token)}
        form = {"To": address, "From": OURS, "Body": f"Have you posted your ballot paper? {confirm}"}
        api = f"{sandbox.twilio_base_url}/2010-04-01/Accounts/{TWILIO.account_sid}/Messages.json"
        async with runtime.http.post(api, data=form, headers=headers) as answer:
            return str((await answer.json())["sid"])
    mail = EmailMessage()
    mail["Subject"], mail["Message-ID"] = "Vote", f"<{message}@union.test>"
    mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"] = f"<{stop}>", "List-Unsubscribe=One-Click"
    mail.set_content(f"Have you posted your ballot paper? {confirm}\n\nNo more: {stop}")
    mail.add_alternative(f'<p><a href="{confirm}">Tell us</a> <a href="{stop}">No more</a></p>', subtype="html")
    port = int(sandbox.smtp_url.partition("?")[0].rpartition(":")[2])
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
        await smtp.send_message(mail, sender="b@union.test", recipients=[address])
    return None


async def test_muster_knows_exactly_the_members_actions(runtime: Runtime, db: Connection) -> None:
    async with open_muster(runtime) as muster:
        inbound = f"{muster.settings.public_url}/webhooks/twilio/inbound"
        async with open_sandbox(SandboxConfig(twilio=replace(TWILIO, inbound_url=inbound), members=LIVELY)) as sandbox:
            people = await _write_to_everybody(db, muster, sandbox, 120)
            await sandbox.idle()
            while await webhooks.process_inbound(muster, 500):
                pass
            assert sandbox.record.summary()["failed"] == {}
            assert dict(sandbox.twilio.webhooks.answers).keys() <= {"2xx"}
            await _check(db, sandbox, people)


async def _write_to_everybody(db: Connection, muster: Runtime, sandbox: Sandbox, members: int) -> dict[str, int]:
    """One half gets an email, one half a text; returns who is behind which address."""
    step, unit, people = await add_step(db), await add_unit(db, "North"), {}
    for number in range(members):
        channel, address = ("sms", f"+4477001{number:05}") if number % 2 else ("email", f"m{number}@example.test")
        person = await add_person(db, f"M{number}", unit=unit, **{channel: address})
        await db.execute("insert into elector select ballot_id, $1, $2 from ballot", person, unit)
        message = await add_message(db, muster, step, person, channel, address)
        if sid := await write_to(sandbox, muster, message, channel, address):
            await db.execute("update message set provider_id = $2 where message_id = $1", message, sid)
        people[address] = person
    return people


async def _check(db: Connection, sandbox: Sandbox, people: dict[str, int]) -> None:
    """Hold the two records against each other, person by person."""
    record = sandbox.record
    voted = {
        (row["person_id"], row["source"]) for row in await db.fetch("select * from claim_status where kind = 'voted'")
    }
    assert voted == {(people[answer.address], answer.route) for answer in record.confirmed()}
    assert len({source for _, source in voted}) == 2
    stopped = await db.fetch("select address from suppression where reason = 'opted_out' and channel <> 'person'")
    assert {row["address"] for row in stopped} == set(record.opted_out())
    assert len(set(record.opted_out().values())) > 1
    assert {hit.method for hit in record.hits} == {"HEAD", "GET", "POST"}
    only_machines = {people[hit.address] for hit in record.hits} - {
        people[answer.address] for answer in record.final_answers()
    }
    assert only_machines
    claimed = {row["person_id"] for row in await db.fetch("select person_id from claim")}
    assert not only_machines & claimed
