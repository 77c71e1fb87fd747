"""A campaign that is long over: its ballot and electors, messages in every end, history, links and looks at pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.db import Connection
from tests.support.electorate import add_ballot
from tests.support.outbox_rows import Step, add_step

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLOSED = NOW - timedelta(days=200)

_FILL = """
with people as (
  insert into person (external_id, first_name)
  select $1 || '-' || n, 'Ann' from generate_series(1, $2::int) as n
  returning person_id
), numbered as (
  select person_id, row_number() over (order by person_id) as n from people
), enrolled as (
  insert into elector (ballot_id, person_id) select $3, person_id from numbered
), reached as (
  insert into address (person_id, channel, address)
  select person_id, 'sms', '+4477' || lpad(person_id::text, 8, '0') from numbered where n % 8 <> 7
)
insert into message (
  step_id, campaign_id, person_id, channel, address, sender_id, variables, state, reason, attempt, provider_id,
  segments, created_at, sent_at, changed_at
)
select
  $4::bigint, $5, n.person_id, case when e.state <> 'skipped' then 'sms' end,
  case when e.state <> 'skipped' then '+4477' || lpad(n.person_id::text, 8, '0') end,
  case when e.state <> 'skipped' then $6::bigint end, '{"first_name": "Ann"}', e.state::message_state, e.reason, 1,
  case when e.sent then 'SM-' || $4::bigint || '-' || n.n end, case when e.sent then 2 end,
  $7, case when e.sent then $7::timestamptz + interval '1 minute' end, $7::timestamptz + interval '1 hour'
from numbered n
join (
  values
    (0, 'delivered', null, true), (1, 'delivered', null, true), (2, 'sent', null, true),
    (3, 'undelivered', 'unreachable', true), (4, 'failed', 'invalid_number', false),
    (5, 'cancelled', 'answered', false), (6, 'suppressed', 'opted_out', false), (7, 'skipped', 'no_address', false)
) as e (kind, state, reason, sent) on e.kind = n.n % 8
"""
_TELL = """
insert into message_event (message_id, at, state, source, code)
select m.message_id, m.created_at + e.n * interval '1 minute', e.state::message_state, e.source, e.code
from message m
cross join (
  values
    (0, 'queued', 'launch', null), (1, 'sending', 'worker', null), (2, 'accepted', 'worker', null),
    (3, null, 'twilio', 'sent')
) as e (n, state, source, code)
where m.step_id = $1
order by m.message_id, e.n
"""
_LINK = """
insert into link (digest, message_id, action)
select sha256((a.action || m.message_id)::bytea), m.message_id, a.action
from message m cross join (values ('confirm'), ('unsubscribe')) as a (action)
where m.step_id = $1 and m.sent_at is not null
"""
_LOOK = """
insert into page_view (message_id, action, nonce, agent)
select m.message_id, 'confirm', sha256((v.n || ':' || m.message_id)::bytea), v.agent
from message m cross join (values (1, 'scanner'), (2, 'browser'), (3, 'browser')) as v (n, agent)
where m.step_id = $1 and m.sent_at is not null and m.message_id % 2 = 0
"""


@dataclass(frozen=True)
class Past:
    """A campaign and its only step."""

    name: str
    campaign_id: int
    ballot_id: int
    step: Step

    @property
    def step_id(self) -> int:
        return self.step.step_id


async def add_past(
    db: Connection,
    name: str = "pay-2025",
    *,
    people: int = 80,
    closed: datetime = CLOSED,
    campaign_state: str = "finished",
    step_state: str = "finished",
) -> Past:
    """Write a campaign whose ballot closed then; its step had been launched ten days before."""
    ballot_id = await add_ballot(db, f"{name}-ballot", opens=closed - timedelta(days=20), closes=closed)
    campaign_id = await db.fetchval(
        "insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)"
        " values ($1, $1, 'ballot', $2, $3, '{}', '{}', 'test') returning campaign_id",
        name, ballot_id, campaign_state,
    )  # fmt: skip
    launched = closed - timedelta(days=10)
    goal_id = await db.fetchval("select goal_id from ballot where ballot_id = $1", ballot_id)
    step = await add_step(
        db, campaign_id=campaign_id, goal_id=goal_id, state=step_state, launched_at=launched, finished_at=closed
    )
    await db.execute(_FILL, name, people, ballot_id, step.step_id, campaign_id, step.senders["sms"], launched)
    for more in (_TELL, _LINK, _LOOK):
        await db.execute(more, step.step_id)
    return Past(name, campaign_id, ballot_id, step)


KEPT = (
    "message_id, step_id, campaign_id, person_id, channel, address, sender_id, state, reason, attempt, provider_id,"
    " segments, created_at, sent_at, changed_at"
)


async def messages(db: Connection, table: str, step_id: int) -> list[tuple[object, ...]]:
    """The messages of a step in one of the places they can be in, as history needs them."""
    rows = await db.fetch(f"select {KEPT} from {table} where step_id = $1 order by message_id", step_id)
    return [tuple(row) for row in rows]


async def told(db: Connection, table: str) -> list[tuple[object, ...]]:
    """Every event in one of the places they can be in."""
    rows = await db.fetch(
        f"select message_id, event_id, at, state, source, code, detail from {table} order by message_id, event_id"
    )
    return [tuple(row) for row in rows]


async def rows_in(db: Connection, *tables: str) -> tuple[int, ...]:
    return tuple([await db.fetchval(f"select count(*) from {table}") for table in tables])
