"""Memory: a worker holds the messages it is sending, not all that are due."""

from __future__ import annotations

from typing import Final

from tests.bench.mail import open_post
from tests.bench.processes import peak_mb, resident_mb
from tests.bench.report import Bar, Report
from tests.bench.servers import deliver, open_workers, pause_senders
from tests.bench.union import add_people, launch_campaign, make_campaign

FLAT: Final = 1.2
"""The bar: how much more a worker may have held after ten times the mails."""


async def memory(*, quick: bool = False, million: bool = False) -> Report:
    """One worker sends larger and larger campaigns; what it has held at most is read after each.

    Args:
        quick: end with 20,000 mails.
        million: go on to 1,000,000.
    """
    sizes = [2_000, 20_000] if quick else [10_000, 100_000, *([1_000_000] if million else [])]
    rows: list[tuple[int, float, float, float]] = []
    async with open_post(sizes[0]) as post:
        with open_workers(post.servers, post.environment, 1) as workers:
            pid = workers[0].pid
            before = sizes[0]
            for size in sizes:
                if size > before:
                    await add_people(post.environment["MUSTER_DATABASE_URL"], before + 1, size)
                    before = size
                campaign_id = await make_campaign(post.runtime, f"to-{size}", "email")
                await pause_senders(post.runtime)
                step_id, _ = await launch_campaign(post.runtime, campaign_id)
                sent = await deliver(post.servers, post.runtime, step_id, workers, post.sink.process)
                rows.append((size, sent.rate, resident_mb(pid), peak_mb(pid)))
    return Report(
        "memory",
        {"worker, peak MB": rows[-1][3]},
        [
            Bar(
                f"a worker's peak memory, {rows[-1][0]:,} mails to {rows[0][0]:,}",
                rows[-1][3] / rows[0][3],
                at_most=FLAT,
            )
        ],
        [(("mails", "mails/s", "MB after", "peak MB"), rows)],
    )
