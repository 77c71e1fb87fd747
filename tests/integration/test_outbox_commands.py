"""`muster messages`, as people type it."""

import os
import subprocess
import sys
from pathlib import Path

import orjson

from messaging.db import Connection
from messaging.settings import Settings
from messaging.suppression import suppress
from tests.integration.electorate import add_person
from tests.integration.outbox_rows import MAIL_FROM, SMS_FROM, add_messages, add_step, states

ROOT = Path(__file__).parents[2]


def muster(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
        "MUSTER_DATABASE_URL": settings.database_url or "",
        "MUSTER_REDIS_URL": settings.redis_url or "",
        "MUSTER_SECRET_KEY": settings.secret_key[0].get_secret_value(),
        "MUSTER_PUBLIC_URL": settings.public_url,
        "COLUMNS": "150",
    }
    return subprocess.run(
        [sys.executable, "-m", "muster", "messages", *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


async def test_why_tells_a_persons_history_in_words(settings: Settings, db: Connection) -> None:
    person_id = await add_person(db, "M-17", sms="+447700900001")
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", ["+447700900001"], first_person=person_id)
    await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")

    told = muster(settings, "why", "M-17")
    assert told.returncode == 0, told.stderr
    assert f"Message {only}: step 1, nudge, by sms to +447700900001 from {SMS_FROM}" in told.stdout
    assert "suppressed: It was stopped. They asked not to receive these messages." in told.stdout
    assert told.stdout.index("It was queued.") < told.stdout.rindex("It was stopped.")

    (story,) = orjson.loads(muster(settings, "why", f"#{only}", "--json").stdout)
    assert (story["state"], story["reason"]) == ("suppressed", "opted_out")
    assert [event["state"] for event in story["history"]] == ["queued", "suppressed"]

    nobody = muster(settings, "why", "M-99")
    assert nobody.returncode == 1
    assert "Nobody has the membership number M-99." in nobody.stderr


async def test_lists_and_decisions(settings: Settings, db: Connection) -> None:
    step = await add_step(db)
    ids = await add_messages(db, step, "email", ["a@x.test", "b@x.test"])
    await db.execute("update message set state = 'ambiguous', reason = 'held' where message_id = $1", ids[0])
    await db.execute("update message set state = 'failed', reason = 'sender_refused' where message_id = $1", ids[1])

    lines = muster(settings, "list", "--state", "ambiguous", "--state", "failed", "--json").stdout.splitlines()
    assert [orjson.loads(line)["message_id"] for line in lines] == ids
    assert "waits for a person to decide" in muster(settings, "list", "--reason", "held").stdout
    assert "no such messages" in muster(settings, "list", "--state", "read").stdout

    assert "1 message taken for sent" in muster(settings, "settle", "--as", "sent").stdout
    assert "1 message refused" in muster(settings, "resume", MAIL_FROM).stdout
    assert await states(db, step) == {"accepted": 1, "queued": 1}

    wrong = muster(settings, "resume", "nobody@x.test")
    assert (wrong.returncode, "Nothing is sent from nobody@x.test." in wrong.stderr) == (1, True)
    assert muster(settings, "settle").returncode == 2
