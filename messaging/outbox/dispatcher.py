"""Dispatcher: send due messages by every channel at once, and stop cleanly."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

import structlog

from core.runtime import Runtime
from messaging.channels.channel import Channel
from messaging.outbox.compose import Composers
from messaging.outbox.heartbeat import Heartbeat, outdated
from messaging.outbox.pipeline import Pipeline
from messaging.outbox.rate_limits import RateLimits
from messaging.outbox.steps import finish_drained
from messaging.states import WITHDRAWN, State

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DispatchCounts:
    """Counts of messages in one run, by outcome.

    Attributes:
        accepted: taken by the provider.
        retried: tried and not sent; tried again later.
        put_off: not tried yet: the eligibility check found them too early, such as in quiet hours.
        failed: refused, or impossible to compose.
        ambiguous: unknown whether they left.
        withdrawn: stopped by an eligibility check.
        handed_back: claimed and put back unsent.
    """

    accepted: int
    retried: int
    put_off: int
    failed: int
    ambiguous: int
    withdrawn: int
    handed_back: int


class Dispatcher:
    """Sends due messages; a worker process has one for its whole life.

    Args:
        runtime: has the database, Redis, clock and settings.
        channels: by name; messages queued for others wait.
    """

    def __init__(self, runtime: Runtime, channels: Mapping[str, Channel]) -> None:
        self._runtime = runtime
        self._channels = channels
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._rate_limits = RateLimits(runtime.redis, self.name, runtime.outages)
        self._heartbeat = Heartbeat(runtime, self.name)
        self._composers = Composers(runtime.settings, runtime.keyring)
        self._running: list[Pipeline] = []

    @property
    def channels(self) -> Mapping[str, Channel]:
        """The channels it sends by, by name."""
        return self._channels

    @property
    def dispatcher_id(self) -> int | None:
        """Id of this worker's heartbeat row; None while it has none."""
        return self._heartbeat.dispatcher_id

    @property
    def is_outdated(self) -> bool:
        """Tell whether a migration has changed the outbox, so that this worker claims nothing more."""
        return self._heartbeat.is_outdated

    def while_alive(self) -> AbstractAsyncContextManager[None]:
        """Send heartbeats as long as this is open, with or without anything to send."""
        return self._heartbeat.while_alive()

    async def run(
        self, *, only: str | None = None, until_idle: bool = True, deadline: datetime | None = None
    ) -> DispatchCounts:
        """Send due messages. When cancelled, claim nothing more, finish those in flight and hand back the rest.

        Args:
            only: the one channel to send by; None for all.
            until_idle: end when nothing is due any more; False to go on until stopped.
            deadline: claim nothing after it; None for no limit.

        Raises:
            Conflict: a migration has changed the outbox; nothing stays claimed.
        """
        counts: Counter[str] = Counter()
        pipelines = [
            Pipeline(self._runtime, channel, self._rate_limits, self._composers, self._heartbeat, counts)
            for name, channel in self._channels.items()
            if only in {None, name}
        ]
        self._running.extend(pipelines)
        work = asyncio.gather(
            *(pipeline.run(until_idle=until_idle, deadline=deadline) for pipeline in pipelines), return_exceptions=True
        )
        try:
            async with self._heartbeat.run():
                results = await _to_the_end(work, pipelines)
        finally:
            self._running = [pipeline for pipeline in self._running if pipeline not in pipelines]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if self.is_outdated:
            raise outdated()
        if counts:
            log.info("messages processed", **{name: n for name, n in sorted(counts.items()) if n})
            async with self._runtime.pool.acquire() as db:
                await finish_drained(db, self._runtime.clock())
        return _sum(counts)

    def look_at_once(self) -> None:
        """Make every current run look for due messages now; transactional ones go first."""
        for pipeline in self._running:
            pipeline.look_at_once()

    def stop(self) -> None:
        """End every run: claim nothing more, finish messages in flight, hand back the rest."""
        for pipeline in self._running:
            pipeline.stop()


async def _to_the_end(
    work: asyncio.Future[list[BaseException | None]], pipelines: list[Pipeline]
) -> list[BaseException | None]:
    """Wait for the pipelines; on cancellation, stop them, wait until they have ended, and raise it again."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        for pipeline in pipelines:
            pipeline.stop()
        await asyncio.wait([work])
        raise


def _sum(counts: Counter[str]) -> DispatchCounts:
    return DispatchCounts(
        accepted=counts[State.ACCEPTED],
        retried=counts["retried"],
        put_off=counts["put_off"],
        failed=counts[State.FAILED],
        ambiguous=counts[State.AMBIGUOUS],
        withdrawn=sum(counts[state] for state in WITHDRAWN),
        handed_back=counts["handed_back"],
    )
