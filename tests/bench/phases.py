"""The phases of an email in a worker: its stack, sampled a hundred times a second from outside."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

from tests.bench.environment import environment
from tests.bench.mail import open_post
from tests.bench.report import Report
from tests.bench.servers import deliver, open_workers, pause_senders
from tests.bench.union import launch_campaign, make_campaign

PHASES: Final = (
    ("claim: the statement and its rows", ("messaging/outbox/claim.py",)),
    ("record: the statement between two tries", ("messaging/outbox/outcomes.py", "messaging/outbox/outcome_writer.py")),
    ("MIME", ("messaging/content/mime.py",)),
    ("compose: render, links, seals", ("messaging/outbox/compose.py", "messaging/content/")),
    ("SMTP", ("messaging/channels/",)),
    ("pipeline: queues, turns, verdicts", ("messaging/outbox/",)),
    ("other jobs: reconcile, launch, wake-ups", ("muster/", "campaigns/", "webhooks/", "arq/", "redis/")),
    ("event loop, sockets, drivers' callbacks", ("",)),
)
"""In this order: a stack belongs to the first phase that has a part in it."""
_RATE: Final = 100


async def profile(*, quick: bool = False) -> Report:
    """Look at one worker while it sends, and sort what it does into phases by the files on its stack."""
    mails = 6_000 if quick else 20_000
    spy = environment() / "py-spy"
    async with open_post(mails) as post:
        campaign_id = await make_campaign(post.runtime, "profile", "email")
        await pause_senders(post.runtime)
        step_id, _ = await launch_campaign(post.runtime, campaign_id)
        with open_workers(post.servers, post.environment, 1) as workers:
            stacks = post.servers.home / "stacks"
            looking = await asyncio.create_subprocess_exec(
                str(spy), "record", "--pid", str(workers[0].pid), "--rate", str(_RATE), "--duration", "600",
                "--format", "raw", "--full-filenames", "--output", str(stacks),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                sent = await deliver(post.servers, post.runtime, step_id, workers, post.sink.process)
            finally:
                if looking.returncode is None:
                    looking.send_signal(2)  # it writes what it has seen when it is interrupted
                await looking.wait()
        seen = _sorted(stacks)
    total = seen.total()
    if not total:
        raise RuntimeError("py-spy saw nothing of the worker; may this user trace processes?")
    rows = [(name, 100 * seen[name] / total, sent.worker_cpu * seen[name] / total) for name, _ in PHASES]
    return Report(
        "profile",
        {
            "mails": mails,
            "looks": total,
            "worker, CPU µs a mail": sent.worker_cpu,
            "PostgreSQL, CPU µs a mail": sent.database_cpu,
            "sink, CPU µs a mail": sent.provider_cpu,
        },
        tables=[(("of the worker's time", "%", "µs a mail"), rows)],
    )


def _sorted(stacks: Path) -> Counter[str]:
    """How often the worker was seen in each phase."""
    seen: Counter[str] = Counter()
    for line in stacks.read_text(encoding="utf-8").splitlines():
        stack, _, times = line.rpartition(" ")
        seen[phase(stack)] += int(times)
    return seen


def phase(stack: str) -> str:
    # what starts the worker stands at the bottom of every stack and says nothing
    frames = [frame for frame in stack.split(";") if "muster/cli" not in frame and "muster/__main__" not in frame]
    above = ";".join(frames)
    return next(name for name, parts in PHASES if any(part in above for part in parts))
