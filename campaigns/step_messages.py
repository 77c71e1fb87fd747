"""Messages of a step: the query for its recipients, with their variables, and the placing of them in the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.addressing import Decision
from campaigns.launching_step import LaunchingStep
from campaigns.subject_letters import letters_for
from campaigns.variables import personal_variables
from core.db import Connection, load_queries
from messaging.content.templates import Template
from messaging.content.vocabulary import LETTER, PERSONAL
from messaging.outbox.enqueue import QueuedStep, enqueue

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class PlacedStep(LaunchingStep):
    """Step whose messages are placed in the outbox.

    Attributes:
        campaign: its campaign's name.
        sms_sender_id: the sender of its texts; None if it has none.
        email_sender_id: the sender of its emails; None if it has none.
        send_after: when its first message may be sent, by its own window; None if the window does not say. Aware.
    """

    campaign: str
    sms_sender_id: int | None
    email_sender_id: int | None
    send_after: datetime | None

    def queued(self) -> QueuedStep:
        """Return the step as the outbox needs it."""
        ids = (self.step_id, self.campaign_id, self.sms_sender_id, self.email_sender_id)
        return QueuedStep(*ids, dated=self.dated is not None)


async def find_placed_step(db: Connection, step_id: int) -> PlacedStep:
    """Return an existing step."""
    row = await db.fetchrow(SQL["find_placed_step"], step_id)
    assert row is not None
    return PlacedStep.of(row)


async def used_variables(db: Connection, step: LaunchingStep) -> frozenset[str]:
    """List the variables about a person that a step's template uses."""
    return (await personal_variables(db) | {LETTER}) & Template.from_json(step.content).variables


async def place_messages(
    db: Connection, step: PlacedStep, decisions: Sequence[Decision], used: frozenset[str], now: datetime
) -> None:
    """Enqueue the messages decided for some people; people who already have a message of this step keep it.

    Args:
        db: in the caller's transaction.
        step: the step.
        decisions: for people, each of them once.
        used: the variables that are copied.
        now: the time.
    """
    query, parameters = await recipients_query(db, step, decisions, used, now, dated=step.dated is not None)
    await enqueue(db, step.queued(), query, *parameters, at=now)


async def recipients_query(
    db: Connection,
    step: LaunchingStep,
    decisions: Sequence[Decision],
    used: frozenset[str],
    now: datetime,
    *,
    dated: bool = False,
) -> tuple[str, tuple[Sequence[object], ...]]:
    """Return a query for the decisions about some people, with their variables as they are now, and its parameters."""
    letters = await letters_for(db, step.subject, decisions, now) if LETTER in used else []
    parameters = (
        [decision.person_id for decision in decisions],
        [decision.channel for decision in decisions],
        [decision.address for decision in decisions],
        [decision.state.value for decision in decisions],
        [decision.reason for decision in decisions],
        sorted(used & (PERSONAL | {LETTER})),
        sorted(used - PERSONAL - {LETTER}),
        letters,
    )
    if not dated:
        return SQL["list_recipients"], parameters
    dues = [decision.due for decision in decisions]
    times = ([due and due.not_before for due in dues], [due and due.date_at for due in dues])
    not_before, date_at = (f"${len(parameters) + number}" for number in (1, 2))
    timed = f"""
        select r.*, t.not_before, t.date_at
        from ({SQL["list_recipients"]}) as r
        join unnest($1::bigint[], {not_before}::timestamptz[], {date_at}::timestamptz[])
          as t (person_id, not_before, date_at) using (person_id)
    """  # noqa: S608  # the query is of our own .sql file
    return timed, parameters + times
