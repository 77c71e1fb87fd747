"""The only module that imports arq: wake-ups, and the worker that heeds them.

A wake-up is never a message: it has a duty done (see `muster/jobs.py`), which claims batches of rows in PostgreSQL.
So nothing is lost when Redis is flushed or away, or when a worker dies with a job: every worker also looks by itself,
every second, and runs the clock's duties itself while Redis is away.

What one worker can do is a job, which one of them takes: the inbox, the clock. What all of them share is a bell (Redis'
publish and subscribe) that each hears at once: there is something to send.
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
from core.redis_address import open_redis_pool
from core.runtime import Runtime

if TYPE_CHECKING:
    from muster.jobs import Jobs

QUEUE: Final = "muster:queue"
BELL: Final = "muster:bell"
"""One for all databases of a Redis server: who has nothing to send looks once in vain."""
POLL: Final = 0.1
"""Seconds between two looks for a job."""
LOOK: Final = 1.0
"""Seconds between two looks into the database without a wake-up."""
JOB_LASTS: Final = 20.0
"""Seconds a job goes along with its duty, which goes on after it. A killed worker's job blocks its name this long."""
PATIENCE: Final = 25.0
"""Seconds a duty gets to finish when the worker stops."""

MOMENT: Final = 0.05
"""Seconds after a wake-up in which others gather."""

log = structlog.get_logger(__name__)


def _to_json(value: Any) -> bytes:
    # arq also stores exceptions; their words are enough
    return orjson.dumps(value, default=repr)


async def work(runtime: Runtime, stop: asyncio.Event) -> None:
    """Do a worker's duties until told to stop; then finish what is in flight and hand back the rest.

    Args:
        runtime: its `settings.redis_url` is where wake-ups come from.
        stop: set to stop.
    """
    # Late: a command that only rings the bell does without the SDKs of every provider.
    from core.http.outbound_http import open_outside
    from messaging.channels import open_channels
    from messaging.outbox.dispatcher import Dispatcher
    from muster.gc_tuning import look_less_for_garbage
    from muster.jobs import Jobs

    assert runtime.settings.redis_url is not None
    async with (
        open_channels(runtime.settings, runtime.http) as channels,
        open_outside(runtime.settings.outgoing_allow) as outside,
        (courier := Dispatcher(runtime, channels)).stay(),
    ):
        duties = Jobs(runtime, courier, outside)
        ear = _Listener(duties, runtime.settings.redis_url, runtime.outages)
        hearing = asyncio.create_task(ear.listen(), name="wake-ups")
        look_less_for_garbage()
        _say_what_it_sends(channels)
        try:
            while not stop.is_set():
                _look(duties, clock_too=not ear.hears)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK)
        finally:
            log.info("the worker finishes what is in flight")
            ear.stop()
            await duties.finish(PATIENCE)
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


def _say_what_it_sends(channels: Collection[str]) -> None:
    if channels:
        log.info("the worker is at work", channels=sorted(channels))
    else:
        log.error(
            "THIS WORKER CAN SEND NOTHING: no provider of email or texts is set up",
            remedy="Set MUSTER_SMTP_URL for email, a provider's settings for texts (docs/settings.md), and start it"
            " again. Until then messages wait for a worker that can.",
        )


def _look(duties: Jobs, *, clock_too: bool) -> None:
    """Have done what no wake-up told us of."""
    if clock_too:
        duties.tick()
    else:
        duties.deliver()
        duties.inbox.ask()


