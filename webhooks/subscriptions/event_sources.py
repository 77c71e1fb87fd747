"""What the ledgers hold, as events. Nothing is written for being told: ledgers are read where they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

CLAIMS: Final = "turnout_change"
"""The one ledger that is numbered by its readers; the others are read up to where they are settled."""

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
_DEEDS: Final = {
    "launch": "campaign.started",
    "pause": "campaign.paused",
    "resume": "campaign.resumed",
    "reopen": "campaign.resumed",
    "cancel": "campaign.cancelled",
    "finish": "campaign.finished",
}


@dataclass(frozen=True, slots=True)
class SourceEvents:
    """Something that happened.

    Attributes:
        type: what, as the catalogue calls it.
        at: when; aware.
        data: what it says, ids only.
        ref: where numbers and words are looked up.
    """

    type: str
    at: datetime
    data: Mapping[str, Any]
    ref: int | None = None


@dataclass(frozen=True, slots=True)
class EventSource:
    """A table that is read from a place on.

    Attributes:
        query: what reads it.
        column: its identity column.
        group: what the types of its events begin with.
        type_of: which event a row is; None: none.
        drops: columns that are not told.
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


LEDGERS: Final[Mapping[str, EventSource]] = {
    "message_event": EventSource("messages", "event_id", ("message.",), lambda row: _STATES[row["state"]]),
    CLAIMS: EventSource("claims", "seq", ("claim.",), lambda row: f"claim.{row['kind']}"),
    "suppression_event": EventSource(
        "suppressions", "event_id", ("opt_out.", "suppression."), _suppression, frozenset({"action"})
    ),
    "reply": EventSource("replies", "reply_id", ("reply.",), lambda _row: "reply.received"),
    "audit": EventSource(
        "deeds", "audit_id", ("campaign.",), lambda row: _DEEDS.get(row["action"]), frozenset({"action"})
    ),
}
"""Everything that is read, by table."""

_NOT_SAID: Final = frozenset({"place", "at", "ref"})


def wanted_ledgers(types: Collection[str]) -> set[str]:
    """The ledgers that have events of these types."""
    return {name for name, ledger in LEDGERS.items() if any(one.startswith(ledger.group) for one in types)}


async def read(db: Connection, table: str, after: int, upto: int, types: Collection[str]) -> list[SourceEvents]:
    """What a ledger holds between two places, of the types that are wanted.

    Args:
        db: a connection.
        table: one of `LEDGERS`.
        after: the place before the first.
        upto: the last place.
        types: which events are wanted.
    """
    ledger = LEDGERS[table]
    arguments: list[Any] = [after, upto]
    if table == "message_event":
        arguments.append([state for state, kind in _STATES.items() if kind in types])
    found = []
    for row in await db.fetch(SQL[ledger.query], *arguments):
        kind = ledger.type_of(row)
        if kind in types and kind is not None:
            said = {name: value for name, value in row.items() if name not in _NOT_SAID | ledger.drops}
            found.append(SourceEvents(kind, row["at"], said, row.get("ref")))
    return found


async def last_change(db: Connection) -> int:
    """Where the turnout feed ends."""
    return int(await db.fetchval(SQL["last_change"]))
