"""docs/delivery.md has the table of today's faults, and none that was broken or not run."""

from __future__ import annotations

from tests.faults.faults import FAULTS
from tests.faults.table import DOCS

TEXT = DOCS.read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| **")]


def test_every_fault_is_in_the_docs_as_it_is_declared() -> None:
    assert [row.split("|")[1].strip() for row in ROWS] == [f"**{fault.name}**: {fault.what}" for fault in FAULTS]


def test_the_table_in_the_docs_reports_no_loss() -> None:
    assert ROWS
    for row in ROWS:
        _, sent, lost, doubled, *_ = [cell.strip() for cell in row.strip("|").split("|")]
        assert int(sent.replace(",", "")) > 4000, row
        assert (lost, doubled) == ("0", "0"), row
