"""Settling of a demo: everything is sent, everybody has acted, and Muster has processed it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from core.db import load_queries
from core.errors import Unavailable
from sandbox.demo.environment import Environment

SQL: Final = load_queries(__file__)

QUIET_LOOKS: Final = 2
"""Checks in a row that must find nothing left to do before a phase is over."""
STUCK_AFTER: Final = 120.0
"""Seconds without any change after which the demo gives up."""


async def until_settled(environment: Environment) -> None:
    """Wait until everything is sent, all members have acted, and Muster has processed everything.

    Raises:
        Unavailable: a process died, or nothing has changed for two minutes.
    """
    quiet, last, changed_at = 0, (-1, -1, -1), time.monotonic()
    while quiet < QUIET_LOOKS:
        environment.check()
        pending = await environment.runtime.pool.fetchrow(SQL["count_waiting"])
        assert pending is not None
        now = pending["outbox"], pending["inbound"], sum(environment.sandbox.pending.values())
        quiet = 0 if any(now) else quiet + 1
        if now != last:
            last, changed_at = now, time.monotonic()
        elif any(now) and time.monotonic() - changed_at > STUCK_AFTER:
            left = f"{now[0]} to send, {now[1]} to read, {now[2]} to happen"
            raise Unavailable(
                f"Nothing has moved for {STUCK_AFTER:.0f} seconds: {left}.",
                remedy=f"See worker.log and serve.log in {environment.home}.",
            )
        await asyncio.sleep(0.4)
