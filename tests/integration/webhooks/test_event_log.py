"""Events are found in the ledgers, in order, none missed, none twice, and only those that are wanted."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from ballots.ballots import enrol
from ballots.claims import record_claim, retract_claim
from campaigns.campaigns import cancel, pause, resume
from campaigns.launch import launch_due_steps
from core.alerts import raise_alert, resolve_alert
from core.db import Connection, Pool
from messaging.outbox.claim import claim
from messaging.outbox.followed_states import followed_states
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.states import State
from messaging.suppression import lift, suppress
from muster.operator import operator
from tests.support.electorate import NOW, add_ballot, add_person, add_unit
from tests.support.inbound_rows import make_campaign
from tests.support.outbox_rows import NOON as OUTBOX_NOON
from tests.support.outbox_rows import Step, add_messages, add_step, dispatcher
from tests.support.outbox_rows import events as history_of
from tests.support.outbox_steps import mailboxes
from tests.support.receivers import WebhookWorker
from tests.support.webhook_events import RECEIVER, events
from webhooks.subscriptions.event_log import delete_old_events
from webhooks.subscriptions.subscriptions import remove


async def types(db: Connection) -> list[str]:
    return [kind for kind, _ in await events(db)]


async def voter(db: Connection) -> tuple[int, int]:
    ballot, person = await add_ballot(db), await add_person(db, "M1", unit=await add_unit(db, "Leeds"))
    await enrol(db, ballot)
    return ballot, person


async def vote(db: Connection, ballot: int, person: int) -> int:
    return await record_claim(
        db, ballot_id=ballot, person_id=person, kind="voted", source="link", recorder="member", confidence=0.9
    )


async def test_without_subscriptions_no_event_is_recorded(worker: WebhookWorker, db: Connection) -> None:
    await vote(db, *await voter(db))
    await worker.record_new_events()
    assert await events(db) == []


async def test_events_before_the_first_subscription_are_not_sent(worker: WebhookWorker, db: Connection) -> None:
    ballot, person = await voter(db)
    first = await vote(db, ballot, person)
    await worker.add(RECEIVER, "claim.*")
    await retract_claim(db, first, recorder="member", source="link")
    await worker.record_new_events()
    assert await types(db) == ["claim.retracted"]
    await worker.add(RECEIVER, "opt_out.*", name="other")
    await vote(db, ballot, person)
    await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")
    await worker.record_new_events()
    assert await types(db) == ["claim.retracted", "claim.voted", "opt_out.added"]


async def test_claims_are_sent_with_ids_and_the_members_status(worker: WebhookWorker, db: Connection) -> None:
    await worker.add(RECEIVER, "claim.voted")
    ballot, person = await voter(db)
    claim = await vote(db, ballot, person)
    await worker.record_new_events()
    [(kind, data)] = await events(db)
    assert kind == "claim.voted"
    assert data.items() >= {
        "ballot": "pay-2026", "claim_id": claim, "person_id": person, "member_id": "M1", "source": "link",
        "status": "voted", "retracts": None,
    }.items()  # fmt: skip


async def test_opt_outs_name_everybody_who_has_the_address_and_no_address(
    worker: WebhookWorker, db: Connection
) -> None:
    await worker.add(RECEIVER, "*")
    people = [await add_person(db, f"M{n}", sms="+447700900001") for n in (1, 2)]
    await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")
    await suppress(db, channel="person", address=str(people[0]), reason="deceased", source="staff")
    await lift(db, channel="sms", address="+447700900001", reason="opted_in", source="sms_reply")
    await worker.record_new_events()
    (opted, stopped, lifted) = await events(db)
    assert (opted[0], opted[1]["person_ids"], opted[1]["member_ids"]) == ("opt_out.added", people, ["M1", "M2"])
    assert (stopped[0], stopped[1]["person_ids"]) == ("suppression.added", people[:1])
    assert lifted[0] == "opt_out.lifted"
    assert "+447700900001" not in str(await events(db))


async def test_messages_are_sent_with_their_new_state(worker: WebhookWorker, db: Connection) -> None:
    campaign = await make_campaign(worker.runtime, db, now=NOW)
    recipient = await campaign.ask(sms="+447700900001")
    await db.execute(
        "update message set provider_id = 'SM1', state = 'accepted' where message_id = $1", recipient.message_id
    )
    await worker.add(RECEIVER, "message.*")
    for state in (State.SENT, State.DELIVERED, State.DELIVERED):
        await apply_receipts(db, [Receipt(None, "SM1", state, "twilio", None, NOW)])
    await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="sms_reply")
    await worker.record_new_events()
    assert await types(db) == ["message.sent", "message.delivered", "message.withdrawn"]
    rows_stored = (await events(db))[1][1]
    assert rows_stored.items() >= {"campaign": "pay", "step": 1, "member_id": "P1", "channel": "sms"}.items()
    assert "+4477" not in str(rows_stored)


async def accept_next(db: Connection, step: Step) -> int:
    """A provider accepts the next message of a step."""
    taken = await claim(db, step.due("email"), limit=1, now=OUTBOX_NOON, dispatcher_id=await dispatcher(db))
    (message,) = taken.messages
    await record_outcomes(db, [], [Intent(message.message_id, 1, None, None, "smtp")], source="smtp", now=OUTBOX_NOON)
    accepted = Outcome(message.message_id, 1, State.ACCEPTED, code="250 queued")
    await record_outcomes(db, [accepted], [], source="smtp", now=OUTBOX_NOON)
    return message.message_id


async def test_accepted_messages_have_events_while_somebody_wants_them_and_always_a_history(
    worker: WebhookWorker, db: Connection
) -> None:
    step = await add_step(db)
    await add_messages(db, step, "email", mailboxes(3))
    before = await accept_next(db, step)
    await worker.add(RECEIVER, "message.accepted", name="accepted")
    wanted = await accept_next(db, step)
    await worker.record_new_events()
    assert [(kind, data["message_id"]) for kind, data in await events(db)] == [("message.accepted", wanted)]
    assert await followed_states(db) == {State.ACCEPTED}
    await remove(db, "accepted", actor=operator("ann"))
    await worker.record_new_events()
    assert await followed_states(db) == set()
    after = await accept_next(db, step)
    assert await db.fetchval("select array_agg(message_id) from message_event where state = 'accepted'") == [wanted]
    for message_id in (before, wanted, after):
        assert await history_of(db, message_id) == [
            ("queued", "launch", None), ("sending", "worker", None), ("accepted", "smtp", "250 queued")
        ]  # fmt: skip


async def test_replies_are_sent_without_their_text(worker: WebhookWorker, db: Connection) -> None:
    await worker.add(RECEIVER, "reply.received")
    person = await add_person(db, "M1")
    await db.execute(
        "insert into reply"
        " (inbound_id, channel, address, sender, person_id, text, reading, rule, rule_version, why_open)"
        " values (1, 'sms', '+447700900001', '+447480111111', $1, 'call me, Ann', 'call_me', 'r', '1', 'call_me')",
        person,
    )
    await worker.record_new_events()
    [(kind, data)] = await events(db)
    assert (kind, data["reading"], data["member_id"], data["why_open"]) == (
        "reply.received",
        "call_me",
        "M1",
        "call_me",
    )
    assert "Ann" not in str(data)


async def test_state_changes_of_a_campaign_are_sent(worker: WebhookWorker, db: Connection) -> None:
    await make_campaign(worker.runtime, db, now=NOW)
    await worker.add(RECEIVER, "campaign.*")
    await pause(db, "pay", operator("ada"), "the wrong date")
    await resume(db, "pay", operator("ada"))
    await db.execute("update step set state = 'finished', reopens_as = 'running'")
    await launch_due_steps(worker.runtime)
    await db.execute("update step set state = 'running' where position = 1")
    await launch_due_steps(worker.runtime)
    await cancel(db, "pay", operator("ada"))
    await worker.record_new_events()
    assert await types(db) == [
        f"campaign.{change}" for change in ("paused", "resumed", "finished", "resumed", "cancelled")
    ]
    rows_stored = (await events(db))[0][1]
    assert rows_stored == {
        "campaign": "pay",
        "subject_kind": "ballot",
        "subject": "pay-2026",
        "by": "ada",
        "why": "the wrong date",
    }


async def test_each_state_change_of_a_ballot_is_sent_once(worker: WebhookWorker, db: Connection) -> None:
    ballot = await add_ballot(db, opens=NOW + timedelta(days=1), threshold=0.5)
    people = [await add_person(db, f"M{n}") for n in range(4)]
    await enrol(db, ballot)
    await worker.add(RECEIVER, "ballot.*")
    worker.stream.runtime = replace(worker.runtime, clock=lambda: NOW)
    await worker.record_new_events()
    assert await types(db) == []

    worker.stream.runtime = replace(worker.runtime, clock=lambda: NOW + timedelta(days=2))
    claims = [await vote(db, ballot, person) for person in people[:3]]
    await worker.record_new_events()
    await worker.record_new_events()
    assert await types(db) == ["ballot.opened", "ballot.threshold_reached", "ballot.passed"]
    assert (await events(db))[1][1].items() >= {"ballot": "pay-2026", "electorate": 4, "confirmed": 3}.items()

    for retracted in claims[:2]:
        await retract_claim(db, retracted, recorder="member", source="link")
    await worker.record_new_events()
    worker.stream.runtime = replace(worker.runtime, clock=lambda: NOW + timedelta(days=20))
    await worker.record_new_events()
    assert (await types(db))[3:] == ["ballot.threshold_lost", "ballot.closed"]


async def test_a_ballot_open_before_sends_no_event(worker: WebhookWorker, db: Connection) -> None:
    await add_ballot(db)
    worker.runtime = replace(worker.runtime, clock=lambda: NOW)
    worker.stream.runtime = worker.runtime
    await worker.add(RECEIVER, "ballot.*")
    await worker.record_new_events()
    assert await types(db) == []


async def test_alerts_are_sent_when_they_begin_and_end(worker: WebhookWorker, db: Connection) -> None:
    await raise_alert(db, key="old", severity="notice", title="Old.", remedy="Nothing.")
    await worker.add(RECEIVER, "alert.*")
    for _ in range(2):
        await raise_alert(db, key="sender:1", severity="error", title="It stands still.", remedy="Look.")
        await worker.record_new_events()
    await resolve_alert(db, "sender:1")
    await worker.record_new_events()
    assert [(kind, data["key"]) for kind, data in await events(db)] == [
        ("alert.raised", "sender:1"), ("alert.resolved", "sender:1"),
    ]  # fmt: skip


async def test_rows_committed_late_are_not_missed(worker: WebhookWorker, db: Connection, pool: Pool) -> None:
    await worker.add(RECEIVER, "opt_out.*")
    async with pool.acquire() as slow:
        late = slow.transaction()
        await late.start()
        await suppress(slow, channel="sms", address="+447700900001", reason="opted_out", source="early id")
        await suppress(db, channel="sms", address="+447700900002", reason="opted_out", source="late id")
        await worker.record_new_events()
        assert await events(db) == [], "nothing is told while an earlier one may still come"
        noticing = asyncio.create_task(worker.record_new_events())
        await late.commit()
        await noticing
    assert [data["source"] for _, data in await events(db)] == ["early id", "late id"]


async def test_any_number_of_workers_notice_each_event_once(worker: WebhookWorker, db: Connection, pool: Pool) -> None:
    await worker.add(RECEIVER, "opt_out.*")
    addresses = [f"+4477009{n:05}" for n in range(120)]

    async def opt_out(address: str) -> None:
        async with pool.acquire() as first, first.transaction():
            await suppress(first, channel="sms", address=address, reason="opted_out", source=address)
            await asyncio.sleep(0)

    writing = asyncio.gather(*(opt_out(address) for address in addresses))
    while not writing.done():
        await asyncio.gather(worker.record_new_events(), worker.record_new_events(), worker.record_new_events())
    await worker.record_new_events()
    assert sorted(str(data["source"]) for _, data in await events(db)) == addresses


async def test_events_and_their_log_are_kept_for_a_while(worker: WebhookWorker, db: Connection) -> None:
    await worker.add(RECEIVER, "opt_out.*")
    for n in (1, 2):
        await suppress(db, channel="sms", address=f"+44770090000{n}", reason="opted_out", source=f"{n}")
    await worker.deliver()
    await db.execute("update webhook_event set noticed_at = $1 where data ->> 'source' = '1'", NOW)
    await db.execute("update webhook_delivery set at = $1", NOW)
    await delete_old_events(db, NOW + timedelta(hours=1))
    assert [data["source"] for _, data in await events(db)] == ["2"]
    assert await db.fetchval("select count(*) from webhook_delivery") == 0
