"""The figures in docs/benchmarks.md: each benchmark has its place between two marks, and a run fills it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tests.bench.processes import ROOT
from tests.bench.report import Report, shown

PAGE: Final = ROOT / "docs" / "benchmarks.md"


def keep(report: Report) -> None:
    """Put a benchmark's figures in their place.

    Raises:
        ValueError: the page has no such place.
    """
    start, end = f"<!-- {report.name} -->", f"<!-- /{report.name} -->"
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{PAGE.name} has no place for {report.name}")
    PAGE.write_text(pattern.sub(lambda _: f"{start}\n{_figures(report)}\n{end}", text), encoding="utf-8")


def _figures(report: Report) -> str:
    busy, cores = os.getloadavg()[0], os.cpu_count()
    bars = [(bar.what, f"**{bar.value:.2f}**, wanted {bar.wanted}") for bar in report.bars]
    tables = [
        _table(("measured", ""), [*bars, *report.figures.items()]),
        *(_table(head, rows) for head, rows in report.tables),
        f"{datetime.now(UTC):%d %B %Y}, {cores} cores, load average at the end {busy:.1f}.",
    ]
    return "\n\n".join(tables)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(shown(cell) for cell in line)} |" for line in lines)
