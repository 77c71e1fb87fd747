"""The only module that imports arq: wake-ups, and the worker that heeds them."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any, Final, Self

import orjson
import structlog
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

QUEUE: Final = "muster:queue"

log = structlog.get_logger(__name__)


def _to_json(value: Any) -> bytes:
    # arq also stores exceptions; their words are enough
    return orjson.dumps(value, default=repr)


class ArqWake:
    """Wakes the workers: `await wake("deliver")`.

    The job's id is its name, so any number of wake-ups before a worker heeds them are one. A wake-up that Redis does
    not take is dropped: it only costs time, the workers look by themselves every second.

    Args:
        redis_url: where the workers listen.
    """

    def __init__(self, redis_url: str) -> None:
        self._arq = open_arq(redis_url)

    async def __call__(self, job: str) -> None:
        """Wake the workers for one job: `deliver`, `inbox` or `tick`."""
        try:
            await self._arq.enqueue_job(job, _job_id=job)
        except (RedisError, OSError) as error:
            log.debug("Redis took no wake-up", job=job, error=str(error))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._arq.aclose()


def open_arq(redis_url: str) -> ArqRedis:
    """A client of arq's queue that speaks JSON instead of pickle: nobody who reaches Redis can run code here."""
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=20, timeout=5, socket_connect_timeout=2)
    return ArqRedis(pool, job_serializer=_to_json, job_deserializer=orjson.loads, default_queue_name=QUEUE)
