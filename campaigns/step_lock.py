"""Lock of a step, held while its messages are placed or moved; and the alert if they cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from core.alerts import raise_alert
from core.db import Connection, exclusive, load_queries
from core.errors import Conflict, MusterError
from core.runtime import Runtime

SQL: Final = load_queries(__file__)
log = structlog.get_logger(__name__)


@asynccontextmanager
async def lock_step(runtime: Runtime, step_id: int, *, wait: bool = False) -> AsyncIterator[Connection]:
    """Hold the lock of a step, on a dedicated connection; wait for it if the caller asks to.

    Raises:
        Conflict: it is held already, and this caller does not wait: the step is being launched.
    """
    assert runtime.settings.database_url is not None
    async with exclusive(runtime.settings.database_url, f"launch:{step_id}", wait=wait) as db:
        if db is None:
            name = await runtime.pool.fetchval(SQL["find_campaign"], step_id)
            raise Conflict(
                "This step is being launched by somebody else right now.",
                remedy=f"Watch it with: muster campaign status {name}",
            )
        yield db


async def raise_step_alert(runtime: Runtime, key: str, title: str, error: MusterError) -> None:
    """Tell staff, and the log, that something cannot be done for a step; it is tried again every second."""
    log.error("a step cannot be launched or updated", key=key, error=str(error))
    async with runtime.pool.acquire() as db:
        await raise_alert(
            db,
            key=key,
            severity="error",
            title=f"{title}: {error.message}",
            remedy=error.remedy or "Fix the cause; it is tried again every second, and nothing is lost.",
        )
