"""Builders for the outbox's tests: steps and messages as a launch writes them, and providers in the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from pydantic import SecretStr

from core.db import Connection
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels import Channel as ChannelOut
from messaging.channels import open_channels
from messaging.consent import Consent, ConsentAction, record_consents
from messaging.content.templates import Template
from messaging.goals import create_goal
from messaging.outbox.claim import DueQueue
from messaging.outbox.dispatcher import DispatchCounts, Dispatcher
from messaging.outbox.history import find_history
from messaging.outbox.reconcile import ReconcileCounts, reconcile
from messaging.states import ChannelName
from sandbox import Sandbox

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SMS_FROM = "+447480111111"
MAIL_FROM = "ballot@union.test"
TEMPLATE = Template(
    name="nudge",
    purpose="service",
    sms="Dear {{ first_name }}, have you voted? {{ confirm_link }}",
    subject="{{ first_name }}, have you voted?",
    email="Dear {{ first_name }},\n\n[I have voted]({{ confirm_link }})\n",
)


@dataclass(frozen=True)
class Step:
    """A step and what it belongs to."""

    step_id: int
    campaign_id: int
    goal_id: int
    senders: dict[str, int]

    def due(self, channel: str, *, pace: float | None = None) -> DueQueue:
        return DueQueue(self.step_id, channel, 0, self.senders[channel], pace)


async def add_step(
    db: Connection,
    *,
    campaign_id: int = 1,
    position: int = 1,
    secret: str = "none",
    template: Template = TEMPLATE,
    sms_from: str = SMS_FROM,
    **columns: Any,
) -> Step:
    """A running step that may use both channels."""
    senders = {}
    for channel, address in (("sms", sms_from), ("email", MAIL_FROM)):
        senders[channel] = await db.fetchval(
            "insert into sender (channel, address, display_name) values ($1, $2, 'The Union')"
            " on conflict (channel, address) do update set display_name = excluded.display_name returning sender_id",
            channel, address,
        )  # fmt: skip
    goal_id = columns.pop("goal_id", None) or await create_goal(db, f"goal {campaign_id}.{position}")
    row = {
        "campaign_id": campaign_id, "position": position, "template": template.name, "content": template.to_json(),
        "constants": {}, "purpose": template.purpose, "channels": ["email", "sms"], "sms_sender_id": senders["sms"],
        "email_sender_id": senders["email"], "goal_id": goal_id, "state": "running", "secret": secret,
        "launched_at": datetime.now(UTC),
    } | columns  # fmt: skip
    names, places = ", ".join(row), ", ".join(f"${n}" for n in range(1, len(row) + 1))
    step_id = await db.fetchval(f"insert into step ({names}) values ({places}) returning step_id", *row.values())
    return Step(step_id, campaign_id, goal_id, senders)


async def add_messages(
    db: Connection, step: Step, channel: str, addresses: Sequence[str], *, first_person: int = 1, **columns: Any
) -> list[int]:
    """Queued messages, as a launch writes them; person ids count up."""
    more = "".join(f", {name}" for name in columns)
    given = "".join(f", ${n}" for n in range(8, 8 + len(columns)))
    rows = await db.fetch(
        f"""
        with placed as (
          insert into message
            (step_id, campaign_id, person_id, channel, address, sender_id, variables, not_before{more})
          select $1, $2, $3 + n - 1, $4, address, $5, $6, '2026-01-01Z'{given}
          from unnest($7::text[]) with ordinality as a (address, n) order by n
          returning message_id
        ), told as (
          insert into message_event (message_id, state, source) select message_id, 'queued', 'launch' from placed
        )
        select message_id from placed order by message_id
        """,
        step.step_id, step.campaign_id, first_person, channel, step.senders[channel], {"first_name": "Ann"},
        list(addresses), *columns.values(),
    )  # fmt: skip
    return [row["message_id"] for row in rows]


async def agree(
    db: Connection, *people: int, channel: ChannelName = "sms", action: ConsentAction = "give", **more: Any
) -> None:
    """What people say about marketing by a channel."""
    said: dict[str, Any] = {"source": "form", "wording": "Tell me of offers.", "at": NOON, "recorder": "ann"} | more
    await record_consents(db, [Consent(person_id, channel, "marketing", action, **said) for person_id in people])


async def dispatcher(db: Connection, name: str = "w1") -> int:
    """A worker that is present."""
    entered: int = await db.fetchval(
        "insert into dispatcher (name, until) values ($1, now() + interval '1 minute') returning dispatcher_id", name
    )
    return entered


async def stop_hearts(db: Connection) -> None:
    """No worker has sent a heartbeat lately."""
    await db.execute("update dispatcher set until = now() - interval '1 second' where gone_at is null")


NOW_SQL = """
select
  m.message_id, m.step_id, m.campaign_id, m.person_id, m.channel, m.address, m.sender_id, m.variables, m.time_zone,
  case when f.message_id is null then m.state else 'sending' end as state,
  case when f.message_id is null then m.reason end as reason, coalesce(q.not_before, m.not_before) as not_before,
  m.date_at, coalesce(f.attempt, q.attempt, m.attempt) as attempt, m.apart,
  coalesce(f.dispatcher_id, m.dispatcher_id) as dispatcher_id,
  coalesce(f.wire_at, m.wire_at) as wire_at, coalesce(f.provider, m.provider) as provider, m.provider_id,
  coalesce(f.sent_from, m.sent_from) as sent_from, m.segments, m.created_at, m.sent_at, m.changed_at
