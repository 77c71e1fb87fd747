"""The report of a benchmark: figures, and the bars they must clear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, TypeVar

import orjson

Run = TypeVar("Run")
RATE: Final = attrgetter("rate")
"""What tells a quick run from a slow one."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A ratio of two things measured in the same run, and what it must be.

    Attributes:
        what: in words.
        value: what was measured.
        at_least: the least it may be; None if it has no lower bound.
        at_most: the most it may be.
    """

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def wanted(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"

    def line(self) -> str:
        return f"{'holds' if self.holds else 'MISSED'}  {self.what}: {self.value:.2f} ({self.wanted})"


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark came to.

    Attributes:
        name: of the benchmark.
        figures: by name, in the order they are shown; numbers, or words.
        bars: what had to hold.
        tables: headed rows to print below: of (head, rows).
    """

    name: str
    figures: Mapping[str, Any]
    bars: Sequence[Bar] = ()
    tables: Sequence[tuple[Sequence[str], Sequence[Sequence[Any]]]] = ()

    def to_json(self) -> str:
        return orjson.dumps(
            {
                "benchmark": self.name,
                "figures": self.figures,
                "bars": [
                    {"what": bar.what, "value": bar.value, "wanted": bar.wanted, "holds": bar.holds}
                    for bar in self.bars
                ],
                "tables": [[head, *rows] for head, rows in self.tables],
            }
        ).decode()

    def lines(self) -> list[str]:
        """The same for people: one line of figures, a line a bar, and the tables."""
        said = "; ".join(f"{name} {shown(value)}" for name, value in self.figures.items())
        return [
            f"{self.name}: {said}",
            *(f"  {bar.line()}" for bar in self.bars),
            *(line for head, rows in self.tables for line in _aligned(head, rows)),
        ]


def shown(value: Any) -> str:
    """A figure as people read it."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def middle(runs: Sequence[Run], rate: Callable[[Run], float] = RATE) -> Run:
    """The run in the middle of a few, the lower of two, for both sides alike.

    Not the best: a virtual machine's own speed swings, by half and more within seconds, so that the best of short runs
    says who met a quick second.
    """
    return sorted(runs, key=rate)[(len(runs) - 1) // 2]


def _aligned(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [list(head), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
