"""Event sources: read webhook events from the existing ledger tables; no extra rows are written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from core.audit import AuditAction
from core.db import Connection, load_queries
from messaging.states import State

SQL: Final = load_queries(__file__)

CLAIM_TABLE: Final = "turnout_change"
"""The one source table that its readers number; the others are read up to their high-water mark."""

_STATES: Final = {
    "accepted": "message.accepted",
    "sent": "message.sent",
    "delivered": "message.delivered",
    "read": "message.read",
    "failed": "message.failed",
    "undelivered": "message.failed",
    "bounced": "message.bounced",
    "complained": "message.complained",
    "cancelled": "message.withdrawn",
    "suppressed": "message.withdrawn",
    "expired": "message.withdrawn",
}
_CAMPAIGN_ACTIONS: Final = {
    AuditAction.CAMPAIGN_LAUNCHED: "campaign.started",
    AuditAction.CAMPAIGN_PAUSED: "campaign.paused",
    AuditAction.CAMPAIGN_RESUMED: "campaign.resumed",
    AuditAction.CAMPAIGN_REOPENED: "campaign.resumed",
    AuditAction.CAMPAIGN_CANCELLED: "campaign.cancelled",
    AuditAction.CAMPAIGN_FINISHED: "campaign.finished",
}


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """Event found in a source table.

    Attributes:
        type: its type, as in `event_types`.
        at: when it happened; aware.
        data: its payload, ids only.
        ref: id by which addresses and texts are looked up.
    """

    type: str
    at: datetime
    data: Mapping[str, Any]
    ref: int | None = None


@dataclass(frozen=True, slots=True)
class EventSource:
    """Table that is read in pages from a position.

    Attributes:
        query: the query that reads it.
        column: its identity column.
        group: prefixes of its events' types.
        type_of: returns the event type of a row; None if the row is no event.
        drops: columns that are left out of the payload.
    """

    query: str
    column: str
    group: tuple[str, ...]
    type_of: Callable[[asyncpg.Record], str | None]
    drops: frozenset[str] = frozenset()


def _suppression(row: asyncpg.Record) -> str:
    lifted = row["action"] == "lift"
    opted = row["reason"] == ("opted_in" if lifted else "opted_out")
    return f"{'opt_out' if opted else 'suppression'}.{'lifted' if lifted else 'added'}"


def _response(row: asyncpg.Record) -> str:
    if row["source"] == "date_change":
        return "answer.date_changed"
    return "answer.received" if row["retracts"] is None else "answer.retracted"


SOURCES: Final[Mapping[str, EventSource]] = {
    "message_event": EventSource("list_messages", "event_id", ("message.",), lambda row: _STATES[row["state"]]),
    CLAIM_TABLE: EventSource("list_claims", "seq", ("claim.",), lambda row: f"claim.{row['kind']}"),
    "response": EventSource("list_responses", "response_id", ("answer.",), _response),
    "suppression_event": EventSource(
        "list_suppressions", "event_id", ("opt_out.", "suppression."), _suppression, frozenset({"action"})
    ),
    "reply": EventSource("list_replies", "reply_id", ("reply.",), lambda _row: "reply.received"),
    "audit": EventSource(
        "list_campaign_actions",
        "audit_id",
        ("campaign.",),
        lambda row: _CAMPAIGN_ACTIONS.get(row["action"]),
        frozenset({"action"}),
    ),
}
"""All sources, by table."""

_NOT_IN_PAYLOAD: Final = frozenset({"place", "at", "ref"})


def wanted_sources(types: Collection[str]) -> set[str]:
    """Return the source tables that have events of these types."""
    return {name for name, source in SOURCES.items() if any(kind.startswith(source.group) for kind in types)}


def states_of(types: Collection[str]) -> list[State]:
    """Return the states of messages that events of these types tell of."""
    return [State(state) for state, kind in _STATES.items() if kind in types]


async def read_events(db: Connection, table: str, after: int, upto: int, types: Collection[str]) -> list[FoundEvent]:
    """Read a source table's events between two positions, of the types that are wanted.

    Args:
        db: a connection.
        table: one of `SOURCES`.
        after: the position before the first.
        upto: the last position.
        types: which events are wanted.
    """
    source = SOURCES[table]
    arguments: list[Any] = [after, upto]
    if table == "message_event":
        arguments.append(states_of(types))
    events = []
    for row in await db.fetch(SQL[source.query], *arguments):
        kind = source.type_of(row)
        if kind in types and kind is not None:
            payload = {name: value for name, value in row.items() if name not in _NOT_IN_PAYLOAD | source.drops}
            events.append(FoundEvent(kind, row["at"], payload, row.get("ref")))
    return events


async def last_change(db: Connection) -> int:
    """Return the last position in the turnout feed."""
    return int(await db.fetchval(SQL["find_last_change"]))
