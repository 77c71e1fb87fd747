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

_FENCED: Final = "m.attempt + (m.state::text = 'sending')::int"
"""Attempt number of a message that is taken back from a worker: the worker's later hand-back no longer counts."""


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
    await db.execute(SQL["lock_messages"], step_id, people)
    rows = await db.fetch(SQL["read_locked"], step_id, people)
    return {row["person_id"]: DatedMessage(**{**row, "state": State(row["state"])}) for row in rows}


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
          set variables = fresh.variables, state = 'queued', attempt = {_FENCED}, changed_at = ${len(parameters) + 2}
          from fresh
          join message before on before.step_id = ${len(parameters) + 1} and before.person_id = fresh.person_id
          where m.message_id = before.message_id
            and (m.state = 'queued' or m.state::text = 'sending' and m.wire_at is null)
            and m.variables is distinct from fresh.variables
          returning m.message_id, before.state as was
        ), taken_back as (
          insert into message_event (message_id, state, source, code)
          select message_id, 'queued', 'dates', 'handed_back' from changed where was = 'sending'
        )
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
              not_before = coalesce(w.not_before, m.not_before),
              dispatcher_id = null, attempt = {_FENCED}, changed_at = {at}::timestamptz
          from wanted w
          where m.step_id = {step}::bigint and m.person_id = w.person_id
            and (m.state in ('queued', 'skipped', 'suppressed', 'cancelled', 'expired')
                 or m.state::text = 'sending' and m.wire_at is null)
          returning m.message_id, m.person_id, m.state, m.not_before
        ), new_events as (
          insert into message_event (message_id, at, state, source, code, detail)
          select
            c.message_id, {at}, c.state, 'dates', e.code,
            case c.state when 'queued' then jsonb_build_object('until', c.not_before) end
          from changed c
          left join unnest({people}::bigint[], {codes}::text[]) as e (person_id, code) using (person_id)
        )
        select count(*) from changed
    """  # noqa: S608  # the query is of our own .sql files
