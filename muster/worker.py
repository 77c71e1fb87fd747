"""Worker process and its wake-ups; the only module that imports arq.

A wake-up carries no message: it starts a job (see `muster/jobs.py`), which claims batches of rows in PostgreSQL. So
nothing is lost when Redis is flushed or away, or when a worker dies: every worker also checks the database by itself
every second, and runs the clock's jobs itself while Redis is away.

Work for one worker (the inbound log, the clock) is an arq job, which one of them takes. Sending is shared by all: it is
announced on the deliver channel (Redis' publish and subscribe), which reaches each at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import orjson
import structlog
from arq import Worker, cron, func
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from core.outages import REDIS, Outages
from core.redis_address import ANSWER_TIMEOUT, open_redis_pool
from core.runtime import Runtime

if TYPE_CHECKING:
    from muster.jobs import Jobs

QUEUE: Final = "muster:queue"
DELIVER_CHANNEL: Final = "muster:deliver"
"""Deliver channel, shared by all databases of a Redis server: a worker with nothing to send looks once in vain."""
POLL_EVERY: Final = 0.1
"""Seconds between two polls for an arq job."""
LOOK_EVERY: Final = 1.0
"""Seconds between two checks of the database without a wake-up."""
JOB_LASTS: Final = 20.0
"""Seconds an arq job waits for its work, which goes on after it. A killed worker's job blocks its name for as long."""
STOP_TIMEOUT: Final = 25.0
"""Seconds a job gets to finish when the worker stops."""

MERGE_SECONDS: Final = 0.05
"""Seconds after a wake-up in which further ones are merged into one."""

log = structlog.get_logger(__name__)


def _to_json(value: Any) -> bytes:
    # arq also stores exceptions; their text is enough
    return orjson.dumps(value, default=repr)


async def work(runtime: Runtime, stop: asyncio.Event) -> None:
    """Run a worker's jobs until `stop` is set; then finish what is in flight and hand back the rest.

    Args:
        runtime: wake-ups come from its `settings.redis_url`.
        stop: set it to stop the worker.

    Raises:
        Conflict: the database has been migrated by another version; what was claimed has been handed back.
    """
    # Late: a command that only wakes the workers does not need every provider's SDK.
    from core.http.outbound_http import open_outbound_http
    from messaging.channels import open_channels
    from messaging.outbox.dispatcher import Dispatcher
    from messaging.outbox.heartbeat import outdated
    from muster.gc_tuning import tune_gc
    from muster.jobs import Jobs

    assert runtime.settings.redis_url is not None
    async with (
        open_channels(runtime.settings, runtime.http) as channels,
        open_outbound_http(runtime.settings.outgoing_allow) as outbound_http,
        (dispatcher := Dispatcher(runtime, channels)).while_alive(),
    ):
        jobs = Jobs(runtime, dispatcher, outbound_http)
        listener = _Listener(jobs, runtime.settings.redis_url, runtime.outages)
        listening = asyncio.create_task(listener.listen(), name="wake-ups")
        tune_gc()
        _say_what_it_sends(channels)
        try:
            while not stop.is_set():
                if dispatcher.is_outdated:
                    raise outdated()
                _look(jobs, clock_too=not listener.connected)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY)
        finally:
            log.info("the worker finishes what is in flight")
            listener.stop()
            await jobs.finish(STOP_TIMEOUT)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def _say_what_it_sends(channels: Collection[str]) -> None:
    if channels:
        log.info("the worker has started", channels=sorted(channels))
    else:
        log.error(
            "this worker can send nothing: no provider of email or texts is set up",
            remedy="Set MUSTER_SMTP_URL for email, a provider's settings for texts (docs/settings.md), and start it"
            " again. Until then messages wait for a worker that can.",
        )


def _look(jobs: Jobs, *, clock_too: bool) -> None:
    """Start the jobs for which no wake-up came."""
    if clock_too:
        jobs.tick()
    else:
        jobs.deliver()
        jobs.inbound.ask()


