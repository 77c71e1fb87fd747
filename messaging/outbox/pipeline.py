"""Send one channel's messages in a continuous pipeline; no message waits for the slowest of a batch.

```
claim (hundreds) ─► step queues ─► compose ─► record ─► ready ─► one sending task a connection ─► provider
                                                ▲                           │
                                                └───────── outcome ◄────────┘
```

Again and again, one statement records the outcomes that came back and the intents for as many messages as there is room
for; outcomes that come back while it runs are in the next one. So under load each statement does more, and the sending
tasks seldom wait for one. Intents without a recorded outcome are at most twice the connections, and hardly more than
the connections where the provider is slower than the database (`waiting_messages`): these are what a killed worker
leaves with an unknown outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from core.alerts import raise_alert, resolve_alert
from core.db.away import TEMPORARY
from core.errors import in_words
from core.runtime import Runtime
from messaging.channels.channel import (
    Accepted,
    Channel,
    OutboundMessage,
    Refused,
    Retry,
    Route,
    Router,
    SendResult,
    Unknown,
    Withheld,
)
from messaging.outbox.compose import Composers
from messaging.outbox.heartbeat import Heartbeat
from messaging.outbox.outcome_writer import PAUSE, LostOutcome, OutcomeWriter
from messaging.outbox.outcomes import Outcome
from messaging.outbox.rate_limits import RateLimits
from messaging.outbox.retries import handed_back, verdict
from messaging.outbox.schedule import LOOK, Dispatch, Schedule
from messaging.outbox.unknown_rate import UnknownRate
from messaging.outbox.waiting_messages import WaitingMessages
from messaging.states import OUR_FAULT, SUPPRESSES, WITHDRAWN, State

STALE: Final = 10.0
"""Seconds a ready message may wait for a connection; then it is put back, to be checked for eligibility again."""
DRAIN: Final = 20.0
"""Seconds that messages in flight get to finish when the worker stops."""
LINGER: Final = 0.01
"""Seconds an outcome may wait to be recorded together with others, while no connection waits for a message."""
LONG_HOLD: Final = 8.0
"""Seconds of holding a sender from which on an alert is raised."""

log = structlog.get_logger(__name__)


class Pipeline:
    """Sends one channel's due messages.

    Args:
        runtime: has the database, clock and settings.
        channel: sends the messages.
        pace: rate limits of the senders.
        composers: the compiled steps.
        presence: heartbeat under whose id messages are claimed.
        counts: outcomes are counted here, by state.
    """

    def __init__(
        self,
        runtime: Runtime,
        channel: Channel,
        pace: RateLimits,
        composers: Composers,
        presence: Heartbeat,
        counts: Counter[str],
    ) -> None:
        self._runtime = runtime
        self._channel = channel
        self._pace = pace
        self._counts = counts
        self._presence = presence
        self._router = channel if isinstance(channel, Router) else None
        self._doubts = UnknownRate()
        self._lanes = Schedule(runtime, channel.name, pace, composers, presence, counts, self._route)
        self._journal = OutcomeWriter(runtime, channel.name, channel.provider)
        self._ahead = WaitingMessages(channel.connections)
        self._ready: asyncio.Queue[Dispatch] = asyncio.Queue()
        self._claiming: asyncio.Task[None] | None = None
        self._wired = 0
        self._verdicts: list[Outcome] = []
        self._faults: list[LostOutcome] = []
        self._write_by = 0.0
        self._news = asyncio.Event()
        self._stopping = False
        self._trouble = ""
        self._told = False

    def stop(self) -> None:
        """Claim nothing more; `run` ends when messages in flight have finished and the rest is handed back."""
        if not self._stopping:
            self._stopping = True
            self._journal.give_up_after(DRAIN)
            self._news.set()

    async def run(self, *, until_idle: bool, deadline: datetime | None) -> None:
        """Send until stopped, until the deadline, or until nothing is due.

        Args:
            until_idle: end when nothing is due any more.
            deadline: claim nothing after it; None for no limit.
        """
        carriers = [asyncio.create_task(self._carry()) for _ in range(self._channel.connections)]
        for carrier in carriers:
            carrier.add_done_callback(lambda _: self._news.set())
        ended_well = False
        try:
            try:
                await self._send(carriers, until_idle=until_idle, deadline=deadline)
            finally:
                self.stop()
                await self._end_claims()
                await self._drain(carriers)
            ended_well = True
        finally:
            if not ended_well:
                self._presence.renounce()  # claimed messages must not wait for the end of this worker
            await self._journal.close()

    async def _send(self, carriers: list[asyncio.Task[None]], *, until_idle: bool, deadline: datetime | None) -> None:
        while not self._stopping:
            self._news.clear()
            if deadline is not None and self._runtime.clock() >= deadline:
                break
            for carrier in carriers:
                if carrier.done():  # only an unexpected error ends one: better restart than go on with fewer
                    carrier.result()
            if self._claiming is not None and self._claiming.done():
                done, self._claiming = self._claiming, None
                done.result()
            if self._claiming is None and self._lanes.wants_more():
                self._claiming = asyncio.create_task(self._refill())
            if await self._record():
                continue
            if until_idle and self._claiming is None and self._lanes.idle and self._lanes.empty and not self._wired:
                break
            await self._wait(self._patience())

    async def _end_claims(self) -> None:
        if self._claiming is not None:
            await asyncio.wait([self._claiming])
            if (failed := self._claiming.exception()) is not None:
                log.warning("the last messages could not be claimed", error=in_words(failed))

    @property
    def _room(self) -> int:
        """Number of messages that may still be made ready; 0 unless the heartbeat is sure."""
        if not self._presence.is_sure:
            return 0
        return self._channel.connections + self._ahead.size - self._wired + len(self._verdicts)

    def _route(self, parcel: OutboundMessage) -> Route:
        return self._router.route(parcel) if self._router is not None else Route(self._channel.provider)

    async def _refill(self) -> None:
        try:
            await self._lanes.refill()
        except TEMPORARY as error:
            self._runtime.outages.met(error)
            await asyncio.sleep(PAUSE)
        self._news.set()

    async def _record(self) -> bool:
        """Record outcomes and put the next messages on the wire; returns whether there was anything to do."""
        # outcomes make room in the same statement that records them
        departures = await self._lanes.depart(self._room)
        failed, self._lanes.failed = self._lanes.failed, []
        put_off = self._lanes.put_off()
        if not (departures or failed or put_off or (self._verdicts and time.monotonic() >= self._write_by)):
            return False
        verdicts, self._verdicts = self._verdicts, []
        faults, self._faults = self._faults, []
        marks = [one.mark() for one in departures]
        try:
            granted = await self._journal.write(verdicts + failed + put_off, marks, faults)
        except BaseException:  # no outcome is lost: it is recorded when this worker drains
            self._verdicts = [*verdicts, *failed, *put_off, *self._verdicts]
            self._faults = [*faults, *self._faults]
            raise
        self._wired -= len(verdicts)
        self._ahead.used(len(self._verdicts))
        if any(one.delay == 0 for one in [*verdicts, *put_off]):
            self._lanes.look_again()  # they are due already, for another provider or for this one
        now = time.monotonic()
        for one in departures:
            if granted.get(one.message.message_id) is State.SENDING:
                one.marked_at = now
                self._wired += 1
                self._ready.put_nowait(one)
        self._counts.update(state for state in granted.values() if state in WITHDRAWN)
        self._counts[State.FAILED] += len(failed)
        if self._trouble or self._told:
            await self._tell()
        await self._tell_of_providers()
        return True

    def _patience(self) -> float:
        """Return the seconds until there may be something to record, if nothing happens before."""
        until_more = self._lanes.wait() if self._room > 0 else LOOK
        return min(until_more, self._write_by - time.monotonic()) if self._verdicts else until_more

    async def _carry(self) -> None:
        """Send one ready message after another."""
        while True:
            departure = await self._ready.get()
            parcel, courier_id = departure.composed.parcel, departure.message.courier_id
            waited = time.monotonic() - departure.marked_at
            if self._stopping or waited > STALE or not self._presence.holds(courier_id):
                self._give_back(departure)
                continue
            parcel.still_ours = partial(self._presence.holds, courier_id)
            try:
                outcome = await self._channel.send(parcel)
            except asyncio.CancelledError:
                self._came_back(departure, Unknown("The worker stopped before an answer came."))
                raise
            except Exception as error:  # a channel must not raise: whatever the error, the message may have left
                log.exception("a channel raised an unexpected error", message_id=departure.message.message_id)
                outcome = Unknown(repr(error)[:200])
            self._came_back(departure, outcome)

    def _came_back(self, departure: Dispatch, outcome: SendResult) -> None:
        if isinstance(outcome, Withheld):
            self._give_back(departure)
            return
        sender_id, held = departure.message.sender_id, 0.0
        # with several providers the one that does not answer is left out, and the others need not slow down
        if self._router is None and self._doubts.note(sender_id, unknown=isinstance(outcome, Unknown)):
            self._pace.slow(sender_id, None)
        if isinstance(outcome, Accepted):
            if self._pace.went_well(sender_id):
                self._trouble = ""
        elif isinstance(outcome, Retry) and outcome.slow:
            held = self._pace.slow(sender_id, outcome.after)
            if held >= LONG_HOLD:
                self._trouble = outcome.reply
        elif isinstance(outcome, Refused) and (outcome.soft or outcome.reason in SUPPRESSES | OUR_FAULT):
            message = departure.message
            self._faults.append(
                LostOutcome(
                    message.message_id,
                    departure.step_id,
                    message.address,
                    outcome.reason,
                    departure.route.provider,
                    soft=outcome.code if outcome.soft else None,
                )
            )
        written = verdict(departure.message, outcome, send_before=departure.composer.send_before, held=held)
        self._counts[written.state] += 1
        self._to_write(written)

    def _give_back(self, departure: Dispatch) -> None:
        self._counts["handed_back"] += 1
        self._to_write(handed_back(departure.message))

    def _to_write(self, written: Outcome) -> None:
        if not self._verdicts:
            self._write_by = time.monotonic() + LINGER
        self._verdicts.append(written)
        self._news.set()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._news.wait()

    async def _drain(self, carriers: list[asyncio.Task[None]]) -> None:
        """Wait for messages in flight, record their outcomes, and hand back everything else."""
        while not self._ready.empty():
            self._give_back(self._ready.get_nowait())
        until = time.monotonic() + DRAIN
        while self._wired > len(self._verdicts) and time.monotonic() < until:
            self._news.clear()
            await self._wait(until - time.monotonic())
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        left = self._verdicts + self._lanes.failed + self._lanes.put_off()
        if left:
            await self._journal.write(left, [], self._faults)
            await self._tell_of_providers()
        if not self._lanes.empty:
            self._counts["handed_back"] += await self._lanes.hand_back()

    async def _tell(self) -> None:
        """Raise an alert when a provider has held a sender for long, and resolve it when it accepts again."""
        key = f"channel:{self._channel.name}"
        if self._trouble and not self._told:
            async with self._runtime.pool.acquire() as db:
                await raise_alert(
                    db,
                    key=key,
                    severity="warning",
                    title=f"The {self._channel.name} provider accepts nothing right now: {self._trouble}",
                    remedy="Messages wait, and are sent when it answers again; check the provider if this lasts.",
                )
            self._told = True
        elif self._told and not self._trouble:
            async with self._runtime.pool.acquire() as db:
                await resolve_alert(db, key)
            self._told = False

    async def _tell_of_providers(self) -> None:
        """Raise an alert for each provider that is left out, and resolve it when it is used again."""
        news = self._router.news() if self._router is not None else []
        for one in news:
            key = f"provider:{one.provider}"
            async with self._runtime.pool.acquire() as db:
                if one.severity is None:
                    await resolve_alert(db, key)
                else:
                    await raise_alert(db, key=key, severity=one.severity, title=one.title, remedy=one.remedy)
