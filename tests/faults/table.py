"""The findings as a table for people, in the terminal and in docs/delivery.md, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.faults import FAULTS
from tests.faults.reconciliation import Finding
from tests.faults.scale import Scale

DOCS = Path(__file__).resolve().parents[2] / "docs" / "delivery.md"
_BEGIN, _END = "<!-- faults: begin -->", "<!-- faults: end -->"
_HEAD = ("fault", "sent", "lost", "doubled", "unknown", "sent again", "late", "flows again", "all done")
_WHAT = {fault.name: fault.what for fault in FAULTS}


def as_json(scale: Scale, findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything there is to know."""
    return {
        "scale": asdict(scale),
        "ok": is_kept(findings),
        "not_run": [finding.fault for finding in findings if finding.not_run],
        "faults": [{"what": _WHAT[finding.fault], **asdict(finding)} for finding in findings],
    }


def is_kept(findings: Sequence[Finding]) -> bool:
    """Tell whether no demand was broken."""
    return not any(finding.broken for finding in findings)


def for_terminal(findings: Sequence[Finding]) -> str:
    """The table, and under it every demand that was not met."""
    rows = [_HEAD, *(_cells(finding) for finding in findings)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) if not place else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]  # fmt: skip
    single, answers = sum(finding.single for finding in findings), sum(finding.answers for finding in findings)
    lines.append(f"{single:,} of them to one person, of no campaign; {answers:,} people have answered the question")
    lines += [f"BROKEN  {finding.fault}: {words}" for finding in findings for words in finding.broken]
    lines += [f"NOT RUN {finding.fault}: {finding.not_run}" for finding in findings if finding.not_run]
    return "\n".join(lines)


def write_docs(scale: Scale, findings: Sequence[Finding]) -> None:
    """Put the table into docs/delivery.md, between its two marks."""
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    DOCS.write_text(f"{before}{_BEGIN}\n{_markdown(scale, findings)}\n{_END}{after}", encoding="utf-8")


def _markdown(scale: Scale, findings: Sequence[Finding]) -> str:
    head = ("what is done", *_HEAD[1:])
    how = (
        f"{scale.emails:,} emails and {scale.texts:,} texts for each fault; each worker has {scale.smtp_connections}"
        f" connections for email and {scale.sms_connections} for SMS; the relay takes"
        f" {scale.latency[0]:g} s for an email, Twilio {scale.latency[1]:g} s for a text."
    )
    lines = [
        how,
        "",
        f"| {' | '.join(head)} |",
        f"| {' | '.join('---' if not place else '--:' for place in range(len(head)))} |",
    ]
    for finding in findings:
        what = f"**{finding.fault}**: {_WHAT[finding.fault]}"
        lines.append(f"| {' | '.join([what, *_cells(finding)[1:]])} |")
    return "\n".join(lines)


def _cells(finding: Finding) -> tuple[str, ...]:
    if finding.not_run:
        return (finding.fault, "not run", *[""] * (len(_HEAD) - 2))
    return (
        finding.fault, f"{finding.sent:,}", str(finding.lost), str(finding.doubled), str(finding.ambiguous),
        str(finding.again), "" if finding.late is None else str(finding.late), _seconds(finding.recovered),
        _seconds(finding.done),
    )  # fmt: skip


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
