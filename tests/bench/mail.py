"""Email: the whole pipeline, against Postfix's own `smtp-source`, and its conversation alone against a bare client."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from core.runtime import Runtime
from messaging.channels.channel import OutboundEmail
from messaging.outbox.claim import ClaimedMessage
from messaging.outbox.compose import Composers
from tests.bench.conversation import bare, ours
from tests.bench.processes import Sink, open_sink, smtp_source
from tests.bench.report import Bar, Report, middle
from tests.bench.servers import (
    BenchServers,
    Sent,
    deliver,
    open_bench_runtime,
    open_bench_servers,
    open_workers,
    pause_senders,
)
from tests.bench.union import add_people, launch_campaign, make_campaign

CONNECTIONS: Final = 16
SOURCE_HEADERS: Final = 112
"""Bytes of header that `smtp-source` puts above what its -l counts."""
ONE_WORKER, TWO_WORKERS = 0.3, 0.4
"""Bars: the least share of smtp-source's pace."""
TALKS: Final = 3
"""Turns of the two clients in each round."""
CONVERSATION: Final = 1.7
"""Bar: the most CPU of our conversation with the relay, to that of a bare client that packs the same way."""


@dataclass(frozen=True, slots=True)
class Post:
    """Everything that sending mail is measured on.

    Attributes:
        runtime: of this process; the workers have the same configuration.
        environment: that configuration.
        sink: takes the mail.
    """

    servers: BenchServers
    runtime: Runtime
    environment: dict[str, str]
    sink: Sink

    async def send(self, name: str, workers: int) -> Sent:
        """Launch a campaign to everybody and have it sent by so many workers."""
        campaign_id = await make_campaign(self.runtime, name, "email")
        await pause_senders(self.runtime)
        began = time.perf_counter()
        step_id, _ = await launch_campaign(self.runtime, campaign_id)
        launching = time.perf_counter() - began
        with open_workers(self.servers, self.environment, workers) as processes:
            sent = await deliver(self.servers, self.runtime, step_id, processes, self.sink.process)
        return replace(sent, launching=launching)

    async def sample(self, **variables: str) -> OutboundEmail:
        """One of the mails that were sent, as it was but for these variables."""
        async with self.runtime.pool.acquire() as db:
            row = await db.fetchrow(
                "select message_id, step_id, address, variables, sender_id from message order by message_id limit 1"
            )
            assert row is not None
            composers = Composers(self.runtime.settings, self.runtime.keyring)
            composer = await composers.get(db, row["step_id"], "email")
            said = {**row["variables"], **variables}
            claimed = ClaimedMessage(row["message_id"], 1, row["address"], said, row["sender_id"], 0)
            outbound = composer.compose(claimed, self.runtime.clock()).outbound
        assert isinstance(outbound, OutboundEmail)
        return outbound


@asynccontextmanager
async def open_post(people: int) -> AsyncIterator[Post]:
    """Servers, a union of so many, and a sink."""
    async with AsyncExitStack() as stack:
        sink = stack.enter_context(open_sink())
        servers = await stack.enter_async_context(open_bench_servers())
        url = await servers.new_database("mail")
        environment = servers.environment(
            url, {"MUSTER_SMTP_URL": sink.url, "MUSTER_SMTP_CONNECTIONS": str(CONNECTIONS)}
        )
        runtime = await stack.enter_async_context(open_bench_runtime(environment))
        await add_people(url, 1, people)
        yield Post(servers, runtime, environment, sink)


async def email(*, quick: bool = False) -> Report:
    """From a launched campaign to mails recorded as accepted, by one worker and by two."""
    mails, rounds = (3_000, 1) if quick else (12_000, 5)
    talks: list[float] = []
    bare_talks: list[float] = []
    alone: list[Sent] = []
    together: list[Sent] = []
    plain: list[float] = []
    kept: list[float] = []
    async with open_post(mails) as post:
        for turn in range(rounds):
            alone.append(await post.send(f"one-{turn}", 1))
            size = len((await post.sample()).content)
            for keep, rates in ((False, plain), (True, kept)):
                rates.append(
                    smtp_source(
                        post.sink.port, mails=mails, size=size - SOURCE_HEADERS, sessions=CONNECTIONS, keep=keep
                    )
                )
            together.append(await post.send(f"two-{turn}", 2))
            for _ in range(TALKS):
                sample = await post.sample()
                bare_talks.append(await bare(post.sink.port, sample, mails, CONNECTIONS))
                talks.append(await ours(post.runtime.settings, sample, mails))
    source, source_kept = middle(plain, float), middle(kept, float)
    one, two = middle(alone), middle(together)
    return Report(
        "email",
        {
            "mails a round": mails,
            "rounds, of which the median": rounds,
            "bytes a mail": size,
            "one worker, mails/s": one.rate,
            "two workers, mails/s": two.rate,
            "smtp-source, mails/s": source,
            "smtp-source -d (connections kept), mails/s": source_kept,
            "one worker to smtp-source -d": one.rate / source_kept,
            "our conversation with the sink, CPU µs a mail": middle(talks, float),
            "a bare client's, CPU µs a mail": middle(bare_talks, float),
            **computed(one),
        },
        [
            Bar("one worker to smtp-source", one.rate / source, at_least=ONE_WORKER),
            Bar("two workers to smtp-source", two.rate / source, at_least=TWO_WORKERS),
            Bar(
                "our conversation to a bare client's, CPU",
                middle(talks, float) / middle(bare_talks, float),
                at_most=CONVERSATION,
            ),
        ],
    )


def computed(sent: Sent) -> dict[str, float]:
    """What the processors did for each mail."""
    return {
        "worker, CPU µs a mail": sent.worker_cpu,
        "PostgreSQL, CPU µs a mail": sent.database_cpu,
        "sink, CPU µs a mail": sent.provider_cpu,
    }
