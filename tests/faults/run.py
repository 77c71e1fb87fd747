"""One fault played, and its finding."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults import hosts
from tests.faults.answers import reckon_answers
from tests.faults.correspondence import writing
from tests.faults.faults import Fault
from tests.faults.reckoning import Finding, reckon
from tests.faults.scale import Scale
from tests.faults.servers import CAMPAIGN, FEEDBACK, LOOPBACK, Servers
from tests.faults.stage import Stage, open_stage

_WENT_WRONG = """
select from message_event
where source in ('smtp', 'twilio') and state in ('queued', 'ambiguous', 'failed') limit 1
"""


async def play(servers: Servers, scale: Scale, fault: Fault, *, logs: Path | None = None) -> Finding:
    """Play a fault on a new database, settle everything, and reckon.

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
        providers = hosts.PROVIDERS if fault.on_hosts else servers.address
        async with open_stage(servers, scale, fault.conditions(scale), providers) as stage:
            try:
                return await _play(stage, fault)
            finally:
                if logs is not None:
                    shutil.copy(stage.folder / "log", logs / f"{fault.name.replace(' ', '-')}.log")


async def _play(stage: Stage, fault: Fault) -> Finding:
    if fault.paced:
        await stage.fetch("update sender set pace = $1", stage.scale.pace * stage.scale.emails)
    await stage.add_workers(fault.workers)
    await stage.start_web()
    await stage.until_at_work()  # one that meets the fault while it starts ends, as it should, and was never tested
    began = time.time()
    await stage.launch(FEEDBACK, *([CAMPAIGN] if fault.launched else []))
    try:
        async with writing(stage):
            await fault.play(stage)
        await stage.until_settled(hurried=fault.hurried)
        done_at = time.time()
        await stage.until_heard(hurried=fault.hurried)
        await stage.stop()
    except AssertionError as error:
        return Finding(fault.name, broken=[str(error)])
    if fault.unwell and not await stage.fetch(_WENT_WRONG):
        stage.wrong.append("no try went wrong: nothing was tested")
    finding = await reckon(stage, fault.name, fault.allowed(stage.scale))
    await reckon_answers(stage, finding)
    finding.hurried = fault.hurried
    finding.done = done_at - (stage.over_at or began)
    finding.recovered = _recovered(stage)
    return finding


def _recovered(stage: Stage) -> float | None:
    """Seconds until messages came again by every channel that had some to come."""
    if stage.over_at is None:
        return None
    first: dict[str, float] = {}
    for arrival in stage.outside.arrivals():
        if arrival.at > stage.over_at:
            first[arrival.channel] = min(arrival.at, first.get(arrival.channel, arrival.at))
    return max(first.values()) - stage.over_at if first else None