class _Listener:
    """Heeds wake-ups and the clock through arq, and comes back by itself after Redis was away.

    Attributes:
        hears: whether Redis answers.
    """

    def __init__(self, duties: Jobs, redis_url: str, outages: Outages) -> None:
        self._duties = duties
        self._outages = outages
        self._redis_url = redis_url
        self._worker: Worker | None = None
        self._stopped = False
        self.hears = False

    async def listen(self) -> None:
        """Heed wake-ups until cancelled."""
        redis = open_arq(self._redis_url)
        hearing = asyncio.create_task(self._hear_bell(redis), name="bell")
        try:
            while not self._stopped:
                self._worker = self._make_worker(redis)
                try:
                    await redis.ping()
                    if not self.hears:
                        log.info("wake-ups are heard")
                    self.hears = True
                    await self._worker.async_run()
                except (RedisError, OSError) as error:
                    self._outages.away(REDIS, error)
                    self.hears = False
                except Exception as error:  # noqa: BLE001  # a worker that thinks it hears has no clock of its own
                    self._outages.met(error)
                    self.hears = False
                finally:
                    await asyncio.gather(*self._worker.tasks.values(), return_exceptions=True)
                await asyncio.sleep(LOOK)
        finally:
            self.hears = False
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            with contextlib.suppress(RedisError, OSError):
                await redis.aclose(close_connection_pool=True)

    async def _hear_bell(self, redis: ArqRedis) -> None:
        """Send whatever is due when the bell rings, and listen again after Redis was away."""
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as bell:
                    await bell.subscribe(BELL)
                    self._duties.deliver()  # what rang while nobody listened
                    async for _ in bell.listen():
                        self._duties.deliver()
            except (RedisError, OSError):
                pass  # `listen` meets the same, and says so
            except Exception as error:  # noqa: BLE001  # without the bell every message would wait for the next look
                self._outages.met(error)
            await asyncio.sleep(LOOK)

    def stop(self) -> None:
        """Take no other job."""
        self._stopped = True
        if self._worker is not None:
            self._worker.allow_pick_jobs = False

    def _make_worker(self, redis: ArqRedis) -> Worker:
        return Worker(
            [func(self._inbox, name="inbox")],
            cron_jobs=[cron(self._tick, name="tick", second=set(range(60)), keep_result=0)],
            redis_pool=redis,
            queue_name=QUEUE,
            handle_signals=False,
            max_jobs=20,
            job_timeout=JOB_LASTS + 5,
            keep_result=0,  # a result would block its job's name
            poll_delay=POLL,
            retry_jobs=False,  # the next look does it
            max_tries=1000,  # a try is used up by each worker that dies; none of them says the work is bad
            health_check_interval=30,
            job_serializer=_to_json,
            job_deserializer=orjson.loads,
            log_results=False,
        )

    # Jobs only go along with a duty: however arq ends them, the duty goes on to its end.

    async def _inbox(self, _context: dict[Any, Any]) -> None:
        await asyncio.wait([self._duties.inbox.ask()], timeout=JOB_LASTS)

    async def _tick(self, _context: dict[Any, Any]) -> None:
        self._duties.tick()


class ArqWake:
    """Wakes the workers: `await wake("deliver")`.

    A job's id is its name, so any number of wake-ups before a worker heeds them are one; and those that are asked for
    within a moment of one go as one after it. Nobody waits for Redis: a wake-up that it does not take is dropped, and
    so are those of the next second. That only costs time, the workers look by themselves every second.

    Args:
        redis_url: where the workers listen.
    """

    def __init__(self, redis_url: str) -> None:
        self._arq = open_arq(redis_url)
        self._ringing: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._quiet_until = 0.0

    async def __call__(self, job: str) -> None:
        """Wake every worker to `deliver`, or one of them to read the `inbox`."""
        if job in self._ringing:
            self._again.add(job)
            return
        if time.monotonic() >= self._quiet_until:
            self._ringing[job] = asyncio.create_task(self._ring(job), name=f"wake {job}")

    async def _ring(self, job: str) -> None:
        self._again.add(job)
        try:
            while job in self._again:
                self._again.discard(job)
                try:
                    if job == "deliver":
                        await self._arq.publish(BELL, job)
                    else:
                        await self._arq.enqueue_job(job, _job_id=job)
                except (RedisError, OSError) as error:
                    self._quiet_until = time.monotonic() + LOOK
                    log.debug("Redis took no wake-up", job=job, error=str(error))
                except Exception:
                    self._quiet_until = time.monotonic() + LOOK
                    log.exception("a wake-up failed in an unforeseen way", job=job)
                await asyncio.sleep(MOMENT)
        finally:
            del self._ringing[job]  # however it ends: as long as it stands here nobody is woken

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._ringing:
            await asyncio.wait(self._ringing.values())
        with contextlib.suppress(RedisError, OSError):
            await self._arq.aclose(close_connection_pool=True)


def open_arq(redis_url: str) -> ArqRedis:
    """A client of arq's queue that speaks JSON instead of pickle: nobody who reaches Redis can run code here."""
    return ArqRedis(
        open_redis_pool(redis_url), job_serializer=_to_json, job_deserializer=orjson.loads, default_queue_name=QUEUE
    )