class _Listener:
    """Listener for wake-ups and clock ticks through arq; it reconnects by itself after Redis was away.

    Attributes:
        connected: whether it is connected to Redis.
    """

    def __init__(self, jobs: Jobs, redis_url: str, outages: Outages) -> None:
        self._jobs = jobs
        self._outages = outages
        self._redis_url = redis_url
        self._worker: Worker | None = None
        self._stopped = False
        self.connected = False

    async def listen(self) -> None:
        """Handle wake-ups until cancelled."""
        redis = open_arq(self._redis_url)
        listening = asyncio.create_task(self._follow_deliver_channel(redis), name="deliver channel")
        try:
            while not self._stopped:
                self._worker = self._make_worker(redis)
                try:
                    # another kind of server may take the connection and say nothing
                    async with asyncio.timeout(ANSWER_TIMEOUT):
                        await redis.ping()
                    if not self.connected:
                        log.info("connected to Redis for wake-ups")
                    self.connected = True
                    await self._worker.async_run()
                except (RedisError, OSError) as error:
                    self._outages.note_outage(REDIS, error)
                    self.connected = False
                except Exception as error:  # noqa: BLE001  # while `connected` is true the worker has no clock of its own
                    self._outages.note_error(error)
                    self.connected = False
                finally:
                    await asyncio.gather(*self._worker.tasks.values(), return_exceptions=True)
                await asyncio.sleep(LOOK_EVERY)
        finally:
            self.connected = False
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            with contextlib.suppress(RedisError, OSError):
                await redis.aclose(close_connection_pool=True)

    async def _follow_deliver_channel(self, redis: ArqRedis) -> None:
        """Start deliveries on each message of the deliver channel, and subscribe again after Redis was away."""
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as messages:
                    await messages.subscribe(DELIVER_CHANNEL)
                    self._jobs.deliver()  # for wake-ups missed before the subscription
                    async for _ in messages.listen():
                        self._jobs.deliver()
            except (RedisError, OSError):
                pass  # `listen` meets the same error, and logs it
            except Exception as error:  # noqa: BLE001  # without it every message would wait for the next check
                self._outages.note_error(error)
            await asyncio.sleep(LOOK_EVERY)

    def stop(self) -> None:
        """Take no further arq job."""
        self._stopped = True
        if self._worker is not None:
            self._worker.allow_pick_jobs = False

    def _make_worker(self, redis: ArqRedis) -> Worker:
        return Worker(
            [func(self._inbound, name="inbound")],
            cron_jobs=[cron(self._tick, name="tick", second=set(range(60)), keep_result=0)],
            redis_pool=redis,
            queue_name=QUEUE,
            handle_signals=False,
            max_jobs=20,
            job_timeout=JOB_LASTS + 5,
            keep_result=0,  # a result would block its job's name
            poll_delay=POLL_EVERY,
            retry_jobs=False,  # the next check does the work
            max_tries=1000,  # each worker that dies uses up a try, though the work is not at fault
            health_check_interval=30,
            job_serializer=_to_json,
            job_deserializer=orjson.loads,
            log_results=False,
        )

    # An arq job only waits for the work it started: however arq ends the job, the work goes on to its end.

    async def _inbound(self, _context: dict[Any, Any]) -> None:
        await asyncio.wait([self._jobs.inbound.ask()], timeout=JOB_LASTS)

    async def _tick(self, _context: dict[Any, Any]) -> None:
        self._jobs.tick()


class ArqWake:
    """Function that wakes the workers: `await wake("deliver")`.

    An arq job's id is its name, so wake-ups that no worker has taken yet are merged into one. Wake-ups within
    `MERGE_SECONDS` of another are sent as one after it. No caller waits for Redis: a wake-up that it does not take is
    dropped, and so are wake-ups of the next second. That only costs time, because the workers check by themselves every
    second.

    Args:
        redis_url: the Redis on which the workers listen.
    """

    def __init__(self, redis_url: str) -> None:
        self._arq = open_arq(redis_url)
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._quiet_until = 0.0

    async def __call__(self, job: str) -> None:
        """Wake every worker to `deliver`, or one of them to process the inbound log."""
        if job in self._sending:
            self._again.add(job)
            return
        if time.monotonic() >= self._quiet_until:
            self._sending[job] = asyncio.create_task(self._send(job), name=f"wake {job}")

    async def _send(self, job: str) -> None:
        self._again.add(job)
        try:
            while job in self._again:
                self._again.discard(job)
                try:
                    if job == "deliver":
                        await self._arq.publish(DELIVER_CHANNEL, job)
                    else:
                        await self._arq.enqueue_job(job, _job_id=job)
                except (RedisError, OSError) as error:
                    self._quiet_until = time.monotonic() + LOOK_EVERY
                    log.debug("Redis did not accept a wake-up", job=job, error=str(error))
                except Exception:
                    self._quiet_until = time.monotonic() + LOOK_EVERY
                    log.exception("a wake-up failed with an unexpected error", job=job)
                await asyncio.sleep(MERGE_SECONDS)
        finally:
            del self._sending[job]  # however it ends: while it is listed, further wake-ups only set `_again`

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._sending:
            await asyncio.wait(self._sending.values())
        with contextlib.suppress(RedisError, OSError):
            await self._arq.aclose(close_connection_pool=True)


def open_arq(redis_url: str) -> ArqRedis:
    """Open a client of arq's queue that uses JSON, not pickle, so that access to Redis lets nobody run code."""
    return ArqRedis(
        open_redis_pool(redis_url), job_serializer=_to_json, job_deserializer=orjson.loads, default_queue_name=QUEUE
    )
