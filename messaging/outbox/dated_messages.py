"""Messages that are due by a date of their person: moved, withdrawn and queued again until they have left.

Each function runs in the caller's transaction, after `lock_messages`; the caller decides about each person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries
from messaging.outbox.enqueue import QueuedStep
from messaging.reasons import Reason
from messaging.states import State

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class DatedMessage:
    """Message of a dated step, locked.

    Attributes:
        date_at: the date that it is, or was, about; None if that is unknown.
        moved_to: the new date, once it is recorded that the person was sent the old one; else None.
        waits: whether it is to be sent, and on no wire yet.
        unsent: whether it waits, or is withdrawn: it may be changed.
        sent: whether a provider accepted it, and it was not returned.
        over: whether it has left, or failed.
        movable: whether it has certainly not left: it may go to another address.
    """

    message_id: int
    person_id: int
    state: State
    reason: str | None
    channel: str | None
    address: str | None
    date_at: datetime | None
    waits: bool
    unsent: bool
    sent: bool
    over: bool
    movable: bool
    moved_to: datetime | None


async def lock_messages(db: Connection, step_id: int, people: Sequence[int]) -> dict[int, DatedMessage]:
    """Lock the messages of a step to some people until the transaction ends; return them by person."""
    moving = True
    while moving:  # workers go on claiming and handing back, and do not lock the messages themselves
        locked = [
            row["message_id"]
            for query in ("lock_waiting", "lock_claimed")
            for row in await db.fetch(SQL[query], step_id, people)
        ]
        await db.execute(SQL["lock_messages"], step_id, people)
        moving = await db.fetchval(SQL["count_moving"], step_id, people, locked) > 0
    rows = await db.fetch(SQL["read_locked"], step_id, people)
    return {row["person_id"]: DatedMessage(**{**row, "state": State(row["state"])}) for row in rows}


_TAKEN_BACK: Final = """
    taken_back as (
      delete from in_flight f using changed c where f.message_id = c.message_id and f.wire_at is null returning f.*
    )
"""
"""Takes changed messages back from workers that have claimed them; each begins its next try with another number."""
_TAKING_EVENTS: Final = """
    insert into message_event (message_id, at, state, source, code, detail)
    select message_id, at, state, source, code, detail from (
      select
        t.message_id, t.taken_at as at, 1 as n, 'sending'::message_state as state, 'worker' as source, null as code,
        jsonb_build_object('attempt', t.attempt, 'by', d.name) as detail
      from taken_back t
      left join dispatcher d on d.dispatcher_id = t.dispatcher_id
"""


async def update_messages(
    db: Connection, queue: QueuedStep, query: str, *parameters: object, codes: Mapping[int, str], at: datetime
) -> int:
    """Give unsent messages another state, time and address; each gets an event.

    Args:
        db: in the caller's transaction.
        queue: their step.
        query: as for `enqueue`: the new values of each person's message.
        parameters: of the query.
        codes: the reason that the event names, by person.
        at: the time; aware.

    Returns:
        How many were changed.
    """
    columns = (queue.step_id, queue.sms_sender_id, queue.email_sender_id, at, list(codes), list(codes.values()))
    changed: int = await db.fetchval(_update_query(query, len(parameters)), *parameters, *columns)
    return changed


async def refresh_variables(db: Connection, step_id: int, query: str, *parameters: object, at: datetime) -> int:
    """Update the variables of unsent messages that have changed; return how many messages were updated.

    Args:
        db: in the caller's transaction.
        step_id: their step.
        query: trusted SQL for `person_id` and `variables`.
        parameters: of the query.
        at: the time; aware.
    """
    sql = f"""
        with fresh as ({query}), changed as (
          update message m
          set variables = fresh.variables, changed_at = ${len(parameters) + 2}
          from fresh
          join message before on before.step_id = ${len(parameters) + 1} and before.person_id = fresh.person_id
          where m.message_id = before.message_id and m.state = 'queued'
            and not exists (select from in_flight f where f.message_id = m.message_id and f.wire_at is not null)
            and m.variables is distinct from fresh.variables
          returning m.message_id
        ), {_TAKEN_BACK}, waiting as (
          insert into queue (message_id, queue_id, not_before, date_at, attempt)
          select message_id, queue_id, not_before, date_at, attempt + 1 from taken_back
        ), new_events as (
          {_TAKING_EVENTS}
          union all
          select message_id, now(), 2, 'queued', 'dates', 'handed_back', null from taken_back
        ) as line order by message_id, n)
        select count(*) from changed
    """  # noqa: S608  # the query is of our own .sql files
    changed: int = await db.fetchval(sql, *parameters, step_id, at)
    return changed


async def note_late_moves(db: Connection, dates: Mapping[int, datetime | None], at: datetime) -> None:
    """Record that the dates of sent messages have changed: they are not sent again.

    Args:
        db: in the caller's transaction.
        dates: the new date by message; None if there is none any more.
        at: the time.
    """
    await db.execute(SQL["note_late_moves"], list(dates), list(dates.values()), Reason.DATE_MOVED_LATE, at)


async def note_moves_back(db: Connection, messages: Sequence[int], at: datetime) -> None:
    """Record that the dates of sent messages are again the ones that they named; see `note_late_moves`."""
    await db.execute(SQL["note_moves_back"], messages, Reason.DATE_MOVED_BACK, at)


def _update_query(query: str, parameters: int) -> str:
    step, sms, email, at, people, codes = (f"${parameters + place}" for place in range(1, 7))
    return f"""
        with wanted as ({query}), changed as (
          update message m
          set state = w.state, reason = w.reason, date_at = w.date_at,
              channel = w.channel, address = w.address,
              sender_id = case w.channel when 'sms' then {sms}::bigint when 'email' then {email}::bigint end,
              variables = case w.state when 'queued' then w.variables else m.variables end,
              time_zone = w.time_zone,
              not_before = coalesce(w.not_before, q.not_before, f.not_before, m.not_before),
              attempt = coalesce(q.attempt, f.attempt + 1, m.attempt),
              changed_at = {at}::timestamptz
          from wanted w
          join message before on before.step_id = {step}::bigint and before.person_id = w.person_id
          left join queue q on q.message_id = before.message_id
          left join in_flight f on f.message_id = before.message_id
          where m.message_id = before.message_id and f.wire_at is null
            and m.state in ('queued', 'skipped', 'suppressed', 'cancelled', 'expired')
          returning
            m.message_id, m.person_id, m.state, m.not_before, m.date_at, m.attempt, before.state as was,
            queue_of(m.step_id, m.channel, m.sender_id) as queue_id
        ), left_queue as (
          delete from queue q using changed c where q.message_id = c.message_id and c.state <> 'queued'
        ), moved as (
          update queue q
          set queue_id = c.queue_id, not_before = c.not_before, date_at = c.date_at
          from changed c
          where q.message_id = c.message_id and c.state = 'queued'
        ), {_TAKEN_BACK}, waiting as (
          insert into queue (message_id, queue_id, not_before, date_at, attempt)
          select c.message_id, c.queue_id, c.not_before, c.date_at, c.attempt
          from taken_back
          join changed c using (message_id)
          where c.state = 'queued' and c.was = 'queued'
        ), new_events as (
          {_TAKING_EVENTS}
          union all
          select
            c.message_id, {at}, 2, c.state, 'dates', e.code,
            case c.state when 'queued' then jsonb_build_object('until', c.not_before) end
          from changed c
          left join unnest({people}::bigint[], {codes}::text[]) as e (person_id, code) using (person_id)
        ) as line order by message_id, n)
        select count(*) from changed
    """  # noqa: S608  # the query is of our own .sql files
