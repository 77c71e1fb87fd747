"""Put a page of a step's recipients, chosen by a query, into the outbox in one statement.

The launch supplies a query that says what each recipient gets, or why nothing. The rows never pass through Python, so
the launch of a whole union is one `INSERT … SELECT` a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

_FIXED_ARGUMENTS: Final = 5
"""Number of parameters that `_statement` adds after the query's own."""


@dataclass(frozen=True, slots=True)
class QueuedStep:
    """Step to which messages are added.

    Attributes:
        step_id, campaign_id: the step, and its campaign.
        sms_sender_id, email_sender_id: the senders; None for a channel that the step does not use.
        dated: whether each message has a time of its own.
    """

    step_id: int
    campaign_id: int
    sms_sender_id: int | None
    email_sender_id: int | None
    dated: bool = False


async def begin_step(db: Connection, step_id: int) -> Literal["planned", "launching"] | None:
    """Set a step to launching; return its state before, or None if it has been launched, or ended, already."""
    state: Literal["planned", "launching"] | None = await db.fetchval(SQL["begin_step"], step_id)
    return state


async def set_constants(db: Connection, step_id: int, constants: Mapping[str, Any]) -> None:
    """Set the variables that are the same for every recipient of a step that has no messages yet."""
    await db.execute(SQL["set_constants"], step_id, constants)


async def begin_page(db: Connection, step_id: int, last: int) -> bool:
    """Begin a page, in the transaction that writes it.

    The commit is asynchronous: a crash may lose the last pages, but never an earlier page while a later one is kept.

    Args:
        db: in the caller's transaction.
        step_id: the step.
        last: id of the page's last person; the next page begins after it.

    Returns:
        Whether the step is still being launched.
    """
    await db.execute(SQL["begin_page"])
    return await db.fetchval(SQL["advance"], step_id, last) is not None


async def enqueue(db: Connection, queue: QueuedStep, query: str, *parameters: object, at: datetime) -> int:
    """Add a message and its first event for each row of a query; people who have a message of this step are left out.

    Args:
        db: in the caller's transaction.
        queue: the step they belong to.
        query: trusted SQL for `person_id`, `channel`, `address`, `variables`, `time_zone`, `state` and `reason`; for a
            person who gets nothing, the last two say why. For a dated step, it also selects `not_before` and `date_at`,
            which may be null.
        parameters: of the query.
        at: time of creation; aware.

    Returns:
        How many messages were added.
    """
    columns = (queue.step_id, queue.campaign_id, queue.sms_sender_id, queue.email_sender_id, at)
    added: int = await db.fetchval(_statement(query, len(parameters), queue.dated), *parameters, *columns)
    return added


async def end_step(db: Connection, step_id: int, at: datetime) -> bool:
    """Set a launched step to running; return False if it was paused or cancelled meanwhile."""
    return await db.fetchval(SQL["end_step"], step_id, at) is not None


async def analyze_outbox(db: Connection) -> None:
    """Refresh the planner's statistics after the outbox has grown by a whole audience."""
    await db.execute(SQL["analyze"])


@cache
def _statement(query: str, parameters: int, dated: bool) -> str:
    step, campaign, sms, email, at = (f"${parameters + place}" for place in range(1, _FIXED_ARGUMENTS + 1))
    date_column, times = (
        (", date_at, apart", f"coalesce(r.not_before, {at}), r.date_at, true") if dated else ("", f"{at}::timestamptz")
    )
    return f"""
        with placed as (
          insert into message (
            step_id, campaign_id, person_id, channel, address, sender_id, variables, time_zone, state, reason,
            not_before{date_column}, created_at, changed_at
          )
          select
            {step}::bigint, {campaign}::bigint, r.person_id, r.channel, r.address,
            case r.channel when 'sms' then {sms}::bigint when 'email' then {email}::bigint end,
            r.variables, r.time_zone, r.state, r.reason, {times}, {at}::timestamptz, {at}
          from ({query.rstrip().rstrip(";")}) as r
          order by r.person_id
          on conflict (step_id, person_id) where step_id is not null do nothing
          returning message_id, state, reason
        ), new_events as (
          insert into message_event (message_id, at, state, source, code)
          select message_id, {at}, state, 'launch', reason from placed
        )
        select count(*) from placed
    """  # noqa: S608  # the query is of our own .sql files
