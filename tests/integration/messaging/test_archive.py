"""Messages move into the archive once and whole, whatever is killed; and answer from there as they did before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import timedelta

import asyncpg
import pytest

from campaigns.retention import delete_year
from core.db import Connection, connect, load_queries
from core.errors import Conflict, NotFound
from core.settings import ROOT
from messaging.outbox.archive import (
    ArchiveCounts,
    archive_chunk,
    archived_years,
    is_sending,
    ready_year,
    short_timeouts,
)
from messaging.outbox.counts import step_counts
from messaging.outbox.history import find_history, list_messages, message_status, messages_of
from messaging.outbox.receipts import Receipt, ReceiptResult, apply_receipts
from messaging.outbox.senders import resume_sender
from messaging.reasons import Reason
from messaging.states import State
from muster.operator import operator
from tests.support.outbox_rows import (
    add_messages,
    add_step,
    lose_outcomes,
    put_in_flight,
)
from tests.support.past_rows import NOW, Past, add_past, messages, rows_in, told
from tests.support.rows import row_of
from webhooks.members.page_views import PageViews

YEAR = 2026
MOVES = ("step_total", "message", "message_archive", "message_event", "message_event_archive", "page_view", "link")
"""Every table a chunk changes."""


@pytest.fixture
async def past(db: Connection) -> Past:
    return await add_past(db)


@pytest.fixture
async def own(database_url: str) -> AsyncIterator[Connection]:
    """A connection of its own, as a mover has; it may be killed."""
    connection = await connect(database_url)
    yield connection
    connection.terminate()


async def archive_all(db: Connection, past: Past, *, limit: int = 30) -> ArchiveCounts:
    await ready_year(db, past.step_id)
    total = ArchiveCounts()
    while (moved := await archive_chunk(db, past.step_id, PageViews(), limit=limit)).messages:
        total += moved
    return total


async def test_a_step_moves_whole_and_without_what_was_said_about_its_people(db: Connection, past: Past) -> None:
    before, events = await messages(db, "message", past.step_id), await told(db, "message_event")
    assert await archive_all(db, past) == ArchiveCounts(messages=80, events=320, links=80, page_views=60)
    assert await rows_in(db, "message", "message_event", "link", "page_view") == (0, 0, 0, 0)
    assert await messages(db, f"message_archive_{YEAR}", past.step_id) == before
    assert await told(db, f"message_event_archive_{YEAR}") == events
    columns = await db.fetchval(
        "select array_agg(attname) from pg_attribute where attrelid = 'message_archive'::regclass"
    )
    assert "variables" not in columns


async def test_numbers_of_a_step_are_the_same_before_amid_and_after(db: Connection, past: Past) -> None:
    await db.execute("update step set launched_at = launched_at where step_id = $1", past.step_id)
    before = await step_counts(db, past.campaign_id)
    assert (before[0].counts[State.DELIVERED], before[0].segments) == (20, 80)
    await ready_year(db, past.step_id)
    while (await archive_chunk(db, past.step_id, PageViews(), limit=7)).messages:
        assert await step_counts(db, past.campaign_id) == before
    assert await step_counts(db, past.campaign_id) == before
    assert await rows_in(db, "step_total") == (7,), "one for each end there was, however many chunks"
    assert await db.fetchval("select sum(opened)::int from step_total") == 20, "messages, not looks, and no scanner's"


async def test_history_answers_from_the_archive_as_before(db: Connection, past: Past) -> None:
    person = await db.fetchval("select person_id from message where reason = 'opted_out' order by 1 limit 1")

    async def answers() -> object:
        (only,) = await messages_of(db, person)
        listed = await list_messages(db, campaign_id=past.campaign_id, reason="opted_out", limit=4)
        return asdict(await message_status(db, only)), await find_history(db, only), listed

    before = await answers()
    await ready_year(db, past.step_id)
    await archive_chunk(db, past.step_id, PageViews(), limit=50)
    everywhere = await list_messages(db, campaign_id=past.campaign_id, limit=1000)
    assert len({message.message_id for message in everywhere}) == len(everywhere) == 80
    await archive_all(db, past)
    assert await answers() == before
    assert len(await list_messages(db, limit=1000)) == 80


@pytest.mark.parametrize("table", MOVES)
async def test_a_mover_killed_at_any_table_has_done_nothing_by_halves(
    db: Connection, superuser: Connection, own: Connection, database_url: str, past: Past, table: str
) -> None:
    before, events = await messages(db, "message", past.step_id), await told(db, "message_event")
    counts = await step_counts(db, past.campaign_id)
    await ready_year(db, past.step_id)
    await archive_chunk(db, past.step_id, PageViews(), limit=25)
    await superuser.execute(
        "create function die() returns trigger language plpgsql security definer as $$"
        " begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;"
        f"create trigger die after insert or update or delete on {table} for each statement execute function die()"
    )
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
        await archive_chunk(own, past.step_id, PageViews(), limit=25)
    assert await rows_in(db, "message", "message_archive", "message_event_archive") == (55, 25, 100)
    assert await messages(db, "message_any", past.step_id) == before
    assert await step_counts(db, past.campaign_id) == counts

    await superuser.execute(f"drop trigger die on {table}")
    again = await connect(database_url)
    await archive_all(again, past, limit=25)
    await again.close()
    assert await messages(db, "message_archive", past.step_id) == before
    assert await told(db, "message_event_archive") == events
    assert await step_counts(db, past.campaign_id) == counts
    assert await rows_in(db, "message", "message_event", "link", "page_view") == (0, 0, 0, 0)


async def test_a_mover_cancelled_or_cut_off_again_and_again_gets_there(
    db: Connection, superuser: Connection, database_url: str
) -> None:
    past = await add_past(db, people=2000)
    before, events = await messages(db, "message", past.step_id), await told(db, "message_event")
    counts = await step_counts(db, past.campaign_id)
    await ready_year(db, past.step_id)
    chance = random.Random(20261124)
    stopped = rounds = 0
    while await db.fetchval("select count(*) from message"):
        rounds += 1  # each gets a little longer, so that a busy machine gets there as well
        mover = await connect(database_url)
        task = asyncio.create_task(archive_all(mover, past, limit=chance.randint(20, 200)))
        done, _ = await asyncio.wait([task], timeout=chance.uniform(0.001, 0.05) * (1 + rounds / 20))
        if not done and chance.random() < 0.5:
            task.cancel()
        elif not done:
            await superuser.execute("select pg_terminate_backend($1)", mover.get_server_pid())
        await asyncio.gather(task, return_exceptions=True)
        stopped += not done
        mover.terminate()
        assert await step_counts(db, past.campaign_id) == counts
    assert stopped > 3, "otherwise this shows nothing"
    assert await messages(db, "message_archive", past.step_id) == before
    assert await told(db, "message_event_archive") == events


async def test_two_movers_at_once_move_each_message_once(db: Connection, own: Connection) -> None:
    past = await add_past(db, people=800)
    before = await messages(db, "message", past.step_id)
    await ready_year(db, past.step_id)
    one, other = await asyncio.gather(archive_all(db, past, limit=50), archive_all(own, past, limit=50))
    assert (one + other).messages == 800
    assert await messages(db, "message_archive", past.step_id) == before


@pytest.mark.parametrize("state", ["planned", "launching", "running", "paused"])
async def test_an_unfinished_step_is_not_archived(db: Connection, past: Past, state: str) -> None:
    await db.execute("update step set state = $2 where step_id = $1", past.step_id, state)
    assert await archive_chunk(db, past.step_id, PageViews()) == ArchiveCounts()


async def test_a_step_with_undecided_messages_is_not_archived(db: Connection, past: Past) -> None:
    held = await db.fetchval(
        "update message set state = 'ambiguous', reason = 'held'"
        " where message_id = (select min(message_id) from message) returning message_id"
    )
    assert (await archive_all(db, past)).messages == 79
    assert [message.message_id for message in await list_messages(db, states=[State.AMBIGUOUS])] == [held]
    assert await rows_in(db, "message_event", "link") == (4, 2)


async def test_a_sender_that_is_mended_while_its_messages_move_tries_them_or_finds_them_gone(
    db: Connection, own: Connection, past: Past
) -> None:
    await db.execute("update message set reason = 'sender_refused' where state = 'failed'")
    await ready_year(db, past.step_id)
    async with own.transaction():
        moved = await archive_chunk(own, past.step_id, PageViews(), limit=40)
        assert moved.messages == 40
        resuming = asyncio.create_task(resume_sender(db, past.step.senders["sms"], now=NOW, actor=operator("staff")))
        await asyncio.sleep(0)
    assert await resuming == 5, "those of the other forty"
    assert await archive_chunk(own, past.step_id, PageViews()) == ArchiveCounts(), "the step is open again"
    assert await rows_in(own, "message", "message_archive") == (40, 40)


async def test_looking_for_what_waits_does_not_read_the_archive(db: Connection, past: Past) -> None:
    await archive_all(db, past)
    queries = load_queries(str(ROOT / "messaging/outbox/history"))
    for states, reads in ((["ambiguous", "queued"], False), (["failed"], True)):
        plan = await db.fetch(f"explain {queries['list_messages']}", None, states, None, 0, 100, states)
        assert ("message_archive" in str(plan)) is reads
        plan = await db.fetch(f"explain {queries['list_exceptions']}", None, states, None, 0, 100)
        assert ("message_archive" in str(plan)) is reads


def receipt(message_id: int, state: State, reason: Reason | None = None, source: str = "twilio") -> Receipt:
    return Receipt(message_id, "SM1", state, source, "30003", NOW, {"status": state.value}, reason)


async def test_a_receipt_years_late_is_noted_and_moves_nothing(db: Connection, past: Past) -> None:
    sent, other = [row[0] for row in await db.fetch("select message_id from message where state = 'sent' limit 2")]
    await archive_all(db, past)
    counts = await step_counts(db, past.campaign_id)
    applied = await apply_receipts(
        db,
        [
            receipt(sent, State.DELIVERED),
            receipt(10**9, State.DELIVERED),
            receipt(sent, State.READ),
            receipt(other, State.UNDELIVERED, Reason.FILTERED),
        ],
    )
    assert applied == [
        ReceiptResult(sent, moved=False, state=State.SENT),
        ReceiptResult(None, moved=False),
        ReceiptResult(sent, moved=False, state=State.SENT),
        ReceiptResult(other, moved=False, state=State.SENT),
    ]
    words = [event.words for event in await find_history(db, sent)][-2:]
    assert [said.split("”")[0] for said in words] == ["A receipt said “delivered", "A receipt said “read"]
    assert (await message_status(db, sent)).state is State.SENT
    assert await step_counts(db, past.campaign_id) == counts
    assert await rows_in(db, "message_event") == (0,)
    assert await db.fetchval("select paused_reason from sender where channel = 'sms'") is None


async def test_a_complaint_years_late_still_silences_the_address(db: Connection, past: Past) -> None:
    sent, address = await row_of(db, "select message_id, address from message where state = 'sent' limit 1")
    await archive_all(db, past)
    await apply_receipts(db, [receipt(sent, State.COMPLAINED, Reason.COMPLAINED, "smtp")])
    assert await db.fetchval("select reason from suppression where address = $1", address) == "complained"


async def test_a_receipt_that_comes_while_its_message_moves_is_noted_in_the_archive(
    db: Connection, own: Connection, past: Past
) -> None:
    sent = await db.fetchval("select message_id from message where state = 'sent' limit 1")
    await ready_year(db, past.step_id)
    async with own.transaction():
        await archive_chunk(own, past.step_id, PageViews())
        late = asyncio.create_task(apply_receipts(db, [receipt(sent, State.DELIVERED)]))
        for _ in range(1000):
            if await own.fetchval("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"):
                break
            await asyncio.sleep(0.01)
        assert not late.done(), "it waits for the mover"
    assert await late == [ReceiptResult(sent, moved=False, state=State.SENT)]
    assert len(await find_history(own, sent)) == 5


async def test_a_message_whose_receipt_is_being_written_is_left_for_the_next_time(
    db: Connection, own: Connection, past: Past
) -> None:
    sent = await db.fetchval("select message_id from message where state = 'sent' limit 1")
    await ready_year(db, past.step_id)
    async with db.transaction():
        await apply_receipts(db, [receipt(sent, State.DELIVERED)])
        assert (await archive_all(own, past)).messages == 79
    assert (await archive_all(own, past)).messages == 1
    assert (await message_status(db, sent)).state is State.DELIVERED


async def test_a_year_is_dropped_with_its_history_and_its_numbers_stay(db: Connection, past: Past) -> None:
    earlier = await add_past(db, "pay-2024", closed=NOW - timedelta(days=800), people=16)
    for archived_past in (past, earlier):
        await archive_all(db, archived_past)
    counts = await step_counts(db, earlier.campaign_id)
    assert [archived.year for archived in await archived_years(db)] == [2024, YEAR]
    with pytest.raises(NotFound, match=r"no messages of 2023. It has: 2024, 2026"):
        async with short_timeouts(db):
            await delete_year(db, 2023, operator("ada"))
    async with short_timeouts(db):
        await delete_year(db, 2024, operator("ada"))
    assert [archived.year for archived in await archived_years(db)] == [YEAR]
    assert await rows_in(db, "message_any", "message_event_any") == (80, 320)
    assert await step_counts(db, earlier.campaign_id) == counts


async def test_a_year_that_is_being_read_is_not_waited_for_long(
    db: Connection, own: Connection, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive_all(db, past)
    monkeypatch.setattr(
        "messaging.outbox.archive.SQL",
        {
            **load_queries(str(ROOT / "messaging/outbox/archive.py")),
            "do_not_wait_long": "set local lock_timeout = '50ms'",
        },
    )
    async with own.transaction():
        await messages(own, "message_any", past.step_id)
        with pytest.raises(Conflict, match="Somebody is reading the archive"):
            async with short_timeouts(db):
                await delete_year(db, YEAR, operator("ada"))
    assert await rows_in(db, "message_archive") == (80,)


async def test_nothing_is_archived_while_anything_is_sent(db: Connection, past: Past) -> None:
    assert not await is_sending(db, NOW)
    step = await add_step(db, campaign_id=past.campaign_id, position=2)
    (only,) = await add_messages(db, step, "sms", ["+447700900001"])
    assert await is_sending(db, NOW)
    await db.execute("update sender set paused_reason = 'stopped' where channel = 'sms'")
    assert not await is_sending(db, NOW), "what waits for a person is not sent"
    await put_in_flight(db, only)
    assert await is_sending(db, NOW)
    await lose_outcomes(db)
    await db.execute(
        "update message set state = 'queued', not_before = $2 where message_id = $1", only, NOW + timedelta(1)
    )
    await db.execute("update sender set paused_reason = null")
    assert not await is_sending(db, NOW), "quiet hours are a good time"
    await db.execute("update step set state = 'launching' where step_id = $1", step.step_id)
    assert await is_sending(db, NOW)


HOT = {
    "messaging/outbox/claim": ("list_due_queues", "claim", "hand_back"),
    "messaging/outbox/outcomes": ("record_outcomes",),
    "messaging/outbox/receipts": ("find_receipted", "move_states", "record_receipts"),
    "messaging/outbox/steps": ("finish_drained", "cancel_steps"),
    "messaging/outbox/counts": ("count_steps",),
    "messaging/goals": ("meet_goal",),
    "messaging/suppression": ("suppress", "withdraw_address", "withdraw_person"),
    "campaigns/replies/opt_outs": ("was_stopped_by_link",),
    "campaigns/replies/answered_messages": ("find_message", "find_latest"),
    "campaigns/step_messages": ("list_recipients",),
    "webhooks/members/recipient": ("find_recipient", "view_page", "use_view"),
}
"""Queries that run for every message, receipt, page view, press and reply."""


async def test_live_messages_are_counted_as_if_there_were_no_archive(db: Connection, owner: Connection) -> None:
    past = await add_past(db, people=6000)
    running = await add_past(db, "pay-2026", people=3000, campaign_state="running", step_state="running")
    await owner.execute("vacuum analyze")
    counts = await step_counts(db, running.campaign_id)
    first = await messages(db, "message", running.step_id)
    plans = await hot_plans(db, owner)

    assert (await archive_all(db, past, limit=2500)).messages == 6000
    await owner.execute("vacuum analyze")

    assert (await step_counts(db, running.campaign_id))[0].counts == counts[0].counts
    assert await messages(db, "message", running.step_id) == first
    assert await rows_in(db, "message", "message_archive") == (3000, 6000)
    after = await hot_plans(db, owner)
    assert [name for name, plan in after.items() if "archive" in plan] == []
    indexes = {name: used(plan) for name, plan in plans.items()}
    assert {name: used(plan) for name, plan in after.items()} == indexes


async def hot_plans(db: Connection, owner: Connection) -> dict[str, str]:
    """The plan of each hot query, as a pooled connection keeps it prepared."""
    await owner.execute(
        "create or replace function plan_of(query text) returns setof text language plpgsql as $$"
        " begin return query execute 'explain (generic_plan, costs off) ' || query; end $$"
    )
    plans = {}
    for module, names in HOT.items():
        for name in names:
            query = load_queries(str(ROOT / module))[name]
            plans[f"{module} {name}"] = "\n".join(row[0] for row in await db.fetch("select plan_of($1)", query))
    return plans


def used(plan: str) -> set[str]:
    """The indexes of the outbox a plan goes through."""
    return {word for word in plan.split() if word.startswith(("message_", "link_")) and "archive" not in word}
