"""`muster messages`, as people type it."""

from datetime import time
from pathlib import Path

import orjson

from core.db import Connection
from core.frequency_caps import parse_caps
from core.settings import Settings
from messaging.outbox.claim import claim
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.reasons import SENTENCES, Reason
from messaging.states import State
from messaging.suppression import suppress
from tests.support.command import muster
from tests.support.electorate import add_person
from tests.support.outbox_rows import MAIL_FROM, NOON, SMS_FROM, add_messages, add_step, dispatcher, later, states

ROOT = Path(__file__).parents[3]


async def test_why_prints_a_persons_history_in_words(settings: Settings, db: Connection) -> None:
    person_id = await add_person(db, "M-17", sms="+447700900001")
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", ["+447700900001"], first_person=person_id)
    await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")

    shown = muster(settings, "messages", "why", "M-17")
    assert shown.returncode == 0, shown.stderr
    assert f"Message {only}: step 1, nudge, by sms to +447700900001 from {SMS_FROM}" in shown.stdout
    assert "suppressed: It was stopped. They asked not to receive these messages." in shown.stdout
    assert shown.stdout.index("It was queued.") < shown.stdout.rindex("It was stopped.")

    (story,) = orjson.loads(muster(settings, "messages", "why", f"#{only}", "--json").stdout)
    assert (story["state"], story["reason"]) == ("suppressed", "opted_out")
    assert [event["state"] for event in story["history"]] == ["queued", "suppressed"]

    for typed in ("99999999999999999999", "²", "#99999999999999999999"):
        told = muster(settings, "messages", "why", typed)
        assert (told.returncode, told.stdout) == (1, "")
        assert f"Error: Nobody has the number {typed}." in told.stderr
    nobody = muster(settings, "messages", "why", "M-99")
    assert nobody.returncode == 1
    assert "Nobody has the number M-99." in nobody.stderr


async def test_why_prints_every_wait_and_retry(settings: Settings, db: Connection) -> None:
    person_id = await add_person(db, "M-17", sms="+447700900001")
    earlier = await add_step(db, campaign_id=2, state="finished")
    await add_messages(
        db, earlier, "email", ["a@x.test"], first_person=person_id, state="delivered", sent_at=later(hours=-1)
    )
    step = await add_step(
        db, quiet_from=time(12), quiet_until=time(13), window_from=time(14), window_until=time(18),
        send_before=later(days=3),
    )  # fmt: skip
    (only,) = await add_messages(db, step, "sms", ["+447700900001"], first_person=person_id)
    caps, host = parse_caps("1 in 1 day"), await dispatcher(db, "host-1")
    for now in (NOON, later(hours=2), later(hours=23), later(hours=26)):
        taken = await claim(db, step.due("sms"), limit=1, now=now, dispatcher_id=host, caps=caps)
    attempt = taken.messages[0].attempt
    await record_outcomes(db, [], [Intent(only, attempt, None, None)], source="twilio", now=NOON)
    done = Outcome(only, attempt, State.ACCEPTED, code="201", reply="201 queued", provider_id="SM1", segments=1)
    await record_outcomes(db, [done], [], source="twilio", now=NOON)
    undelivered = Receipt(None, "SM1", State.UNDELIVERED, "twilio", "30003", NOON, reason=Reason.UNREACHABLE, again=2)
    await apply_receipts(db, [undelivered, undelivered])
    await apply_receipts(db, [Receipt(None, "SM1", State.DELIVERED, "twilio", "delivered", NOON)])

    shown = muster(settings, "messages", "why", f"#{only}")
    assert shown.returncode == 0, shown.stderr
    lines = [line[35:] for line in shown.stdout.splitlines() if line.startswith("  2026-")]
    assert lines[:6] == [
        "It was queued.",
        "It was their quiet time, so it waits. Not before Sunday 22 November 2026, 14:00.",
        "They have had enough messages from us lately. Not before Monday 23 November 2026, 11:00.",
        f"{SENTENCES[Reason.SENDING_WINDOW]} Not before Monday 23 November 2026, 14:00.",
        "Try 1: host-1 took it for sending.",
        "The provider took it. The provider said: 201 queued",
    ]
    assert lines[6] == (
        "The network could not deliver it. Their phone was off or out of reach for too long. (code 30003)"
    )
    assert lines[7].startswith(
        "The problem is often temporary, so it is tried again. Not before Sunday 22 November 2026"
    )
    assert lines[7].endswith("retry 1 of at most 2.")
    assert lines[8].startswith("Of an earlier try was said “undelivered”, which changes nothing any more.")
    assert lines[9] == "It was delivered. This was said of an earlier try."
    assert "The provider calls it SM1." in shown.stdout
    assert shown.stdout.endswith("Times are those of Europe/London.\n")


async def test_unknown_outcomes_are_listed_and_decided(settings: Settings, db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "email", ["a@x.test", "b@x.test"])
    await db.execute("update message set state = 'ambiguous', reason = 'held' where message_id = $1", ids[0])
    await db.execute("update message set state = 'failed', reason = 'sender_refused' where message_id = $1", ids[1])

    lines = muster(
        settings, "messages", "list", "--state", "ambiguous", "--state", "failed", "--json"
    ).stdout.splitlines()
    assert [orjson.loads(line)["message_id"] for line in lines] == ids
    assert "a member of staff has to decide" in muster(settings, "messages", "list", "--reason", "held").stdout
    assert "no such messages" in muster(settings, "messages", "list", "--state", "read").stdout

    assert "1 message taken for sent" in muster(settings, "messages", "settle", "--as", "sent").stdout
    assert "1 message refused" in muster(settings, "messages", "resume", MAIL_FROM).stdout
    assert await states(db, step) == {"accepted": 1, "queued": 1}

    wrong = muster(settings, "messages", "resume", "nobody@x.test")
    assert (wrong.returncode, "No messages are sent from nobody@x.test." in wrong.stderr) == (1, True)
    assert muster(settings, "messages", "settle").returncode == 2
