"""A launch: how long it takes, whether twice the people take twice as long, and whether memory stays where it is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any, Final

import click
import uvloop

from ballots.ballots import enrol
from core.db import connect
from tests.bench.processes import clean_environment, family_cpu_seconds, peak_mb
from tests.bench.report import Bar, Report
from tests.bench.servers import open_bench_runtime, open_bench_servers
from tests.bench.union import add_people, launch_campaign, make_campaign

SIZES: Final = (10_000, 120_000, 500_000, 1_000_000)
SOON: Final = 5.0
"""The bar: seconds for 120,000 people, on the two cores this was written on."""
LINEAR: Final = 1.5
"""The bar: how much more may be computed for each person in the largest launch than in that of 120,000."""
FLAT: Final = 1.35
"""The bar: how much more memory the largest launch may hold than that of 120,000."""


async def launch(*, quick: bool = False) -> Report:
    """Launch campaigns to a growing union in one growing outbox, each in a process of its own."""
    sizes = SIZES[:2] if quick else SIZES
    rows: list[tuple[int, float, float, float, float]] = []
    async with open_bench_servers() as servers:
        url = await servers.new_database("launches")
        environment = servers.environment(url, {"MUSTER_SMTP_URL": "smtp://127.0.0.1:1"})
        before = 0
        for size in sizes:
            await add_people(url, before + 1, size)
            before = size
            await _enrol(url)
            said = await asyncio.to_thread(_launch, environment, f"to-{size}", servers.postgres.process.pid)
            if said["queued"] != size:
                raise RuntimeError(f"{said['queued']} of {size} were queued")
            rows.append((size, said["seconds"], said["seconds"] / size * 1e5, said["cpu"] / size * 1e5, said["peak"]))
    by_size = {row[0]: row for row in rows}
    union, last = by_size[120_000], rows[-1]
    soon = Bar("120,000 people from audience to outbox, seconds", union[1], at_most=SOON)
    bars = [
        soon,
        Bar(f"CPU seconds a person, {last[0]:,} to 120,000", last[3] / union[3], at_most=LINEAR),
        Bar(f"peak memory, {last[0]:,} to 120,000", last[4] / union[4], at_most=FLAT),
    ]
    return Report(
        "launch",
        {"120,000 people from audience to outbox, s": union[1]},
        [soon] if quick else bars,
        [(("people", "seconds", "s per 100,000", "CPU s per 100,000", "peak MB"), rows)],
    )


async def _enrol(url: str) -> None:
    """Enrol those who have joined. Making a campaign does it too, but within a minute: a slow machine needs longer."""
    db = await connect(url)
    try:
        for row in await db.fetch("select ballot_id from ballot"):
            await enrol(db, row["ballot_id"])
    finally:
        await db.close()


def _launch(environment: dict[str, str], name: str, postmaster: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.bench.launches", json.dumps(environment), name, str(postmaster)],
        capture_output=True, text=True, check=False, env=clean_environment(), cwd="/",
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"the launch failed: {done.stderr[-1500:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


async def _alone(environment: dict[str, str], name: str, postmaster: int) -> dict[str, Any]:
    """Make a campaign and launch it; only the launch is timed, and its CPU counted, with PostgreSQL's."""
    async with open_bench_runtime(environment) as runtime:
        campaign_id = await make_campaign(runtime, name, "email")
        began, before = time.perf_counter(), time.process_time() + family_cpu_seconds(postmaster)
        _, launched = await launch_campaign(runtime, campaign_id)
        computed = time.process_time() + family_cpu_seconds(postmaster) - before
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "cpu": computed, "queued": launched.by_channel["email"], "peak": peak_mb(os.getpid())}


if __name__ == "__main__":
    click.echo(json.dumps(uvloop.run(_alone(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])))))
