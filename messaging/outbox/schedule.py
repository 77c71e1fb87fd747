"""Whose turn it is: a queue of claimed messages for each step, urgent first, equals in turn, at their senders' pace.

A lane that must wait (for its sender's pace, or because the provider asked for less) keeps none of the others waiting,
and within a lane no message waits for another whose recipient's mail provider has had enough.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from core.alerts import raise_alert
from core.db import Connection
from core.domain_paces import read_groups
from core.errors import MusterError, Unavailable
from core.runtime import Runtime
from messaging.channels.channel import OutboundMessage, Route
from messaging.outbox.claim import Claimed, StepChannel, claim, due_lanes, hand_back
from messaging.outbox.compose import Composed, Composer, Composers
from messaging.outbox.domain_limits import DomainLimits
from messaging.outbox.heartbeat import Heartbeat
from messaging.outbox.outcome_writer import LOST
from messaging.outbox.outcomes import Intent, Outcome
from messaging.outbox.rate_limits import RateLimits
from messaging.outbox.step_queue import AHEAD, NextMessage, StepQueue
from messaging.states import Reason, State

CLAIMED: Final = 500
"""Messages of a lane claimed at once."""
LOW: Final = 250
"""Claimed messages of a lane left when more are claimed."""
LOOK: Final = 0.25
"""Seconds between two looks for lanes that have become due."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Dispatch:
    """A message whose turn has come."""

    message: Claimed
    step_id: int
    composer: Composer
    composed: Composed
    route: Route
    marked_at: float = 0.0

    def mark(self) -> Intent:
        """What is written down before it goes on the wire."""
        message, composed, route = self.message, self.composed, self.route
        return Intent(
            message.message_id,
            message.attempt,
            composed.confirm,
            composed.unsubscribe,
            route.provider,
            route.sent_from,
        )


