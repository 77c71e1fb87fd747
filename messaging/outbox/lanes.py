"""Whose turn it is: a queue of claimed messages for each step, urgent first, equals in turn, at their senders' pace.

A lane that must wait (for its sender's pace, or because the provider asked for less) keeps none of the others waiting.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

import structlog

from messaging.alerts import raise_alert
from messaging.db import Connection
from messaging.errors import MusterError
from messaging.outbox.claim import LEASE, Claimed, Lane, claim, due_lanes, hand_back
from messaging.outbox.compose import Composed, Composer, Composers
from messaging.outbox.journal import LOST
from messaging.outbox.pace import Pace
from messaging.outbox.record import Mark, Verdict
from messaging.outbox.states import Reason, State
from messaging.runtime import Runtime

CLAIMED: Final = 500
"""Messages of a lane claimed at once."""
LOW: Final = 250
"""Claimed messages of a lane left when more are claimed."""
AHEAD: Final = 10.0
"""Seconds of a sender's pace that are claimed at once, so that no lease runs out in a slow lane."""
FRESH: Final = 0.8
"""Share of a lease in which a claimed message may still begin its way."""
LOOK: Final = 0.25
"""Seconds between two looks for lanes that have become due."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Departure:
    """A message whose turn has come."""

    message: Claimed
    step_id: int
    composer: Composer
    composed: Composed
    marked_at: float = 0.0

    def mark(self) -> Mark:
        """What is written down before it goes on the wire."""
        composed = self.composed
        return Mark(self.message.message_id, self.message.attempt, composed.confirm, composed.unsubscribe)


@dataclass(slots=True)
class _Queue:
    """A lane's claimed messages.

    Attributes:
        head: the first of them, composed once though it may wait for the sender's pace.
        served: when it had its last turn; orders lanes of one priority.
        drained: the last claim found less than it could have taken.
    """

    lane: Lane
    composer: Composer
    claimed: deque[Claimed] = field(default_factory=deque)
    head: Composed | None = None
    served: int = 0
    drained: bool = False


class Lanes:
    """One channel's lanes in one worker.

    Args:
        runtime: what they claim from.
        channel: `sms` or `email`.
        pace: of the senders.
        composers: the compiled steps.
        worker: this worker's name.
        counts: what the gate stops is counted here, by state.
    """

    def __init__(
        self,
        runtime: Runtime,
        channel: str,
        pace: Pace,
        composers: Composers,
        worker: str,
        counts: Counter[str],
    ) -> None:
        self._runtime = runtime
        self._channel = channel
        self._pace = pace
        self._composers = composers
        self._worker = worker
        self._counts = counts
        self._queues: dict[int, _Queue] = {}
        self._broken: set[int] = set()
        self._turn = 0
        self._looked_at = 0.0
        self.idle = False
        self.failed: list[Verdict] = []

    @property
    def empty(self) -> bool:
        """Whether nothing is claimed."""
        return not any(queue.claimed for queue in self._queues.values())

    def wants_more(self) -> bool:
        """Whether it is time to look for due messages."""
        if time.monotonic() - self._looked_at >= LOOK or (self.empty and not self.idle):
            return True
        return any(not queue.drained and len(queue.claimed) <= _low(queue.lane) for queue in self._queues.values())

    async def refill(self) -> None:
        """Claim for each lane that runs low. `idle` says afterwards whether nothing was due."""
        self._looked_at = time.monotonic()
        got = 0
        async with self._runtime.pool.acquire() as db:
            for lane in await due_lanes(db, [self._channel], self._runtime.clock()):
                queue = await self._queue(db, lane)
                if queue is not None and len(queue.claimed) <= _low(lane):
                    got += await self._claim(db, queue)
        self.idle = not got
        for step_id in [step_id for step_id, queue in self._queues.items() if not queue.claimed]:
            del self._queues[step_id]

    async def depart(self, room: int) -> list[Departure]:
        """The next messages, at most `room`, as far as their senders' pace allows."""
        departures: list[Departure] = []
        if room <= 0:
            return departures
        await self._fill(room)
        waiting = {step_id for step_id, queue in self._queues.items() if self._pace.wait(queue.lane.sender_id)}
        while len(departures) < room:
            ready = [queue for step_id, queue in self._queues.items() if queue.claimed and step_id not in waiting]
            if not ready:
                break
            queue = ready[0] if len(ready) == 1 else min(ready, key=lambda one: (-one.lane.priority, one.served))
            self._turn += 1
            queue.served = self._turn
            composed = self._head(queue)
            if composed is None:
                continue
            if not self._pace.spend(queue.lane.sender_id, queue.lane.pace, composed.cost):
                waiting.add(queue.lane.step_id)
                continue
            queue.head = None
            departures.append(Departure(queue.claimed.popleft(), queue.lane.step_id, queue.composer, composed))
        return departures

    def wait(self) -> float:
        """Seconds until something may go that is claimed already; at most until the next look."""
        waits = [self._pace.wait(queue.lane.sender_id) for queue in self._queues.values() if queue.claimed]
        return min([LOOK, *waits])

    async def hand_back(self) -> int:
        """Put everything claimed back into the outbox."""
        claimed = [message for queue in self._queues.values() for message in queue.claimed]
        self._queues.clear()
        try:
            async with self._runtime.pool.acquire() as db:
                return await hand_back(db, claimed)
        except LOST as error:
            log.warning("claimed messages wait for their leases to run out", error=str(error), messages=len(claimed))
            return 0

    async def _queue(self, db: Connection, lane: Lane) -> _Queue | None:
        """The lane's queue; None where its step cannot be compiled."""
        if lane.step_id in self._broken:
            return None
        queue = self._queues.get(lane.step_id)
        if queue is None:
            try:
                composer = await self._composers.get(db, lane.step_id, lane.channel)
            except MusterError as error:
                self._broken.add(lane.step_id)
                await _alert_broken(db, lane, error)
                return None
            queue = self._queues[lane.step_id] = _Queue(lane, composer, served=self._turn)
        queue.lane = lane
        return queue

    async def _claim(self, db: Connection, queue: _Queue) -> int:
        lane, limit = queue.lane, _share(queue.lane)
        until = time.monotonic() + FRESH * LEASE
        taken = await claim(
            db,
            lane,
            limit=limit,
            now=self._runtime.clock(),
            worker=self._worker,
            caps=self._runtime.settings.frequency_cap,
        )
        got = len(taken.messages) + sum(taken.stopped.values())
        for message in taken.messages:
            message.until = until
        queue.claimed.extend(taken.messages)
        queue.drained = got < limit
        self._counts.update(taken.stopped)
        return got

    async def _fill(self, room: int) -> None:
        """Ask for tokens for each paced sender that has something to send and is not waiting."""
        paces = {queue.lane.sender_id: queue.lane.pace for queue in self._queues.values()}
        waiting = Counter[int]()
        for queue in self._queues.values():
            waiting[queue.lane.sender_id] += len(queue.claimed)
        for sender_id, pace in paces.items():
            if pace is not None and waiting[sender_id] and not self._pace.wait(sender_id):
                await self._pace.fill(sender_id, pace, min(room, waiting[sender_id]))

    def _head(self, queue: _Queue) -> Composed | None:
        """The first message as a parcel; None where there is none, or it cannot be made, which fails that one alone.

        A claim that waited too long for its sender's pace goes back when its lease ends: no token is spent on it.
        """
        while queue.claimed and queue.claimed[0].until < time.monotonic():
            queue.claimed.popleft()
            queue.head = None
        if not queue.claimed:
            return None
        if queue.head is None:
            message = queue.claimed[0]
            try:
                queue.head = queue.composer.compose(message, self._runtime.clock())
            except (MusterError, ValueError) as error:
                queue.claimed.popleft()
                log.warning("a message cannot be composed", message_id=message.message_id, error=str(error))
                self.failed.append(
                    Verdict(
                        message.message_id,
                        message.attempt,
                        State.FAILED,
                        Reason.CANNOT_RENDER,
                        reply=f"{error}"[:200],
                    )
                )
        return queue.head


def _share(lane: Lane) -> int:
    """How many messages of a lane to claim at once."""
    return CLAIMED if lane.pace is None else max(1, min(CLAIMED, int(lane.pace * AHEAD)))


def _low(lane: Lane) -> int:
    return min(LOW, _share(lane) // 2)


async def _alert_broken(db: Connection, lane: Lane, error: MusterError) -> None:
    log.error("a step cannot be sent", step_id=lane.step_id, error=str(error))
    await raise_alert(
        db,
        key=f"step:{lane.step_id}",
        severity="error",
        title=f"A step cannot be sent by {lane.channel}: {error.message}",
        remedy=error.remedy or "Mend its template or sender, then restart the workers.",
    )
