"""Summary of a demo: one object, for programs and for the tables at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from campaigns.campaigns import Campaign
from core.db import Connection, load_queries
from people.imports.report import ImportReport
from sandbox.demo.environment import Environment
from sandbox.demo.reconcile import Check

SQL: Final = load_queries(__file__)

Summary = dict[str, Any]
_WAITING: Final = {"queued": "not_due_yet"}


async def summarise(
    db: Connection,
    environment: Environment,
    campaigns: Sequence[Campaign],
    report: ImportReport,
    checks: Sequence[Check],
    own: Summary,
) -> Summary:
    """Count what every scenario has, once the demo has settled.

    Args:
        db: Muster's database.
        environment: has the sandbox.
        campaigns: the demo's campaigns, in order.
        report: of the import.
        checks: the comparisons with the record.
        own: what only this scenario has; `scanners_counted` is how many answers only a link scanner gave.

    Returns:
        JSON-able: `members`, `steps`, `opened`, `opted_out`, `replies`, `scanners`, `checks`, `reconciled`, and the
        scenario's own.
    """
    own = dict(own)
    silenced = Counter(row["channel"] for row in await db.fetch(SQL["list_opt_outs"]))
    replies = await db.fetchrow(SQL["count_replies"])
    assert replies is not None
    hits = environment.sandbox.record.hits
    return {
        "members": _members(report),
        "steps": [step for campaign in campaigns for step in await _steps(db, campaign.campaign_id)],
        "opened": await db.fetchval(SQL["count_opened"]),
        "opted_out": {**silenced, "total": silenced.total()},
        "replies": {"received": replies["received"], "waiting_for_a_person": replies["waiting"]},
        "scanners": {
            "hits": len(hits),
            "by_kind": dict(Counter(hit.kind for hit in hits)),
            "counted": own.pop("scanners_counted"),
        },
        **own,
        "checks": [asdict(check) | {"agrees": check.agrees} for check in checks],
        "reconciled": all(check.agrees for check in checks),
    }


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
            step["not_sent"][row["reason"] or _WAITING.get(row["state"], row["state"])] += row["n"]
    return [{**step, "delivered": _delivered(step), "bounced": _bounced(step)} for _, step in sorted(steps.items())]


def _delivered(step: Summary) -> int:
    """Count messages that arrived, as a handset or a mail server reported. A mail server does so by taking the mail."""
    states: Counter[str] = step["states"]
    return sum(states[state] for state in ("accepted", "sent", "delivered", "read") if state in states)


def _bounced(step: Summary) -> int:
    states: Counter[str] = step["states"]
    return sum(states[state] for state in ("undelivered", "bounced", "failed", "complained") if state in states)
