"""State changes of ballots (phase, threshold) and alerts, which have no ledger; remembers what was last reported."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import asyncpg

from ballots.score import find_score
from core.answer_phase import AnswerPhase, phase_of
from core.db import Connection, load_queries
from webhooks.subscriptions.event_sources import FoundEvent

SQL: Final = load_queries(__file__)

_FIGURES: Final = (
    "electorate", "confirmed", "estimate", "low", "high", "threshold", "target", "needed", "passed",
)  # fmt: skip
_RISE: Final = ("below", "reached", "passed")


def wants_state_changes(types: Collection[str]) -> bool:
    """Tell whether any of these types comes from state changes."""
    return any(kind.startswith(("ballot.", "alert.")) for kind in types)


async def take_state_changes(db: Connection, now: datetime) -> list[FoundEvent]:
    """Return the changes since the last report, and mark them as reported."""
    return [*await _alerts(db), *await _ballots(db, now)]


async def _ballots(db: Connection, now: datetime) -> list[FoundEvent]:
    events = []
    for row in await db.fetch(SQL["list_ballots"], now):
        phase = phase_of(row["opens_at"], row["closes_at"], now)
        figures = await find_score(db, row["ballot_id"], now)
        level = "passed" if figures.passed else "reached" if figures.reached else "below"
        payload = {"ballot": row["name"], **{name: asdict(figures)[name] for name in _FIGURES}}
        events += [FoundEvent(f"ballot.{kind}", at, payload) for kind, at in _changes(row, phase, level, now)]
        await db.execute(SQL["store_status"], "phase", row["ballot_id"], phase)
        await db.execute(SQL["store_status"], "threshold", row["ballot_id"], level)
    return events


def _changes(row: asyncpg.Record, phase: AnswerPhase, level: str, now: datetime) -> list[tuple[str, datetime]]:
    """Return the event types due for one ballot, each with when it happened."""
    before, due = row["known_phase"] or "before", []
    if before == "before" and phase != "before":
        due.append(("opened", row["opens_at"]))
    had, has = _RISE.index(row["known_threshold"] or "below"), _RISE.index(level)
    if had < 1 <= has:
        due.append(("threshold_reached", now))
    if had < 2 <= has:
        due.append(("passed", now))
    if has < 1 <= had:
        due.append(("threshold_lost", now))
    if before != "closed" and phase == "closed":
        due.append(("closed", row["closes_at"]))
    return due


async def _alerts(db: Connection) -> list[FoundEvent]:
    raised = [row["id"] for row in await db.fetch(SQL["report_new_alerts"])]
    ended = [row["id"] for row in await db.fetch(SQL["delete_ended_alerts"])]
    return [
        *[
            FoundEvent("alert.raised", row["first_at"], _alert(row))
            for row in await db.fetch(SQL["list_alerts"], raised)
        ],
        *[
            FoundEvent("alert.resolved", row["resolved_at"], _alert(row))
            for row in await db.fetch(SQL["list_alerts"], ended)
        ],
    ]


def _alert(row: asyncpg.Record) -> dict[str, Any]:
    return {name: row[name] for name in ("alert_id", "key", "severity", "title", "remedy")}
