"""Summary of a demo: one object, for programs and for the tables at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ballots.ballots import Ballot
from ballots.counts import UnitTurnout, recount, unit_counts
from ballots.score import Score, assess_unit, score
from campaigns.campaigns import Campaign
from core.db import Connection, load_queries
from people.imports.report import ImportReport
from sandbox.demo.reconcile import Check
from sandbox.demo.stage import Stage

SQL = load_queries(__file__)

Summary = dict[str, Any]


async def summarise(
    db: Connection, stage: Stage, ballot: Ballot, campaign: Campaign, report: ImportReport, checks: Sequence[Check]
) -> Summary:
    """Count everything once the demo has settled.

    Returns:
        JSON-able: `members`, `steps`, `opened`, `confirmed`, `answers`, `opted_out`, `replies`, `scanners`, `turnout`,
        `checks`, `reconciled`.
    """
    standings = await db.fetch(SQL["count_claim_statuses"], ballot.ballot_id)
    confirmed = {row["source"]: row["n"] for row in standings if row["kind"] == "voted"}
    silenced = Counter(row["channel"] for row in await db.fetch(SQL["list_opt_outs"]))
    replies = await db.fetchrow(SQL["count_replies"])
    assert replies is not None
    hits = stage.sandbox.record.hits
    off = len(await recount(db, ballot.ballot_id))
    checks = [*checks, Check("turnout: running sums that a full recount contradicts", off, 0)]
    return {
        "members": _members(report),
        "steps": await _steps(db, campaign.campaign_id),
        "opened": await db.fetchval(SQL["count_opened"]),
        "confirmed": {**confirmed, "total": sum(confirmed.values())},
        "answers": _by_kind(standings),
        "opted_out": {**silenced, "total": silenced.total()},
        "replies": {"received": replies["received"], "waiting_for_a_person": replies["waiting"]},
        "scanners": {
            "hits": len(hits),
            "by_kind": dict(Counter(hit.kind for hit in hits)),
            "counted": next(check.muster for check in checks if "scanner" in check.name),
        },
        "turnout": await _turnout(db, stage, ballot),
        "checks": [asdict(check) | {"agrees": check.agrees} for check in checks],
        "reconciled": all(check.agrees for check in checks),
    }


async def _turnout(db: Connection, stage: Stage, ballot: Ballot) -> Summary:
    standing = await score(db, ballot.ballot_id, stage.runtime.clock())
    branches = await unit_counts(db, ballot.ballot_id, "branch")
    figures = asdict(standing)
    for one_constituency in ("constituencies", "unit_id", "name"):
        del figures[one_constituency]
    return {**figures, "branches": [_branch(unit, standing) for unit in branches]}


def _members(report: ImportReport) -> Summary:
    return {
        "rows": report.rows,
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "rejected": report.rejected,
        "unreachable": report.unreachable,
        "problems": report.by_code(),
    }


async def _steps(db: Connection, campaign_id: int) -> list[Summary]:
    """Summarise each step: its audience, messages by channel and outcome, and why the others got nothing."""
    steps: dict[int, Summary] = {}
    for row in await db.fetch(SQL["count_states"], campaign_id):
        step = steps.setdefault(
            row["position"],
            {
                "position": row["position"], "template": row["template"], "audience": 0, "sent": Counter(),
                "states": Counter(), "not_sent": Counter(), "segments": 0,
            },
        )  # fmt: skip
        step["audience"] += row["n"]
        step["states"][row["state"]] += row["n"]
        if row["sent"]:
            step["sent"][row["channel"]] += row["n"]
            step["segments"] += row["segments"] if row["channel"] == "sms" else 0
        else:
            step["not_sent"][row["reason"] or row["state"]] += row["n"]
    return [{**step, "delivered": _delivered(step), "bounced": _bounced(step)} for _, step in sorted(steps.items())]


def _delivered(step: Summary) -> int:
    """Count messages that arrived, as a handset or a mail server reported. A mail server does so by taking the mail."""
    states: Counter[str] = step["states"]
    return sum(states[state] for state in ("accepted", "sent", "delivered", "read") if state in states)


def _bounced(step: Summary) -> int:
    states: Counter[str] = step["states"]
    return sum(states[state] for state in ("undelivered", "bounced", "failed", "complained") if state in states)


def _by_kind(standings: Sequence[Any]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for row in standings:
        kinds[row["kind"]] += row["n"]
    return dict(kinds)


def _branch(unit: UnitTurnout, whole: Score) -> Summary:
    figures = assess_unit(unit, whole)
    return {
        "name": unit.path,
        "electorate": figures.electorate,
        "confirmed": figures.confirmed,
        "share": figures.confirmed / figures.electorate if figures.electorate else 0.0,
        "reached": figures.reached,
    }
