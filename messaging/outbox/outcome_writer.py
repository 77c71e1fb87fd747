"""The recorder's connection to PostgreSQL: what came of messages is written, however often the server goes away.

It is kept while there is something to send, and holds no transaction while the network is waited for. Its commits are
synchronous, as all of the pool's are: a mark that a crash of the server could forget would let a message that left look
as if it never had.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from core.db import AWAY, Connection, KeptConnection
from core.errors import Unavailable
from core.runtime import Runtime
from messaging.outbox.bounces import note_soft_bounce
from messaging.outbox.outcomes import Intent, Outcome, record
from messaging.outbox.senders import pause_if_refused
from messaging.states import OUR_FAULT, SUPPRESSES, Reason, State
from messaging.suppression import Medium, suppress

LOST: Final = (
    *AWAY,
    asyncpg.TransactionRollbackError,  # a deadlock: one of the two goes again
    asyncpg.InsufficientResourcesError,
)
"""What passes: the statement is tried again on a new connection."""
PAUSE: Final = 0.5
STATEMENT: Final = 30.0
"""Seconds a statement may take before the connection counts as lost."""


@dataclass(frozen=True, slots=True)
class LostOutcome:
    """A refusal that says more than that one message failed.

    Attributes:
        reason: one of `SUPPRESSES` (the address is dead) or `OUR_FAULT` (the sender is); any other where it is soft.
        provider: who says so.
        soft: the code of a refusal that counts against the address; None where it does not.
    """

    message_id: int
    step_id: int
    address: str
    reason: Reason
    provider: str
    soft: str | None = None


class OutcomeWriter:
    """Writes what came of one channel's messages.

    Args:
        runtime: has the database's address and the clock.
        channel: `sms` or `email`.
        source: what events name where a message has not been at any provider.
    """

    def __init__(self, runtime: Runtime, channel: Medium, source: str) -> None:
        self._runtime = runtime
        self._channel: Medium = channel
        self._source = source
        self._line = KeptConnection.of_pool(runtime.pool)
        self._give_up_at: float | None = None

    def give_up_after(self, seconds: float) -> None:
        """From now on, try a server that is away no longer than this."""
        self._give_up_at = time.monotonic() + seconds

    async def write(
        self, verdicts: Sequence[Outcome], marks: Sequence[Intent], faults: Sequence[LostOutcome]
    ) -> dict[int, State]:
        """Write outcomes and marks, again and again until the server has them.

        Returns:
            The state of each marked message; those `sending` may go on the wire.

        Raises:
            Unavailable: only after `give_up_after`.
        """
        while True:
            try:
                async with asyncio.timeout(STATEMENT):
                    granted = await self._write(await self._line.get(), verdicts, marks, faults)
            except LOST as error:
                self._runtime.outages.met(error)
                await self._line.drop()
                if self._give_up_at is not None and time.monotonic() > self._give_up_at:
                    raise Unavailable("The outcomes of the last messages could not be written down.") from error
                await asyncio.sleep(PAUSE)
            else:
                return granted

    async def close(self) -> None:
        """Give the connection back."""
        await self._line.close()

    async def _write(
        self, db: Connection, verdicts: Sequence[Outcome], marks: Sequence[Intent], faults: Sequence[LostOutcome]
    ) -> dict[int, State]:
        now = self._runtime.clock()
        if not faults:
            return await record(db, verdicts, marks, source=self._source, now=now)
        async with db.transaction():
            granted = await record(db, verdicts, marks, source=self._source, now=now)
            for fault in faults:
                if fault.reason in SUPPRESSES:
                    await suppress(
                        db,
                        channel=self._channel,
                        address=fault.address,
                        reason=fault.reason,
                        source=fault.provider,
                        message_id=fault.message_id,
                    )
                if fault.soft is not None:
                    await note_soft_bounce(db, fault.message_id, code=fault.soft, at=now, source=fault.provider)
            steps = {fault.step_id for fault in faults if fault.reason in OUR_FAULT}
            if steps:
                await pause_if_refused(db, steps)
        return granted
