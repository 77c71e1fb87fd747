"""Retries: an undelivered text goes again, once, and never after it has arrived."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.db import Connection, open_pool
from messaging.channels.channel import Retry
from messaging.channels.twilio.codes import meaning_of
from messaging.outbox.claim import ClaimedMessage, claim
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.receipts import Receipt, ReceiptResult, apply_receipts
from messaging.outbox.retries import outcome_of, retry_pause
from messaging.outbox.steps import cancel_steps, finish_drained, pause_steps
from messaging.reasons import Reason
from messaging.states import State
from tests.support.outbox_rows import Step, add_messages, add_step, dispatcher, events, message

NUMBER = "+447700900001"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def says(state: State, sid: str | None, code: int | None = None, message_id: int | None = None) -> Receipt:
    known = meaning_of(code)
    return Receipt(
        message_id, sid, state, "twilio", str(code or state.value), NOW, reason=known.reason if code else None,
        again=known.again,
    )  # fmt: skip


async def say(db: Connection, state: State, sid: str | None, code: int | None = None, **more: Any) -> ReceiptResult:
    (applied,) = await apply_receipts(db, [says(state, sid, code, **more)])
    return applied


async def taken(db: Connection, **columns: Any) -> tuple[Step, int]:
    """A text whose first try Twilio has taken as SM1."""
    step = await add_step(db, **columns)
    (only,) = await add_messages(db, step, "sms", [NUMBER])
    await send(db, step, "SM1", NOW)
    return step, only


async def send(db: Connection, step: Step, sid: str, now: datetime) -> int:
    """Claim, mark and have taken what is due; how many there were."""
    claimed = await claim(db, step.due("sms"), limit=1, now=now, dispatcher_id=await dispatcher(db))
    for each in claimed.messages:
        await record_outcomes(db, [], [Intent(each.message_id, each.attempt, None, None)], source="twilio", now=now)
        done = Outcome(each.message_id, each.attempt, State.ACCEPTED, code="201 queued", provider_id=sid, segments=1)
        await record_outcomes(db, [done], [], source="twilio", now=now)
    return len(claimed.messages)


def tomorrow(days: float = 1) -> datetime:
    return NOW + timedelta(days=days)


async def test_a_phone_that_was_off_is_tried_twice_more_and_then_no_more(db: Connection) -> None:
    step, only = await taken(db)
    for retry, sid in enumerate(["SM1", "SM2"], start=1):
        applied = await say(db, State.UNDELIVERED, sid, 30003)
        assert (applied.moved, applied.state) == (True, State.QUEUED)
        row = await message(db, only)
        assert (row["state"], row["reason"], row["provider_id"], row["wire_at"]) == (
            "queued",
            "unreachable",
            None,
            None,
        )
        assert (
            timedelta(minutes=22) * 4 ** (retry - 1)
            < row["not_before"] - NOW
            < timedelta(minutes=38) * 4 ** (retry - 1)
        )
        events_seen = await events(db, only)
        assert events_seen[-2:] == [("undelivered", "twilio", "30003"), ("queued", "retry", "tried_again")]
        assert await send(db, step, "early", NOW) == 0
        assert await send(db, step, f"SM{retry + 1}", tomorrow(retry)) == 1
    assert (await say(db, State.UNDELIVERED, "SM3", 30003)).state is State.UNDELIVERED
    row = await message(db, only)
    assert (row["state"], row["reason"], row["provider_id"]) == ("undelivered", "unreachable", "SM3")
    tries = await db.fetch("select provider_id, code, ended_by from message_try order by attempt")
    assert [tuple(attempt) for attempt in tries] == [("SM1", "30003", "receipt"), ("SM2", "30003", "receipt")]


@pytest.mark.parametrize(("code", "again"), [
    (30001, True), (30003, True), (30008, True), (30005, False), (30006, False), (30007, False), (30034, False),
    (30036, False), (99999, False), (None, False),
])  # fmt: skip
async def test_only_passing_failures_are_tried_again(db: Connection, code: int | None, *, again: bool) -> None:
    _, only = await taken(db)
    await say(db, State.UNDELIVERED, "SM1", code)
    assert (await message(db, only))["state"] == ("queued" if again else "undelivered")


async def test_an_unknown_error_is_tried_once_more(db: Connection) -> None:
    step, only = await taken(db)
    await say(db, State.UNDELIVERED, "SM1", 30008)
    assert await send(db, step, "SM2", tomorrow()) == 1
    await say(db, State.UNDELIVERED, "SM2", 30008)
    assert (await message(db, only))["state"] == "undelivered"


async def test_no_retry_is_made_after_the_deadline(db: Connection) -> None:
    _, only = await taken(db, send_before=NOW + timedelta(minutes=20))
    await say(db, State.UNDELIVERED, "SM1", 30003)
    assert (await message(db, only))["state"] == "undelivered"


async def test_a_late_delivery_of_the_first_try_withdraws_the_second(db: Connection) -> None:
    step, only = await taken(db)
    await say(db, State.UNDELIVERED, "SM1", 30003)
    assert (await say(db, State.DELIVERED, "SM1")).moved
    row = await message(db, only)
    assert (row["state"], row["reason"]) == ("delivered", None)
    assert await send(db, step, "SM2", tomorrow()) == 0


async def test_a_late_delivery_stops_a_second_try_that_is_claimed_and_not_on_the_wire(db: Connection) -> None:
    step, only = await taken(db)
    await say(db, State.UNDELIVERED, "SM1", 30003)
    (again,) = (await claim(db, step.due("sms"), limit=1, now=tomorrow(), dispatcher_id=await dispatcher(db))).messages
    assert (await say(db, State.DELIVERED, "SM1", message_id=only)).state is State.DELIVERED
    granted = await record_outcomes(
        db, [], [Intent(only, again.attempt, b"x" * 16, None)], source="twilio", now=tomorrow()
    )
    assert granted == {}
    assert (await message(db, only))["state"] == "delivered"


async def test_a_second_try_on_the_wire_is_known_by_both_its_names(db: Connection) -> None:
    step, only = await taken(db)
    await say(db, State.UNDELIVERED, "SM1", 30003)
    (again,) = (await claim(db, step.due("sms"), limit=1, now=tomorrow(), dispatcher_id=await dispatcher(db))).messages
    await record_outcomes(db, [], [Intent(only, again.attempt, None, None)], source="twilio", now=tomorrow())
    await say(db, State.DELIVERED, "SM1")
    done = Outcome(only, again.attempt, State.ACCEPTED, code="201 queued", provider_id="SM2", segments=1)
    await record_outcomes(db, [done], [], source="twilio", now=tomorrow())
    row = await message(db, only)
    assert (row["state"], row["provider_id"]) == ("delivered", "SM2")
    for sid in ("SM1", "SM2"):
        assert await say(db, State.UNDELIVERED, sid, 30003) == ReceiptResult(only, moved=False, state=State.DELIVERED)


@pytest.mark.parametrize("late", [State.ACCEPTED, State.SENT, State.FAILED, State.UNDELIVERED])
async def test_a_receipt_of_an_older_try_does_not_move_the_newer_one(db: Connection, late: State) -> None:
    step, only = await taken(db)
    await say(db, State.UNDELIVERED, "SM1", 30003)
    for where in ("queued", "accepted", "sent"):
        assert await say(db, late, "SM1", 30003, message_id=only) == ReceiptResult(
            only, moved=False, state=State(where)
        )
        if where == "queued":
            assert await send(db, step, "SM2", tomorrow()) == 1
        else:
            await say(db, State.SENT, "SM2")
    assert (await message(db, only))["state"] == "sent"
    value = await db.fetchval("select detail from message_event where detail ? 'earlier' limit 1")
    assert value["said"] == late.value


async def test_a_late_outcome_of_an_ended_try_changes_nothing(db: Connection) -> None:
    """The callbacks of a try may all come before the worker has written down that it was taken."""
    step = await add_step(db)
    (only,) = await add_messages(db, step, "sms", [NUMBER])
    (first,) = (await claim(db, step.due("sms"), limit=1, now=NOW, dispatcher_id=await dispatcher(db))).messages
    await record_outcomes(db, [], [Intent(only, first.attempt, None, None)], source="twilio", now=NOW)
    await say(db, State.SENT, "SM1", message_id=only)
    await say(db, State.UNDELIVERED, "SM1", 30003, message_id=only)
    done = Outcome(only, first.attempt, State.ACCEPTED, code="201 queued", provider_id="SM1", segments=1)
    await record_outcomes(db, [done], [], source="twilio", now=NOW)
    row = await message(db, only)
    assert (row["state"], row["provider_id"]) == ("queued", None)
    assert await send(db, step, "SM2", tomorrow()) == 1


async def test_one_batch_may_end_a_try_and_prove_it_arrived(db: Connection) -> None:
    step, only = await taken(db)
    await apply_receipts(db, [says(State.UNDELIVERED, "SM1", 30003), says(State.DELIVERED, "SM1")])
    assert (await message(db, only))["state"] == "delivered"
    assert await send(db, step, "SM2", tomorrow()) == 0


async def test_a_finished_step_opens_again_and_a_cancelled_one_does_not(db: Connection) -> None:
    step, _ = await taken(db)
    assert await finish_drained(db) == [step.step_id]
    await say(db, State.UNDELIVERED, "SM1", 30003)
    assert await db.fetchval("select state from step") == "running"
    assert await send(db, step, "SM2", tomorrow()) == 1
    assert await finish_drained(db) == [step.step_id]
    await pause_steps(db, step.campaign_id, "a look")
    await say(db, State.UNDELIVERED, "SM2", 30003)
    assert await db.fetchval("select state from step") == "paused"
    assert await send(db, step, "SM3", tomorrow(2)) == 0


async def test_nothing_goes_again_for_a_campaign_that_was_cancelled(db: Connection) -> None:
    step, only = await taken(db)
    await finish_drained(db)
    await cancel_steps(db, step.campaign_id)
    await say(db, State.UNDELIVERED, "SM1", 30003)
    assert (await message(db, only))["state"] == "undelivered"
    assert await db.fetchval("select state from step") == "finished"


# the race, in every order

Act = Callable[["Race"], Coroutine[Any, Any, None]]


class Race:
    """One text, a worker that may stand still anywhere, and a provider whose receipts come whenever they like."""

    def __init__(self, db: Connection, step: Step, only: int) -> None:
        self.db, self.step, self.only = db, step, only
        self.now = NOW
        self.held: ClaimedMessage | None = None
        self.wired: ClaimedMessage | None = None
        self.sids: list[str] = []
        self.arrived = False

    async def claim(self) -> None:
        self.now += timedelta(days=1)
        if self.held is None and self.wired is None:
            taken = (
                await claim(
                    self.db, self.step.due("sms"), limit=1, now=self.now, dispatcher_id=await dispatcher(self.db)
                )
            ).messages
            self.held = taken[0] if taken else None

    async def mark(self) -> None:
        if self.held is None:
            return
        mark = Intent(self.only, self.held.attempt, None, None)
        granted = await record_outcomes(self.db, [], [mark], source="twilio", now=self.now)
        if granted.get(self.only) is State.SENDING:
            assert not self.arrived, "it had arrived, and left again"
            self.wired = self.held
            self.sids.append(f"SM{self.only}-{len(self.sids) + 1}")
        self.held = None

    async def answer(self) -> None:
        if self.wired is None:
            return
        attempt, self.wired = self.wired.attempt, None
        done = Outcome(self.only, attempt, State.ACCEPTED, code="201", provider_id=self.sids[-1], segments=1)
        await record_outcomes(self.db, [done], [], source="twilio", now=self.now)

    async def receive(self, which: int, state: State) -> None:
        if not self.sids:
            return
        sid = self.sids[which % len(self.sids)]
        before = await message(self.db, self.only)
        code = 30003 if state is State.UNDELIVERED else None
        applied = await say(self.db, state, sid, code, message_id=self.only)
        self.arrived = self.arrived or state is State.DELIVERED
        known = await self.db.fetchval("select count(*) from message_try where provider_id = $1", sid)
        if known and sid != self.sids[-1] and state is not State.DELIVERED:
            assert applied == ReceiptResult(self.only, moved=False, state=State(before["state"])), (
                "an older try moved it"
            )

    async def check(self) -> None:
        row = await message(self.db, self.only)
        assert len(self.sids) <= 3
        assert not self.arrived or row["state"] == "delivered"
        names = await self.db.fetchval(
            "select array_agg(provider_id) from message_try where message_id = $1", self.only
        )
        assert row["provider_id"] is None or row["provider_id"] not in (names or [])


acts = st.one_of(
    st.sampled_from(["claim", "mark", "answer"]),
    st.tuples(st.integers(0, 2), st.sampled_from([State.SENT, State.UNDELIVERED, State.DELIVERED])),
    st.tuples(st.integers(0, 2), st.just(State.UNDELIVERED)),
)


async def test_a_delivered_message_is_never_sent_again_in_any_order(database_url: str) -> None:
    loop = asyncio.get_running_loop()
    pool = await open_pool(database_url, size=1)

    async def play(order: list[Any]) -> None:
        async with pool.acquire() as db:
            campaign_id = 1 + await db.fetchval("select count(*) from step")
            step = await add_step(db, campaign_id=campaign_id)
            (only,) = await add_messages(db, step, "sms", [NUMBER])
            race = Race(db, step, only)
            for act in ["claim", "mark", *order]:
                await (getattr(race, act)() if isinstance(act, str) else race.receive(*act))
                await race.check()

    @settings(max_examples=60)
    @given(st.lists(acts, max_size=25))
    def law(order: list[Any]) -> None:
        asyncio.run_coroutine_threadsafe(play(order), loop).result(timeout=120)

    try:
        await loop.run_in_executor(None, law)
    finally:
        await pool.close()


# before anything is taken


def test_a_full_mailbox_is_given_longer_than_a_busy_server() -> None:
    claimed = ClaimedMessage(1, 1, "a@x.test", {}, 1, 1)
    full = outcome_of(claimed, Retry(Reason.MAILBOX_FULL, "4.2.2", "452 4.2.2 over quota"), send_before=tomorrow())
    busy = outcome_of(claimed, Retry(Reason.BUSY, "4.3.2", "450 4.3.2 busy"), send_before=tomorrow())
    assert (full.state, busy.state) == (State.QUEUED, State.QUEUED)
    assert full.delay is not None
    assert busy.delay is not None
    assert 450 <= full.delay <= 900
    assert 7.5 <= busy.delay <= 15
    assert all(retry_pause(n, Reason.MAILBOX_FULL) <= 4 * 3600 and retry_pause(n) <= 3600 for n in range(1, 60))


async def test_the_record_of_a_try_is_unique(db: Connection) -> None:
    _, only = await taken(db)
    await say(db, State.UNDELIVERED, "SM1", 30003)
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(
            "insert into message_try (message_id, attempt, provider_id, ended_by) values ($1, 9, 'SM1', 'x')", only
        )