class Schedule:
    """One channel's lanes in one worker.

    Args:
        runtime: what they claim from.
        channel: `sms` or `email`.
        pace: of the senders.
        composers: the compiled steps.
        presence: under which they claim.
        counts: what the gate stops is counted here, by state.
        route: decides by which provider a parcel goes.
    """

    def __init__(
        self,
        runtime: Runtime,
        channel: str,
        pace: RateLimits,
        composers: Composers,
        presence: Heartbeat,
        counts: Counter[str],
        route: Callable[[OutboundMessage], Route],
    ) -> None:
        self._runtime = runtime
        self._channel = channel
        self._pace = pace
        self._composers = composers
        self._presence = presence
        self._counts = counts
        self._route = route
        self._domains = DomainLimits(read_groups(runtime.settings.email_domain_pace), pace)
        self._queues: dict[int, StepQueue] = {}
        self._broken: set[int] = set()
        self._courier_id: int | None = None
        self._turn = 0
        self._looked_at = 0.0
        self._asked = 0
        self.idle = False
        self.failed: list[Outcome] = []

    @property
    def empty(self) -> bool:
        """Whether nothing is claimed."""
        return not any(self._queues.values())

    def wants_more(self) -> bool:
        """Whether it is time to look for due messages."""
        if time.monotonic() - self._looked_at >= LOOK or (self.empty and not self.idle):
            return True
        return any(not queue.drained and len(queue.claimed) <= self._low(queue.lane) for queue in self._queues.values())

    def look_again(self) -> None:
        """Something is due that the last look missed, and that one under way may miss too."""
        self._asked += 1
        self.idle = False

    async def refill(self) -> None:
        """Claim for each lane that runs low. `idle` says afterwards whether nothing was due."""
        self._looked_at = time.monotonic()
        got, asked = 0, self._asked
        async with self._runtime.pool.acquire() as db:
            for lane in await due_lanes(db, [self._channel], self._runtime.clock()):
                queue = await self._queue(db, lane)
                if queue is not None and len(queue.claimed) <= self._low(lane):
                    got += await self._claim(db, queue)
        self.idle = not got and asked == self._asked
        for step_id in [step_id for step_id, queue in self._queues.items() if not queue]:
            del self._queues[step_id]

    async def depart(self, room: int) -> list[Dispatch]:
        """The next messages, at most `room`, as far as their senders' pace allows."""
        departures: list[Dispatch] = []
        self._forget_others()
        if room <= 0:
            return departures
        await self._fill(room)
        waiting = {step_id for step_id, queue in self._queues.items() if self._pace.wait(queue.lane.sender_id)}
        while len(departures) < room:
            ready = [queue for step_id, queue in self._queues.items() if queue and step_id not in waiting]
            if not ready:
                break
            queue = ready[0] if len(ready) == 1 else min(ready, key=lambda one: (-one.lane.priority, one.served))
            self._turn += 1
            queue.served = self._turn
            head = self._head(queue)
            if head is None or not self._pace.spend(queue.lane.sender_id, queue.lane.pace, head.composed.cost):
                waiting.add(queue.lane.step_id)
                continue
            queue.head = None
            route = self._route(head.composed.parcel)
            departures.append(Dispatch(head.message, queue.lane.step_id, queue.composer, head.composed, route))
        return departures

    def _forget_others(self) -> None:
        """Drop what was claimed before this worker was taken for gone."""
        if self._presence.courier_id != self._courier_id:
            self._courier_id = self._presence.courier_id
            for queue in self._queues.values():
                queue.forget(self._courier_id)

    def put_off(self) -> list[Outcome]:
        """What goes back to the outbox unsent, since the last call: its mail provider is slow, and it is not alone."""
        verdicts = [one for queue in self._queues.values() for one in queue.put_off]
        for queue in self._queues.values():
            queue.put_off = []
        return verdicts

    def wait(self) -> float:
        """Seconds until something may go that is claimed already; at most until the next look."""
        waits = [max(queue.wait(), self._pace.wait(queue.lane.sender_id)) for queue in self._queues.values() if queue]
        return min([LOOK, *waits])

    async def hand_back(self) -> int:
        """Put everything claimed back into the outbox."""
        claimed = [message for queue in self._queues.values() for message in queue]
        self._queues.clear()
        try:
            async with self._runtime.pool.acquire() as db:
                return await hand_back(db, claimed)
        except LOST as error:
            self._runtime.outages.met(error)
            log.warning("claimed messages wait until this worker counts as gone", messages=len(claimed))
            self._presence.renounce()
            return 0

    async def _queue(self, db: Connection, lane: StepChannel) -> StepQueue | None:
        """The lane's queue; None where its step cannot be compiled."""
        if lane.step_id in self._broken:
            return None
        queue = self._queues.get(lane.step_id)
        if queue is None:
            try:
                composer = await self._composers.get(db, lane.step_id, lane.channel)
            except Unavailable:
                raise
            except MusterError as error:
                self._broken.add(lane.step_id)
                await _alert_broken(db, lane, error)
                return None
            queue = self._queues[lane.step_id] = StepQueue(lane, composer, self._domains, served=self._turn)
        queue.lane = lane
        return queue

    async def _claim(self, db: Connection, queue: StepQueue) -> int:
        lane, limit = queue.lane, self._share(queue.lane)
        taken = await claim(
            db,
            lane,
            limit=limit,
            now=self._runtime.clock(),
            courier_id=await self._presence.enter(db),
            caps=self._runtime.settings.frequency_cap,
        )
        got = len(taken.messages) + sum(taken.stopped.values())
        queue.claimed.extend(taken.messages)
        queue.drained = got < limit
        self._counts.update(taken.stopped)
        return got

    async def _fill(self, room: int) -> None:
        """Ask for tokens for each paced sender that has something to send and is not waiting."""
        paces = {queue.lane.sender_id: queue.lane.pace for queue in self._queues.values()}
        waiting = Counter[int]()
        for queue in self._queues.values():
            waiting[queue.lane.sender_id] += len(queue)
            for group, held in queue.held.items():
                if held:
                    await self._domains.fill(group, min(room, len(held)))
        for sender_id, pace in paces.items():
            if pace is not None and waiting[sender_id] and not self._pace.wait(sender_id):
                await self._pace.fill(sender_id, pace, min(room, waiting[sender_id]))

    def _head(self, queue: StepQueue) -> NextMessage | None:
        """The next message as a parcel; None where none can go now. One that cannot be made fails alone."""
        if queue.head is not None and queue.is_stale(queue.head.message):
            queue.head = None
        while queue.head is None and (message := queue.draw()) is not None:
            try:
                queue.head = NextMessage(message, queue.composer.compose(message, self._runtime.clock()))
            except (MusterError, ValueError) as error:
                log.warning("a message cannot be composed", message_id=message.message_id, error=str(error))
                self.failed.append(
                    Outcome(
                        message.message_id,
                        message.attempt,
                        State.FAILED,
                        Reason.CANNOT_RENDER,
                        reply=f"{error}"[:200],
                    )
                )
        return queue.head

    def _share(self, lane: StepChannel) -> int:
        """How many messages of a lane to claim at once."""
        if lane.pace is None:
            return CLAIMED
        return max(1, min(CLAIMED, int(lane.pace * AHEAD / self._pace.sharers)))

    def _low(self, lane: StepChannel) -> int:
        return min(LOW, self._share(lane) // 2)


async def _alert_broken(db: Connection, lane: StepChannel, error: MusterError) -> None:
    log.error("a step cannot be sent", step_id=lane.step_id, error=str(error))
    await raise_alert(
        db,
        key=f"step:{lane.step_id}",
        severity="error",
        title=f"A step cannot be sent by {lane.channel}: {error.message}",
        remedy=error.remedy or "Mend its template or sender, then restart the workers.",
    )
