"""`muster webhooks`, as people type it, and the worker that does what it says."""

import asyncio
import signal
import subprocess
import sys

import orjson

from core.db import Connection
from core.settings import ROOT, Settings
from messaging.suppression import suppress
from tests.support.command import environment, muster
from tests.support.receivers import Receiver
from tests.support.waiting import until


async def run(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(muster, settings, "webhooks", *words)


async def test_commands_add_test_pause_and_remove_a_subscription(
    settings: Settings, receiver: Receiver, db: Connection
) -> None:
    added = await run(settings, "add", "crm", receiver.url, "--event", "opt_out.*", "--json")
    assert added.returncode == 0, added.stderr
    secret = orjson.loads(added.stdout)["secret"]
    assert secret.startswith("whsec_")

    tested = await run(settings, "test", "crm")
    assert tested.stdout.startswith("The receiver accepted it: 204")
    assert receiver.got[0].verify(secret)["type"] == "webhook.test"

    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "muster", "worker", cwd=ROOT, env=environment(settings), stderr=asyncio.subprocess.PIPE
    )
    try:
        await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")

        async def arrived() -> bool:
            return len(receiver.got) == 2

        await until(arrived)
        shown = orjson.loads((await run(settings, "show", "crm", "--json")).stdout)
        assert (shown["state"], shown["waiting"], "secret" in shown) == ("active", 0, False)
        assert (await run(settings, "rotate", "crm")).stdout.startswith("The new secret of crm")
        again = await run(settings, "resend", "crm", str(shown["cursor"]))
        assert again.returncode == 0
        assert receiver.got[2].verify(secret) == receiver.got[1].event
    finally:
        worker.send_signal(signal.SIGTERM)
        _, log = await worker.communicate()
    assert worker.returncode == 0
    assert secret.encode() not in log

    listed, logged = [done.stdout for done in await asyncio.gather(run(settings, "list"), run(settings, "log", "crm"))]
    assert "crm" in listed
    assert "opt_out.*" in listed
    assert [word in logged for word in ("opt_out.added", "webhook.test", "resend", "taken (204)")] == [True] * 4
    actions = await db.fetch("select action from audit_shown where subject = 'webhook crm' order by audit_id")
    assert (await run(settings, "remove", "crm")).returncode == 0
    assert [row["action"] for row in actions] == ["webhook.added", "webhook.rotated"]
    assert await db.fetchval("select count(*) from webhook_subscription") == 0


async def test_an_impossible_request_is_refused_with_a_remedy(settings: Settings, receiver: Receiver) -> None:
    nobody, unheard, nothing, _ = await asyncio.gather(
        run(settings, "show", "nobody"),
        run(settings, "add", "other", receiver.url, "--event", "claim.never"),
        run(settings, "add", "other", receiver.url),
        run(settings, "add", "crm", receiver.url, "--event", "*"),
    )
    assert (nobody.returncode, "There is no webhook nobody." in nobody.stderr) == (1, True)
    assert (unheard.returncode, "There is no event 'claim.never'." in unheard.stderr) == (1, True)
    assert nothing.returncode == 2

    receiver.answers(500)
    failed, paused, unkept = await asyncio.gather(
        run(settings, "test", "crm"),
        run(settings, "pause", "crm", "--reason", "moving"),
        run(settings, "replay", "crm", "--after", "7"),
    )
    assert (failed.returncode, "The receiver did not accept it. It answered 500." in failed.stderr) == (1, True)
    assert (paused.returncode, "paused: moving" in paused.stdout) == (0, True)
    assert (unkept.returncode, "There is nothing to replay after 7" in unkept.stderr) == (1, True)
    twice = await run(settings, "pause", "crm")
    assert (twice.returncode, "The webhook crm is paused and cannot be paused." in twice.stderr) == (1, True)
