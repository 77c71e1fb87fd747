"""Send one channel's messages in a continuous pipeline; no message waits for the slowest of a batch.

```
claim (hundreds) ─► step queues ─► compose ─► record ─► ready ─► one sending task a connection ─► provider
                                                ▲                           │
                                                └───────── outcome ◄────────┘
```

Again and again, one statement records the outcomes that came back, and intents for as many messages as there is room
for. Outcomes that come back while it runs are in the next statement. So under load each statement does more, and the
sending tasks seldom wait for a statement. Intents without a recorded outcome are at most twice as many as the
connections, and hardly more than the connections if the provider is slower than the database (`waiting_messages`). A
killed worker leaves these with an unknown outcome.
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
from core.errors import Conflict, error_in_words
from core.runtime import Runtime
from messaging.channels.channel import (
    Accepted,
    Announcer,
    Channel,
    OutboundEmail,
    OutboundMessage,
    Refused,
    Retry,
    Route,
    Router,
    SendResult,
    Unknown,
    Withheld,
)
from messaging.outbox.compose import ComposedMessage, Composers
from messaging.outbox.concealment import masked
from messaging.outbox.heartbeat import Heartbeat
from messaging.outbox.outcome_batch import OutcomeBatch
from messaging.outbox.outcome_writer import RETRY_PAUSE, BroadRefusal, OutcomeWriter
from messaging.outbox.outcomes import Outcome
from messaging.outbox.provider_outage import ProviderOutage
from messaging.outbox.rate_limits import RateLimits
from messaging.outbox.ready_queue import ReadyQueue
from messaging.outbox.retries import handed_back, outcome_of
from messaging.outbox.schedule import LOOK_EVERY, Dispatch, Schedule
from messaging.outbox.unknown_rate import UnknownRate
from messaging.outbox.waiting_messages import WaitingMessages
from messaging.reasons import OUR_FAULT, SUPPRESSES
from messaging.states import WITHDRAWN, State

MAX_READY_AGE: Final = 10.0
"""Seconds a ready message may wait for a connection; then it is put back, to be checked for eligibility again."""
DRAIN_TIMEOUT: Final = 20.0
"""Seconds that messages in flight get to finish when the worker stops."""
LONG_SLOWDOWN: Final = 8.0
"""Seconds a sender may be slowed down before an alert is raised."""

log = structlog.get_logger(__name__)


class Pipeline:
    """Sends one channel's due messages.

    Args:
        runtime: has the database, clock and settings.
        channel: sends the messages.
        rate_limits: rate limits of the senders.
        composers: the compiled steps.
        heartbeat: heartbeat under whose id messages are claimed.
        counts: outcomes are counted here, by state.
    """

    def __init__(
        self,
        runtime: Runtime,
        channel: Channel,
        rate_limits: RateLimits,
        composers: Composers,
        heartbeat: Heartbeat,
        counts: Counter[str],
    ) -> None:
        self._runtime = runtime
        self._channel = channel
        self._rate_limits = rate_limits
        self._counts = counts
        self._heartbeat = heartbeat
        self._router = channel if isinstance(channel, Router) else None
        self._only_route = Route(channel.provider)
        self._announcer = channel if isinstance(channel, Announcer) else None
        self._unknown_rate = UnknownRate()
        self._outage = ProviderOutage(channel.name)
        self._schedule = Schedule(runtime, channel.name, rate_limits, composers, heartbeat, counts, self._route)
        self._outcome_writer = OutcomeWriter(runtime, channel.name, channel.provider)
        self._waiting = WaitingMessages(channel.connections)
        self._ready = ReadyQueue(announces=self._announcer is not None)
        self._claiming: dict[bool, asyncio.Task[None]] = {}
        self._in_flight = 0
        self._outcomes = OutcomeBatch(self._waiting)
        self._changed = asyncio.Event()
        self._stopping = False
        self._slowed_reply = ""
        self._alerted = False

    def stop(self) -> None:
        """Claim nothing more; `run` ends when messages in flight have finished and the rest is handed back."""
        if not self._stopping:
            self._stopping = True
            self._outcome_writer.give_up_after(DRAIN_TIMEOUT)
            self._changed.set()

    def look_at_once(self) -> None:
        """Look for due messages now: there may be transactional ones."""
        self._schedule.look_at_once()
        self._changed.set()

    async def run(self, *, until_idle: bool, deadline: datetime | None) -> None:
        """Send until stopped, until the deadline, or until nothing is due.

        Args:
            until_idle: end when nothing is due any more.
            deadline: claim nothing after it; None for no limit.
        """
        sending = [asyncio.create_task(self._send_ready()) for _ in range(self._channel.connections)]
        for task in sending:
            task.add_done_callback(lambda _: self._changed.set())
        ended_well = False
        try:
            try:
                await self._run(sending, until_idle=until_idle, deadline=deadline)
            finally:
                self.stop()
                await self._end_claims()
                await self._drain(sending)
            ended_well = True
        finally:
            if not ended_well:
                self._heartbeat.give_up_claims()  # claimed messages must not wait for the end of this worker
            await self._outcome_writer.close()

    async def _run(self, sending: list[asyncio.Task[None]], *, until_idle: bool, deadline: datetime | None) -> None:
        while not self._stopping:
            self._changed.clear()
            if self._heartbeat.is_outdated or (deadline is not None and self._runtime.clock() >= deadline):
                break
            for task in sending:
                if task.done():  # only an unexpected error ends a task: a restart is better than going on with fewer
                    task.result()
            for transactional in (True, False):
                self._claim(transactional=transactional)
            if await self._record():
                continue
            if (
                until_idle
                and not self._claiming
                and self._schedule.idle
                and self._schedule.empty
                and not self._in_flight
            ):
                break
            await self._wait(self._longest_wait())

    def _claim(self, *, transactional: bool) -> None:
        """Begin the next claim of one kind of messages once the last has ended, if there is time for one."""
        task = self._claiming.get(transactional)
        if task is not None and task.done():
            del self._claiming[transactional]
            task.result()
        if transactional not in self._claiming and self._schedule.wants_more(transactional=transactional):
            self._claiming[transactional] = asyncio.create_task(self._refill(transactional=transactional))

    async def _end_claims(self) -> None:
        for claiming in self._claiming.values():
            await asyncio.wait([claiming])
            if (failed := claiming.exception()) is not None:
                log.warning("the last messages could not be claimed", error=error_in_words(failed))

    @property
    def _room(self) -> int:
        """Number of messages that may still be made ready; 0 unless the heartbeat is sure."""
        if not self._heartbeat.is_sure:
            return 0
        return self._channel.connections + self._waiting.size - self._in_flight + len(self._outcomes)

    def _route(self, outbound: OutboundMessage) -> Route:
        return self._router.route(outbound) if self._router is not None else self._only_route

    async def _refill(self, *, transactional: bool) -> None:
        try:
            await self._schedule.refill(transactional=transactional)
        except Conflict:
            if not self._heartbeat.is_outdated:
                raise
        except TEMPORARY as error:
            self._runtime.outages.note_error(error)
            await asyncio.sleep(RETRY_PAUSE)
        self._changed.set()

    async def _record(self) -> bool:
        """Record outcomes and put the next messages on the wire; return whether there was anything to do."""
        if self._outcomes.gathers(self._in_flight):
            return False
        # outcomes make room in the same statement that records them
        dispatches = await self._schedule.next_dispatches(self._room)
        failed, self._schedule.failed = self._schedule.failed, []
        put_off = self._schedule.put_off()
        if not (dispatches or failed or put_off or self._outcomes.is_due()):
            return False
        outcomes, refusals = self._outcomes.take()
        intents = [dispatch.intent() for dispatch in dispatches]
        try:
            granted = await self._outcome_writer.write(outcomes + failed + put_off, intents, refusals)
        except BaseException:  # no outcome is lost: it is recorded when this worker drains
            self._outcomes.put_back([*outcomes, *failed, *put_off], refusals)
            raise
        self._in_flight -= len(outcomes)
        self._waiting.used(len(self._outcomes), gathered=len(outcomes))
        if any(outcome.delay == 0 for outcome in [*outcomes, *put_off]):
            self._schedule.look_again()  # they are due already, for another provider or for this one
        leaving = [dispatch for dispatch in dispatches if granted.get(dispatch.message.message_id) is State.SENDING]
        self._in_flight += len(leaving)
        self._ready.put(leaving)
        self._counts.update(state for state in granted.values() if state in WITHDRAWN)
        self._counts[State.FAILED] += len(failed)
        if self._slowed_reply or self._alerted:
            await self._alert_if_slowed()
        await self._alert_providers()
        return True

    def _longest_wait(self) -> float:
        """Return the seconds until there may be something to record, if nothing happens before."""
        until_more = self._schedule.wait() if self._room > 0 else LOOK_EVERY
        return self._outcomes.wait(self._in_flight, until_more)

    async def _send_ready(self) -> None:
        """Send one ready message after another; the channel may announce the next while it sends the present one."""
        announced: list[Dispatch] = []

        def following() -> OutboundEmail | None:
            if not announced:  # else a connection broke after it had asked, and another one asks again
                announced.extend(self._ready.take_next())
            outbound = announced[0].composed.outbound if announced else None
            return outbound if isinstance(outbound, OutboundEmail) else None

        while True:
            dispatch = announced.pop() if announced else await self._ready.get()
            outbound, dispatcher_id = dispatch.composed.outbound, dispatch.message.dispatcher_id
            waited = time.monotonic() - dispatch.ready_since
            if self._stopping or waited > MAX_READY_AGE or not self._heartbeat.holds(dispatcher_id):
                if self._announcer is not None:
                    self._announcer.give_up_announced(outbound)
                self._give_back(dispatch)
                continue
            outbound.still_ours = partial(self._may_leave, dispatcher_id, dispatch.composed)
            if isinstance(outbound, OutboundEmail):
                outbound.following = following
            try:
                result = await self._channel.send(outbound)
            except asyncio.CancelledError:
                if isinstance(outbound, OutboundEmail) and not dispatch.composed.may_have_left:
                    announced.append(dispatch)  # the relay has its envelope at most
                else:
                    self._note_result(dispatch, Unknown("The worker stopped before an answer came."))
                self._give_back(*announced)
                raise
            except Exception as error:  # a channel must not raise: whatever the error, the message may have left
                log.exception("a channel failed", message_id=dispatch.message.message_id)
                result = Unknown(repr(error)[:200])
            self._note_result(dispatch, result)

    def _may_leave(self, dispatcher_id: int, composed: ComposedMessage) -> bool:
        """Look once more, right before a message is written: is it still this worker's, and in time?"""
        in_time = composed.send_before is None or self._runtime.clock() < composed.send_before
        may_leave = self._heartbeat.holds(dispatcher_id) and in_time
        composed.may_have_left |= may_leave
        return may_leave

    def _note_result(self, dispatch: Dispatch, result: SendResult) -> None:
        if isinstance(result, Withheld):
            self._give_back(dispatch)
            return
        composed = dispatch.composed
        if composed.secrets:  # words that a provider quotes are kept in the history, and shown in alerts
            result.reply = masked(result.reply, composed.secrets)
        self._outage.note(result)
        sender_id, slowed_for = dispatch.message.sender_id, 0.0
        # with several providers, one that does not answer is left out, and the others need not slow down
        if self._router is None and self._unknown_rate.note(sender_id, unknown=isinstance(result, Unknown)):
            self._rate_limits.slow(sender_id, None)
        if isinstance(result, Accepted):
            if self._rate_limits.went_well(sender_id):
                self._slowed_reply = ""
        elif isinstance(result, Retry) and result.slow:
            slowed_for = self._rate_limits.slow(sender_id, result.after)
            if slowed_for >= LONG_SLOWDOWN:
                self._slowed_reply = result.reply
        elif isinstance(result, Refused) and (result.soft or result.reason in SUPPRESSES | OUR_FAULT):
            message = dispatch.message
            self._outcomes.add_refusal(
                BroadRefusal(
                    message.message_id,
                    message.sender_id,
                    message.address,
                    result.reason,
                    dispatch.route.provider,
                    soft=result.code if result.soft else None,
                )
            )
        written = outcome_of(dispatch.message, result, send_before=composed.send_before, slowed_for=slowed_for)
        written.has_secrets = bool(composed.secrets)
        self._counts["retried" if written.state is State.QUEUED else written.state] += 1
        self._to_write(written)

    def _give_back(self, *dispatches: Dispatch) -> None:
        for dispatch in dispatches:
            self._counts["handed_back"] += 1
            self._to_write(handed_back(dispatch.message))

    def _to_write(self, written: Outcome) -> None:
        if self._outcomes.add(written) or not self._outcomes.gathers(self._in_flight):
            self._changed.set()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._changed.wait()

    async def _drain(self, sending: list[asyncio.Task[None]]) -> None:
        """Wait for messages in flight, record their outcomes, and hand back everything else."""
        self._give_back(*self._ready.take_all())
        until = time.monotonic() + DRAIN_TIMEOUT
        while self._in_flight > len(self._outcomes) and time.monotonic() < until:
            self._changed.clear()
            await self._wait(until - time.monotonic())
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        outcomes, refusals = self._outcomes.take()
        left = outcomes + self._schedule.failed + self._schedule.put_off()
        if left:
            await self._outcome_writer.write(left, [], refusals)
            await self._alert_providers()
        if returned := await self._schedule.hand_back():
            self._counts["handed_back"] += returned

    async def _alert_if_slowed(self) -> None:
        """Raise an alert when a provider has slowed a sender down for long; resolve it when it accepts again."""
        key = f"channel:{self._channel.name}"
        if self._slowed_reply and not self._alerted:
            async with self._runtime.pool.acquire() as db:
                await raise_alert(
                    db,
                    key=key,
                    severity="warning",
                    title=f"The {self._channel.name} provider takes nothing right now: {self._slowed_reply}",
                    remedy="Messages wait and go out by themselves when it answers again; check it if this lasts.",
                )
            self._alerted = True
        elif self._alerted and not self._slowed_reply:
            async with self._runtime.pool.acquire() as db:
                await resolve_alert(db, key)
            self._alerted = False

    async def _alert_providers(self) -> None:
        """Raise an alert for each provider that is left out, and resolve it when it is used again."""
        status_reports = self._router.status_reports() if self._router is not None else []
        for report in status_reports:
            key = f"provider:{report.provider}"
            async with self._runtime.pool.acquire() as db:
                if report.severity is None:
                    await resolve_alert(db, key)
                else:
                    await raise_alert(db, key=key, severity=report.severity, title=report.title, remedy=report.remedy)
