"""Every fault, in little: nobody lost, nobody twice, nothing unexplained. `make faults` runs them at full size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.faults import FAULTS, Fault
from tests.faults.run import run_fault
from tests.faults.scale import SHORT
from tests.faults.servers import Servers, open_servers

RUN_SHORT = [fault for fault in FAULTS if not fault.only_full]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers that may be knocked over: not the ones of the other tests."""
    with open_servers(SHORT) as both:
        yield both


@pytest.mark.parametrize("fault", RUN_SHORT, ids=[fault.name.replace(" ", "-") for fault in RUN_SHORT])
async def test_no_fault_loses_or_doubles_a_message(servers: Servers, fault: Fault) -> None:
    finding = await run_fault(servers, SHORT, fault)
    if finding.not_run:
        pytest.skip(finding.not_run)
    assert finding.broken == []
    assert (finding.lost, finding.doubled) == (0, 0)
    assert finding.sent > 0
