"""The benchmarks say when a bar is missed, and each has its place in the page that shows them."""

import pytest

from tests.bench.__main__ import BENCHMARKS
from tests.bench.page import PAGE
from tests.bench.phases import PHASES, phase
from tests.bench.report import Bar


@pytest.mark.parametrize(
    ("bar", "holds"),
    [
        (Bar("speed", 0.3, at_least=0.3), True),
        (Bar("speed", 0.29, at_least=0.3), False),
        (Bar("growth", 1.2, at_most=1.2), True),
        (Bar("growth", 1.21, at_most=1.2), False),
    ],
)
def test_a_benchmark_meets_or_misses_its_bar(bar: Bar, *, holds: bool) -> None:
    assert bar.holds is holds
    assert ("MISSED" in bar.line()) is not holds


def test_every_benchmark_has_a_place_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in BENCHMARKS:
        assert page.count(f"<!-- {name} -->") == page.count(f"<!-- /{name} -->") == 1
        assert name in page.partition("one of: ")[2].partition("\n")[0].split()


def test_a_stack_belongs_to_one_phase() -> None:
    bottom = "<module> (muster/__main__.py:5);run (muster/cli/session.py:30);"
    claim, record, mime = (name for name, _ in PHASES[:3])
    assert phase(f"{bottom}_refill (messaging/outbox/pipeline.py:1);claim (messaging/outbox/claim.py:9)") == claim
    written = "_record (messaging/outbox/pipeline.py:1);write (messaging/outbox/outcome_writer.py:2)"
    assert phase(f"{bottom}{written}") == record
    assert phase(f"{bottom}compose (messaging/outbox/compose.py:1);build (messaging/content/mime.py:2)") == mime
    assert phase(bottom) == PHASES[-1][0]
