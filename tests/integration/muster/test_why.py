"""`muster messages why`: of whom, and why nothing else; what is asked of one is never answered by another."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.skipped_steps import skipped_steps
from core.db import Connection
from core.settings import Settings
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from tests.support.command import run_commands
from tests.support.electorate import NOW, add_ballot, add_person
from tests.support.outbox_rows import add_messages, add_step


async def add_campaign(db: Connection, ballot_id: int, name: str = "reminders", state: str = "running") -> int:
    campaign_id: int = await db.fetchval(
        "insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)"
        " values ($1, 'R', 'ballot', $2, $3, '{}', $4, 'ann') returning campaign_id",
        name, ballot_id, state, {"steps": [{}, {}, {"audience": {"language": ["cy"]}}]},
    )  # fmt: skip
    return campaign_id


async def test_a_number_that_is_nobodys_is_not_somebody_elses_message(settings: Settings, db: Connection) -> None:
    amy = await add_person(db, "0001006", sms="+447700900126", first_name="Amy")
    step = await add_step(db)
    ids = await add_messages(db, step, "sms", [f"+4477009001{n}" for n in range(30, 40)], first_person=amy)
    zeros, long, shown, huge, near, bare, named = run_commands(
        settings,
        f"messages why {ids[2]:07}", "messages why 00000000000000000000001", f"messages why {ids[-1] + 100}",
        f"messages why {'9' * 25}", "messages why 1006", f"messages why {ids[3]}", f"messages why '#{ids[3]}' --json",
    )  # fmt: skip
    for done in (zeros, long, shown, huge, near):
        assert (done.code, done.out) == (1, "")
        assert "Nobody has the number" in done.err
    assert "Did you mean 0001006? For the message with that number, write #1006." in near.err
    assert bare.code == 0
    assert f"Nobody has the number {ids[3]}. This is the message #{ids[3]}." in bare.out
    assert (named.code, named.json()[0]["message_id"]) == (0, ids[3])


async def test_a_recipient_is_found_by_any_notation_and_named(settings: Settings, db: Connection) -> None:
    amy = await add_person(db, "0001006", sms="+447700900126", first_name="Amy")
    await add_person(db, "0001007", sms="+447700900126", first_name="[b]Bob")
    step = await add_step(db)
    await add_messages(db, step, "sms", ["+447700900126"], first_person=amy)
    await db.execute(
        "insert into message (step_id, campaign_id, person_id, state, reason)"
        " select step_id, campaign_id, person_id + 1, 'skipped', 'shared_address' from message"
    )
    spaced, told, listed, rows = run_commands(
        settings, "messages why 044 7700 900126", "messages why 07700900126 --json", "messages list",
        "messages list --json",
    )  # fmt: skip
    assert spaced.out.index("0001006  Amy Lee") < spaced.out.index("0001007  [b]Bob Lee"), spaced.err
    assert [(row["external_id"], row["name"]) for row in told.json()] == [
        ("0001006", "Amy Lee"), ("0001007", "[b]Bob Lee"),
    ]  # fmt: skip
    assert "0001007  [b]Bob Lee" in listed.out
    assert '"external_id":"0001007","name":"[b]Bob Lee"' in rows.out


async def test_planned_steps_and_steps_without_a_message_are_listed(settings: Settings, db: Connection) -> None:
    person = await add_person(db, "M1", sms="+447700900126", email="m1@example.org")
    other = await add_person(db, "M2")
    ballot_id = await add_ballot(db)
    for person_id in (person, other):
        await db.execute("insert into elector (ballot_id, person_id) values ($1, $2)", ballot_id, person_id)
    campaign_id = await add_campaign(db, ballot_id)
    first = await add_step(db, campaign_id=campaign_id, launched_at=NOW)
    await add_messages(db, first, "sms", ["+447700900126"], first_person=person)
    due = NOW + timedelta(days=3)
    for position in (2, 3):
        await add_step(db, campaign_id=campaign_id, position=position, state="planned", due_at=due, launched_at=None)
    zone = NOW.tzinfo
    assert zone
    second, third = await skipped_steps(db, person, now=NOW, zone=zone)
    assert (second.campaign, second.step, second.starts_at) == ("reminders", 2, due)
    assert second.words == (
        "It is planned for Wednesday 25 November 2026, 12:00. As things stand now, they get it by email."
    )
    assert third.words.endswith("As things stand now, they are not in its audience.")
    backfill, unreached, _ = await skipped_steps(db, other, now=NOW, zone=zone)
    assert backfill.words == "It was launched on Sunday 22 November 2026, 12:00; they were not in its audience."
    assert unreached.words.endswith(
        "As things stand now, they get nothing: There is no usable address on any channel of this step."
    )
    (shown,) = run_commands(settings, "messages why M1")
    assert "No message: reminders, step 2, nudge\n  It is planned for " in shown.out


@pytest.mark.parametrize(
    ("state", "before", "words"),
    [
        ("draft", "update step set due_at = null", "It is planned; its campaign is not launched yet."),
        ("running", "delete from elector", "They are not in the electorate of pay-2026 now."),
        ("running", "update step set state = 'launching'", "It is being launched, and has not come to them yet."),
        ("paused", "update step set state = 'cancelled'", "It was called off before it started."),
    ],
)
async def test_every_obstacle_to_a_step_is_named(db: Connection, state: str, before: str, words: str) -> None:
    person = await add_person(db, "M1", sms="+447700900126")
    ballot_id = await add_ballot(db)
    await db.execute("insert into elector (ballot_id, person_id) values ($1, $2)", ballot_id, person)
    campaign_id = await add_campaign(db, ballot_id, state=state)
    due = NOW + timedelta(days=1)
    await add_step(db, campaign_id=campaign_id, state="planned", due_at=due, launched_at=None)
    await db.execute(before)
    assert NOW.tzinfo
    (only,) = await skipped_steps(db, person, now=NOW, zone=NOW.tzinfo)
    assert words in only.words


def test_a_misspelt_reason_gets_a_suggestion(settings: Settings) -> None:
    misspelt, strange = run_commands(settings, "messages list --reason hled", "messages list --reason xyz")
    assert (misspelt.code, strange.code) == (2, 2)
    assert "did you mean held?" in misspelt.err
    assert "it is one of" in strange.err


async def test_somebody_of_whom_only_an_address_is_known_is_not_called_erased(
    settings: Settings, db: Connection
) -> None:
    sender_id = await use_sender(db, "email", "ballot@union.test")
    asked = NewMessage(
        MessageKind.STAFF_REPLY, "email", "ann@x.test", sender_id, Contents("We will ring.", "Hello"), "olga"
    )
    await send_to(db, asked, at=NOW)
    why, rows, nobody = run_commands(
        settings, "messages why ann@x.test", "messages why ann@x.test --json", "messages why bob@x.test"
    )
    assert why.out.startswith("nobody in your member file\nMessage 1: a staff reply")
    assert (rows.json()[0]["external_id"], rows.json()[0]["name"]) == (None, "")
    assert (nobody.code, nobody.out) == (1, "")
    assert "bob@x.test, nothing was sent there, and nothing came from it." in nobody.err