from message m
left join in_flight f on f.message_id = m.message_id and m.state = 'queued'
left join queue q on q.message_id = m.message_id and m.state = 'queued'
"""
"""Messages as they are now, with those that wait or are in flight."""


async def message(db: Connection, message_id: int) -> asyncpg.Record:
    row = await db.fetchrow(f"{NOW_SQL} where m.message_id = $1", message_id)
    assert row is not None
    return row


async def states(db: Connection, step: Step) -> dict[str, int]:
    rows = await db.fetch(
        f"select state, count(*) as n from ({NOW_SQL}) as m where step_id = $1 group by state", step.step_id
    )
    return {row["state"]: row["n"] for row in rows}


async def events(db: Connection, message_id: int) -> list[tuple[str | None, str, str | None]]:
    """The history of a message as staff read it: some lines of it are in columns and not in events."""
    return [(event.state, event.source, event.code) for event in await find_history(db, message_id)]


async def lose_outcomes(db: Connection) -> None:
    """What is in flight becomes unknown, as where a worker is lost."""
    await db.execute(
        "with lost as (delete from in_flight returning *) update message m set state = 'ambiguous',"
        " reason = 'worker_lost', attempt = l.attempt, dispatcher_id = l.dispatcher_id, wire_at = l.wire_at,"
        " provider = l.provider, sent_from = l.sent_from from lost l where m.message_id = l.message_id"
    )


async def put_in_flight(db: Connection, message_id: int | None = None, *, wire_at: datetime | None = None) -> None:
    """A worker has what waits, as its first try; where there is a time, it went on the wire then."""
    await db.execute(
        "with taken as (delete from queue where message_id = coalesce($1, message_id) returning *)"
        " insert into in_flight (message_id, queue_id, not_before, date_at, attempt, dispatcher_id, wire_at)"
        " select message_id, queue_id, not_before, date_at, attempt + 1,"
        " coalesce((select max(dispatcher_id) from dispatcher), 0), $2 from taken",
        message_id, wire_at,
    )  # fmt: skip


def with_sandbox(settings: Settings, sandbox: Sandbox, **more: Any) -> Settings:
    """Settings whose providers are a sandbox."""
    return settings.model_copy(
        update={
            "smtp_url": SecretStr(sandbox.smtp_url),
            "smtp_connections": 4,
            "twilio_base_url": sandbox.twilio_base_url,
            "twilio_account_sid": sandbox.config.twilio.account_sid,
            "twilio_auth_token": (SecretStr(sandbox.config.twilio.auth_token),),
            "sms_from": SMS_FROM,
            "sms_connections": 4,
        }
        | more
    )


@asynccontextmanager
async def open_dispatcher(runtime: Runtime) -> AsyncIterator[Dispatcher]:
    async with open_channels(runtime.settings, runtime.http) as channels:
        yield Dispatcher(runtime, channels)


async def deliver(runtime: Runtime) -> DispatchCounts:
    async with open_dispatcher(runtime) as dispatcher:
        return await dispatcher.run(until_idle=True)


def later(**parts: float) -> datetime:
    return NOON + timedelta(**parts)


async def reconcile_steadily(
    runtime: Runtime, channels: Mapping[str, ChannelOut] | None = None, **more: float
) -> ReconcileCounts:
    """One reconciliation by a worker whose heartbeat has long been steady."""
    dispatcher_id = await runtime.pool.fetchval(
        "insert into dispatcher (name, until, steady_since)"
        " values ('judge', now() + interval '1 minute', now() - interval '1 minute') returning dispatcher_id"
    )
    try:
        return await reconcile(runtime, channels, dispatcher_id=dispatcher_id, **more)
    finally:
        await runtime.pool.execute("delete from dispatcher where dispatcher_id = $1", dispatcher_id)
