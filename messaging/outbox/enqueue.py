"""The way into the outbox: a page of a step's recipients, chosen by a query, becomes messages in one statement.

Whoever launches says who gets what, or why nothing; that they are rows of a query and not of Python keeps a launch of a
whole union one `INSERT … SELECT` a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

_FIXED: Final = 5
"""Parameters of `_statement`, behind those of the query."""


@dataclass(frozen=True, slots=True)
class QueuedStep:
    """A step's queue, as its messages need to know it.

    Attributes:
        step_id, campaign_id: whose messages they are.
        sms_sender_id, email_sender_id: who sends them; None for a channel that the step does not use.
    """

    step_id: int
    campaign_id: int
    sms_sender_id: int | None
    email_sender_id: int | None


async def begin_step(db: Connection, step_id: int) -> bool:
    """Let a step be filled. It is False where the step has been launched, or ended, already."""
    return await db.fetchval(SQL["begin_step"], step_id) is not None


async def set_constants(db: Connection, step_id: int, constants: Mapping[str, Any]) -> None:
    """Set the variables that are the same for everybody, of a step of which nothing is written yet."""
    await db.execute(SQL["set_constants"], step_id, constants)


async def begin_page(db: Connection, step_id: int, last: int) -> bool:
    """Begin a page, in the transaction that writes it; what is written before may be lost with it, but never without.

    Args:
        db: in the caller's transaction.
        step_id: the step.
        last: id of the page's last person, where the next page begins.

    Returns:
        Whether the step is still being launched.
    """
    await db.execute(SQL["begin_page"])
    return await db.fetchval(SQL["advance"], step_id, last) is not None


async def enqueue(db: Connection, queue: QueuedStep, query: str, *parameters: object, at: datetime) -> int:
    """Put a message into the outbox for each row of a query, and its first event; who has one already gets none.

    Args:
        db: in the caller's transaction.
        queue: whose messages they are.
        query: trusted SQL for `person_id`, `channel`, `address`, `variables`, `time_zone`, `state` and `reason`; where
            somebody gets nothing, the last two say why.
        parameters: of the query.
        at: when; aware.

    Returns:
        How many messages were added.
    """
    columns = (queue.step_id, queue.campaign_id, queue.sms_sender_id, queue.email_sender_id, at)
    added: int = await db.fetchval(_statement(query, len(parameters)), *parameters, *columns)
    return added


async def end_step(db: Connection, step_id: int, at: datetime) -> bool:
    """Let a step be sent. It is False where the step was paused or cancelled meanwhile."""
    return await db.fetchval(SQL["end_step"], step_id, at) is not None


async def refresh_statistics(db: Connection) -> None:
    """Tell the planner that the outbox has grown by a whole audience."""
    await db.execute(SQL["analyze"])


@cache
def _statement(query: str, parameters: int) -> str:
    step, campaign, sms, email, at = (f"${parameters + place}" for place in range(1, _FIXED + 1))
    return f"""
        with placed as (
          insert into message (
            step_id, campaign_id, person_id, channel, address, sender_id, variables, time_zone, state, reason,
            not_before, created_at, changed_at
          )
          select
            {step}::bigint, {campaign}::bigint, r.person_id, r.channel, r.address,
            case r.channel when 'sms' then {sms}::bigint when 'email' then {email}::bigint end,
            r.variables, r.time_zone, r.state, r.reason, {at}::timestamptz, {at}, {at}
          from ({query.rstrip().rstrip(";")}) as r
          order by r.person_id
          on conflict (step_id, person_id) do nothing
          returning message_id, state, reason
        ), told as (
          insert into message_event (message_id, at, state, source, code)
          select message_id, {at}, state, 'launch', reason from placed
        )
        select count(*) from placed
    """  # noqa: S608  # the query is of our own .sql files
