"""Messages of campaigns that are over are archived at the right time; reports and late answers stay right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import orjson
import pytest

from ballots.counts import find_totals, refresh_reach
from campaigns.replies.answers import Inbound, answer_reply, record_answer
from campaigns.replies.opt_outs import opt_out, resume_by_link
from campaigns.replies.reply_inbox import open_replies
from campaigns.retention import (
    archive_campaign,
    archive_due,
    archive_next,
    delete_year_at_once,
    due_campaigns,
    last_close,
    retention_lock,
    summarise_year,
)
from console import progress
from core.db import Connection
from core.errors import InputError
from core.http.outbound_http import open_outbound_http
from core.keyring import digest
from core.member_link_lifetime import ARCHIVE_DELAY, LINK_LIFETIME
from core.runtime import Runtime
from core.settings import Settings
from messaging.outbox.dispatcher import Dispatcher
from muster.jobs import TIDY_AFTER, TIDY_EVERY, Jobs
from muster.metrics import MESSAGES_BY_STATE
from muster.operator import operator
from tests.support.command import muster
from tests.support.outbox_rows import SMS_FROM, add_messages, add_step
from tests.support.past_rows import CLOSED, NOW, Past, add_past, rows_in
from tests.support.rows import row_of
from webhooks import delete_stale_rows
from webhooks.members.page_views import PageViews
from webhooks.members.recipient import find_recipient

_numbers = count(1000)
LATEST = NOW - ARCHIVE_DELAY


@pytest.fixture
async def past(db: Connection) -> Past:
    return await add_past(db)


@pytest.fixture
async def worker(runtime: Runtime) -> AsyncIterator[Jobs]:
    here = replace(runtime, clock=lambda: NOW)
    async with open_outbound_http(()) as outside:
        jobs = Jobs(here, Dispatcher(here, {}), outside)
        yield jobs
        await jobs.finish(10)


async def archive(db: Connection, past: Past, *, limit: int = 30) -> int:
    (due,) = await due_campaigns(db, LATEST, name=past.name)
    return (await archive_campaign(db, due, PageViews(), actor=operator("ada"), now=NOW, limit=limit)).messages


async def test_links_are_unknown_before_their_messages_may_move(db: Connection) -> None:
    assert ARCHIVE_DELAY > LINK_LIFETIME
    assert await db.fetchval("select archive_delay()") == ARCHIVE_DELAY, "the database guards the same time"
    with pytest.raises(ValueError, match="archive_after"):
        Settings(_env_file=None, archive_after=ARCHIVE_DELAY.days - 1)
    assert last_close(NOW, ARCHIVE_DELAY.days) == LATEST
    with pytest.raises(InputError, match="links still work"):
        last_close(NOW, 90, LATEST + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("campaign", "step", "closed", "due"),
    [
        ("finished", "finished", CLOSED, True),
        ("cancelled", "cancelled", CLOSED, True),
        ("finished", "finished", LATEST, False),
        ("running", "finished", CLOSED, False),
        ("paused", "finished", CLOSED, False),
        ("finished", "running", CLOSED, False),
    ],
)
async def test_campaigns_due_for_archiving_are_found(
    db: Connection, campaign: str, step: str, closed: object, *, due: bool
) -> None:
    past = await add_past(db, closed=closed, campaign_state=campaign, step_state=step)  # type: ignore[arg-type]
    assert [campaign.name for campaign in await due_campaigns(db, LATEST)] == ([past.name] if due else [])


async def test_a_campaign_is_archived_with_the_audit_saying_so_once(db: Connection, past: Past) -> None:
    (due,) = await due_campaigns(db, LATEST)
    assert (await archive_next(db, due, PageViews(), actor=operator("ada"), now=NOW, limit=50)).messages == 50
    assert not await db.fetchval("select count(*) from audit_shown where actor <> 'database'")
    assert await archive(db, past) == 30
    rows = await db.fetch("select actor, action, subject from audit_shown where actor <> 'database'")
    assert [tuple(row) for row in rows] == [("ada", "campaign.archived", "campaign pay-2025")]
    assert await due_campaigns(db, LATEST) == []


async def test_the_count_of_contacted_people_does_not_fall(db: Connection, past: Past) -> None:
    twin = await add_past(db, "pay-again", people=16)
    await db.execute("update campaign set subject_id = $1 where campaign_id = $2", past.ballot_id, twin.campaign_id)
    await db.execute("update step set goal_id = $1 where campaign_id = $2", past.step.goal_id, twin.campaign_id)
    await db.execute("update elector set ballot_id = $1 where ballot_id = $2", past.ballot_id, twin.ballot_id)
    await refresh_reach(db, past.ballot_id)
    before = await find_totals(db, past.ballot_id)
    assert before["contacted"] == 36, "delivered and sent: three of each eight"
    (due, _) = await due_campaigns(db, LATEST)
    await archive_next(db, due, PageViews(), actor=operator("ada"), now=NOW, limit=10)
    for name in (past, twin):
        await refresh_reach(db, past.ballot_id)
        await archive(db, name)
    await refresh_reach(db, past.ballot_id)
    assert await find_totals(db, past.ballot_id) == before
    await delete_year_at_once(db, await summarise_year(db, 2026), actor=operator("ada"))
    await refresh_reach(db, past.ballot_id)
    assert await find_totals(db, past.ballot_id) == before
    await db.execute("delete from address where person_id in (select person_id from address limit 1)")
    assert await refresh_reach(db, past.ballot_id) == 2, "reachable, and by text: those are still counted"


async def test_pages_and_metrics_say_the_same_before_amid_and_after(db: Connection, past: Past) -> None:
    async def said() -> object:
        states = {row["state"]: row["n"] for row in await db.fetch(MESSAGES_BY_STATE)}
        shown_campaign = await progress.find_campaign(db, past.name, NOW)
        return (
            states,
            shown_campaign.steps[0].counts,
            shown_campaign.steps[0].reasons,
            by_channel(shown_campaign.steps[0]),
            shown_campaign.steps[0].segments,
        )

    before = await said()
    (due,) = await due_campaigns(db, LATEST)
    await archive_next(db, due, PageViews(), actor=operator("ada"), now=NOW, limit=33)
    assert await said() == before
    await archive(db, past)
    assert await said() == before
    await delete_year_at_once(db, await summarise_year(db, 2026), actor=operator("ada"))
    assert await said() == before


def by_channel(step: progress.StepProgress) -> object:
    return [(channel.channel, dict(channel.counts), channel.total, channel.segments) for channel in step.by_channel]


async def say(db: Connection, text: str, address: str) -> object:
    inbound = Inbound(
        inbound_id=next(_numbers), channel="sms", address=address, senders=(SMS_FROM,), text=text, received_at=NOW
    )
    return await answer_reply(db, inbound)


async def test_a_reply_a_year_late_reaches_a_person_who_sees_what_it_answers(db: Connection, past: Past) -> None:
    recipient = await db.fetchrow("select message_id, person_id, address from message where state = 'sent' limit 1")
    assert recipient is not None
    await archive(db, past)
    answered = await say(db, "I have voted", recipient["address"])
    assert (answered.why_open, answered.answer_id) == ("late", None)  # type: ignore[attr-defined]
    (reply,) = await open_replies(db)
    assert (reply.message_id, reply.person_id, reply.subject) == (
        recipient["message_id"],
        recipient["person_id"],
        "pay-2025-ballot",
    )
    claim_id = await record_answer(
        db, message_id=recipient["message_id"], person_id=recipient["person_id"], meaning="voted", channel="sms",
        actor=operator("ada"), at=NOW,
    )  # fmt: skip
    assert await db.fetchval("select ballot_id from claim where claim_id = $1", claim_id) == past.ballot_id


async def test_stop_a_year_late_is_obeyed(db: Connection, past: Past) -> None:
    message_id, address = await row_of(db, "select message_id, address from message where state = 'sent' limit 1")
    await archive(db, past)
    await say(db, "STOP", address)
    row = await db.fetchrow("select e.reason, e.message_id from suppression join suppression_event e using (event_id)")
    assert tuple(row or ()) == ("opted_out", message_id)


async def test_an_opt_out_by_the_link_of_an_archived_message_can_be_taken_back(
    runtime: Runtime, db: Connection, past: Past
) -> None:
    message_id, person_id, address = await row_of(
        db, "select message_id, person_id, address from message where state = 'sent' limit 1"
    )
    await opt_out(db, message_id=message_id, everywhere=True, source="link")
    await archive(db, past)
    now = await add_past(db, "pay-2026", closed=NOW + timedelta(days=5), campaign_state="running", step_state="running")
    step = await add_step(db, campaign_id=now.campaign_id, position=2)
    (later,) = await add_messages(db, step, "sms", [address], first_person=person_id, state="sent")
    token = "zzzz456789abc"
    await db.execute("insert into link (digest, message_id, action) values ($1, $2, 'confirm')", digest(token), later)
    recipient = await find_recipient(db, runtime.keyring.read_link(token), "confirm", NOW)
    assert recipient is not None
    assert (recipient.stopped, recipient.stopped_by_link) == (True, True)
    await resume_by_link(db, message_id=later, source="link")
    assert await rows_in(db, "suppression") == (0,)


async def test_a_worker_tidies_up_bit_by_bit_when_nothing_is_sent(
    worker: Jobs, db: Connection, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.jobs.archive_due", partial(archive_due, limit=30))
    assert "tidying" not in {task.get_name() for task in worker.tick()}, "a worker that starts has better things to do"
    worker.tidying.next_at = time.monotonic()
    assert "tidying" in {task.get_name() for task in worker.tick()}
    await asyncio.gather(*(job.task for job in (worker.launch, worker.reconcile, worker.tidying) if job.task))
    assert await rows_in(db, "message_archive") == (30,)

    step = await add_step(db, campaign_id=past.campaign_id, position=2)
    await add_messages(db, step, "sms", ["+447700900001"])
    await worker.tidying.ask()
    assert await rows_in(db, "message_archive") == (30,), "something is being sent"
    assert worker.tidying.next_at > time.monotonic() + TIDY_AFTER - 60

    await db.execute("update message set state = 'delivered' where step_id = $1", step.step_id)
    await db.execute("update step set state = 'finished'")
    for moved in (60, 80, 81):
        await worker.tidying.ask()
        assert await rows_in(db, "message_archive") == (moved,)
        assert worker.tidying.next_at < time.monotonic() + 60
    await worker.tidying.ask()
    assert worker.tidying.next_at > time.monotonic() + TIDY_EVERY - 60
    assert await db.fetchval("select actor from audit_shown where action = 'campaign.archived'") == "muster"


async def test_only_one_worker_archives_at_a_time(worker: Jobs, settings: Settings, db: Connection, past: Past) -> None:
    assert settings.database_url is not None
    async with retention_lock(settings.database_url) as first:
        assert first is not None
        async with retention_lock(settings.database_url, chunk_timeout=0.3) as second:
            assert second is None
        await worker.tidying.ask()
        assert await rows_in(db, "message_archive") == (0,)
    await worker.tidying.ask()
    assert await rows_in(db, "message_archive") == (80,)


async def test_processed_items_are_deleted_when_they_are_old(db: Connection) -> None:
    await db.execute(
        """
        insert into inbound_log (source, dedupe_key, subject, payload, received_at, state, processed_at)
        select 'twilio_status', n::text, 's', '{}', $1::timestamptz - n * interval '1 day',
               case when n % 10 = 0 then 'parked' when n % 10 = 1 then 'new' else 'done' end,
               case when n % 10 = 2 then $1 when n % 10 > 2 then $1 - (n - 0.5) * interval '1 day' end
        from generate_series(59, 0, -1) as n
        """,
        NOW,
    )
    await db.execute(
        "insert into inbound_malformed (source, problem, body, expires_at)"
        " values ('t', 'p', '', $1), ('t', 'p', '', $2)",
        NOW - timedelta(days=1), NOW + timedelta(days=1),
    )  # fmt: skip
    before = NOW - timedelta(days=30)
    assert await delete_stale_rows(db, before, now=NOW, page=7) == 21
    left = {int(row["dedupe_key"]) for row in await db.fetch("select dedupe_key from inbound_log")}
    assert left == {n for n in range(60) if n <= 30 or n % 10 in {0, 1, 2}}, "what waits, or was done lately, stays"
    assert await delete_stale_rows(db, before, now=NOW, page=7) == 0
    assert await rows_in(db, "inbound_malformed") == (1,)


async def test_the_command_archives_a_campaign(settings: Settings, db: Connection, past: Past) -> None:
    today = datetime.now(UTC)
    await add_past(db, "strike-2026", closed=today - timedelta(days=5))
    await add_past(db, "rules-2026", campaign_state="paused")
    planned = orjson.loads(muster(settings, "messages", "archive", "--dry-run", "--json").stdout)
    assert (planned["dry_run"], planned["messages"]) == (True, 80)
    assert [text["campaign"] for text in planned["campaigns"]] == ["pay-2025"]
    assert await rows_in(db, "message_archive") == (0,)

    young = muster(settings, "messages", "archive", "--campaign", "strike-2026")
    assert (young.returncode, "not long enough ago" in young.stderr) == (1, True)
    going = muster(settings, "messages", "archive", "--campaign", "rules-2026")
    assert (going.returncode, "it is paused" in going.stderr) == (1, True)
    unknown = muster(settings, "messages", "archive", "--campaign", "pay-1926")
    assert (unknown.returncode, "no campaign pay-1926" in unknown.stderr) == (1, True)
    early = muster(settings, "messages", "archive", "--before", f"{today:%Y-%m-%d}")
    assert (early.returncode, "links still work" in early.stderr) == (1, True)
    assert "Nothing is old enough." in muster(settings, "messages", "archive", "--before", "2020-01-01").stdout

    done = muster(settings, "messages", "archive", "--actor", "ada")
    assert done.returncode == 0, done.stderr
    assert "pay-2025 (pay-2025-ballot, closed 2026-05-06): 80 messages" in done.stdout
    assert "80 messages moved into the archive." in done.stdout
    assert "Nothing is old enough." in muster(settings, "messages", "archive").stdout
    why = muster(settings, "messages", "why", "pay-2025-7")
    assert "skipped: It was not sent. There is no usable address" in why.stdout, why.stderr
    assert len(muster(settings, "messages", "list", "--campaign", "pay-2025", "--json").stdout.splitlines()) == 80


async def test_the_command_deletes_a_year(settings: Settings, db: Connection, past: Past) -> None:
    await archive(db, past)
    await add_past(db, "rules-2026", people=8, campaign_state="paused")
    none = muster(settings, "messages", "delete", "--year", "2020", "--yes")
    assert (none.returncode, "no messages of 2020. It has: 2026" in " ".join(none.stderr.split())) == (1, True)
    kept = muster(settings, "messages", "delete", "--year", "2026", said=b"n\n")
    assert kept.returncode == 1
    assert "pay-2025: 80 messages" in kept.stdout
    assert "8 messages of 2026 not archived yet: those stay." in kept.stdout
    assert await rows_in(db, "message_archive") == (80,)

    shown = muster(settings, "messages", "delete", "--year", "2026", "--actor", "ada", said=b"y\n")
    assert "80 messages of 2026 deleted." in shown.stdout, shown.stderr
    assert await rows_in(db, "message_archive", "message_event_archive", "message") == (0, 0, 8)
    row = await db.fetchrow("select actor, subject, detail from audit_shown where action = 'messages.deleted'")
    detail = {"messages": 80, "campaigns": {"pay-2025": 80}, "login": "muster_worker"}
    assert tuple(row or ()) == ("ada", "messages of 2026", detail)
    nobody = muster(settings, "messages", "why", "pay-2025-7")
    assert (nobody.returncode, "pay-2025, step" in nobody.stdout) == (0, False), "what is forgotten is not guessed at"
    assert "No message: rules-2026" in nobody.stdout
