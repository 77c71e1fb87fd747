"""Outcome writer: record outcomes in PostgreSQL, and try again whenever the server goes away.

Its connection is kept while there is something to send, and has no open transaction while the worker waits for the
network. Its commits are synchronous, like all commits of the pool. If a crash of the server lost an intent, a message
that left would look as if it never had.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.db import Connection, KeptConnection
from core.db.away import TEMPORARY
from core.errors import Unavailable
from core.runtime import Runtime
from messaging.outbox.bounces import note_soft_bounce
from messaging.outbox.concealment import empty_secrets
from messaging.outbox.outcomes import Intent, Outcome, record_outcomes
from messaging.outbox.senders import pause_if_refused
from messaging.reasons import OUR_FAULT, SUPPRESSES, Reason
from messaging.states import State
from messaging.suppression import Medium, suppress

RETRY_PAUSE: Final = 0.5
"""Seconds before outcomes are written again after the database did not take them."""
STATEMENT_TIMEOUT: Final = 30.0
"""Seconds a statement may take before the connection counts as lost."""


@dataclass(frozen=True, slots=True)
class BroadRefusal:
    """Refusal that affects more than one message: its address or its sender.

    Attributes:
        reason: one of `SUPPRESSES` (the address is at fault) or `OUR_FAULT` (the sender is); any other reason if it is
            soft.
        provider: the provider that refused it.
        soft: code of a soft refusal, which counts against the address; None if it does not.
    """

    message_id: int
    sender_id: int
    address: str
    reason: Reason
    provider: str
    soft: str | None = None


class OutcomeWriter:
    """Records the outcomes of one channel's messages.

    Args:
        runtime: has the database and the clock.
        channel: `sms` or `email`.
        source: source of events, for a message that has not been at any provider.
    """

    def __init__(self, runtime: Runtime, channel: Medium, source: str) -> None:
        self._runtime = runtime
        self._channel: Medium = channel
        self._source = source
        self._connection = KeptConnection.of_pool(runtime.pool)
        self._give_up_at: float | None = None

    def give_up_after(self, seconds: float) -> None:
        """Stop trying to reach an unavailable server `seconds` from now."""
        self._give_up_at = time.monotonic() + seconds

    async def write(
        self, outcomes: Sequence[Outcome], intents: Sequence[Intent], refusals: Sequence[BroadRefusal]
    ) -> dict[int, State]:
        """Write outcomes and intents; try again until the server has them.

        Args:
            outcomes: outcomes of the last messages.
            intents: intents to send the next messages.
            refusals: refusals that affect an address or a sender.

        Returns:
            The state of each message in `intents`; those `sending` may go on the wire.

        Raises:
            Unavailable: only after `give_up_after`.
        """
        while True:
            try:
                async with asyncio.timeout(STATEMENT_TIMEOUT):
                    granted = await self._write(await self._connection.get(), outcomes, intents, refusals)
            except TEMPORARY as error:
                self._runtime.outages.note_error(error)
                await self._connection.drop()
                if self._give_up_at is not None and time.monotonic() > self._give_up_at:
                    raise Unavailable("The outcomes of the last messages could not be recorded.") from error
                await asyncio.sleep(RETRY_PAUSE)
            else:
                return granted

    async def close(self) -> None:
        """Give the connection back."""
        await self._connection.close()

    async def _write(
        self, db: Connection, outcomes: Sequence[Outcome], intents: Sequence[Intent], refusals: Sequence[BroadRefusal]
    ) -> dict[int, State]:
        now = self._runtime.clock()
        secret_ids = [outcome.message_id for outcome in outcomes if outcome.has_secrets]
        if not refusals and not secret_ids:
            return await record_outcomes(db, outcomes, intents, source=self._source, now=now)
        async with db.transaction():
            granted = await record_outcomes(db, outcomes, intents, source=self._source, now=now)
            if secret_ids:
                await empty_secrets(db, secret_ids)
            for refusal in refusals:
                if refusal.reason in SUPPRESSES:
                    await suppress(
                        db,
                        channel=self._channel,
                        address=refusal.address,
                        reason=refusal.reason,
                        source=refusal.provider,
                        message_id=refusal.message_id,
                    )
                if refusal.soft is not None:
                    await note_soft_bounce(db, refusal.message_id, code=refusal.soft, at=now, source=refusal.provider)
            senders = {refusal.sender_id for refusal in refusals if refusal.reason in OUR_FAULT}
            if senders:
                await pause_if_refused(db, senders)
        return granted
