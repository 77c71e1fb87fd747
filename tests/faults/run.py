"""One fault run, and its finding."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults import hosts
from tests.faults.answers import reconcile_answers
from tests.faults.correspondence import writing
from tests.faults.environment import Environment, open_environment
from tests.faults.faults import Fault
from tests.faults.reconciliation import Finding, reconcile
from tests.faults.scale import Scale
from tests.faults.servers import CAMPAIGN, FEEDBACK, LOOPBACK, Servers

_WENT_WRONG = """
select from message_event
where source in ('smtp', 'twilio') and state in ('queued', 'ambiguous', 'failed') limit 1
"""


async def run_fault(servers: Servers, scale: Scale, fault: Fault, *, logs: Path | None = None) -> Finding:
    """Inject a fault on a new database, settle everything, and reconcile.

    Args:
        servers: up; they are up again afterwards.
        scale: how large.
        fault: what is done.
        logs: a folder where the processes' log is kept.
    """
    if reason := fault.needs():
        return Finding(fault.name, not_run=reason)
    with ExitStack() as stack:
        if fault.on_hosts:
            stack.enter_context(hosts.open_network())
            await asyncio.to_thread(servers.move_to, hosts.ADDRESS)
            stack.callback(servers.move_to, LOOPBACK)
        address = hosts.PROVIDERS if fault.on_hosts else servers.address
        async with open_environment(servers, scale, fault.conditions(scale), address) as environment:
            try:
                return await _run(environment, fault)
            finally:
                if logs is not None:
                    shutil.copy(environment.folder / "log", logs / f"{fault.name.replace(' ', '-')}.log")


async def _run(environment: Environment, fault: Fault) -> Finding:
    if fault.paced:
        await environment.fetch("update sender set pace = $1", environment.scale.pace * environment.scale.emails)
    await environment.add_workers(fault.workers)
    await environment.start_web()
    await (
        environment.until_at_work()
    )  # one that meets the fault while it starts ends, as it should, and was never tested
    began = time.time()
    await environment.launch(FEEDBACK, *([CAMPAIGN] if fault.launched else []))
    try:
        async with writing(environment):
            await fault.inject(environment)
        await environment.until_settled(skips_waits=fault.skips_waits)
        done_at = time.time()
        await environment.until_heard(skips_waits=fault.skips_waits)
        await environment.stop()
    except AssertionError as error:
        return Finding(fault.name, broken=[str(error)])
    if fault.unwell and not await environment.fetch(_WENT_WRONG):
        environment.wrong.append("no try went wrong: nothing was tested")
    finding = await reconcile(environment, fault.name, fault.allowed(environment.scale))
    await reconcile_answers(environment, finding)
    finding.skips_waits = fault.skips_waits
    finding.done = done_at - (environment.over_at or began)
    finding.recovered = _recovered(environment)
    return finding


def _recovered(environment: Environment) -> float | None:
    """Seconds until messages came again by every channel that had some to come."""
    if environment.over_at is None:
        return None
    first: dict[str, float] = {}
    for arrival in environment.providers.arrivals():
        if arrival.at > environment.over_at:
            first[arrival.channel] = min(arrival.at, first.get(arrival.channel, arrival.at))
    return max(first.values()) - environment.over_at if first else None
