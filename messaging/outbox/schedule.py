"""Schedule one channel's claimed messages: a queue for each step, by priority, then in turn, at their senders' rates.

Each sender's transactional messages are a queue of the highest priority. A look of their own claims them, so that they
never wait for a claim of hundreds. A queue that must wait (for its sender's rate limit, or because the provider asked
to slow down) does not delay the other queues. Within a queue, a message to a mail provider that has reached its limit
does not delay the messages behind it.
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
from core.db.away import TEMPORARY
from core.domain_groups import read_groups
from core.errors import MusterError, error_in_words
from core.runtime import Runtime
from core.sign_in_links import mask_credentials
from messaging.channels.channel import OutboundMessage, Route
from messaging.outbox.claim import (
    HEAD,
    ClaimedMessage,
    ClaimedTransactional,
    DueQueue,
    QueuePlace,
    claim,
    due_queues,
    due_transactional,
    hand_back,
    return_unanswered,
)
from messaging.outbox.compose import ComposedMessage, Composers
from messaging.outbox.domain_limits import DomainLimits
from messaging.outbox.heartbeat import Heartbeat
from messaging.outbox.outcomes import Intent, Outcome
from messaging.outbox.rate_limits import RateLimits
from messaging.outbox.step_queue import CLAIMED_SECONDS, NextMessage, StepQueue
from messaging.reasons import Reason
from messaging.states import State

CLAIM_SIZE: Final = 500
"""Messages of a queue claimed at once."""
REFILL_SIZE: Final = 250
"""Number of claimed messages left in a queue at which more are claimed."""
LOOK_EVERY: Final = 0.25
"""Seconds between two looks for queues that have become due."""
HEAD_EVERY: Final = 2.0
"""Seconds between two looks from the head of a queue, for what came back to it behind the last message taken."""
UNANSWERED_CLAIM_LASTS: Final = 60.0
"""Seconds after PostgreSQL is back in which a claim may still be under way there whose connection broke."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Dispatch:
    """Message whose turn has come, composed and routed."""

    message: ClaimedMessage
    composed: ComposedMessage
    route: Route
    ready_since: float = 0.0

    @property
    def is_transactional(self) -> bool:
        """Tell whether it goes before messages that are ready already."""
        return isinstance(self.message, ClaimedTransactional)

    def intent(self) -> Intent:
        """Return the intent that is recorded before it goes on the wire."""
        message, composed, route = self.message, self.composed, self.route
        return Intent(
            message.message_id,
            message.attempt,
            composed.confirm,
            composed.unsubscribe,
            route.provider,
            route.sent_from,
        )


@dataclass(slots=True)
class _Look:
    """State of the looks for due messages, of steps or transactional ones.

    Attributes:
        at: when the last one began.
        requests: how often another one was asked for.
        at_once: one has to begin now.
        head_at: when the last one began that looked from the heads of the queues.
        idle: the last look found nothing, and none was asked for since.
    """

    at: float = 0.0
    requests: int = 0
    at_once: bool = False
    head_at: float = 0.0
    idle: bool = False

    def again(self) -> None:
        self.requests += 1
        self.idle = False

    def is_due(self, *, empty: bool) -> bool:
        return self.at_once or time.monotonic() - self.at >= LOOK_EVERY or (empty and not self.idle)


class Schedule:
    """Queues of one channel's steps in one worker.

    Args:
        runtime: has the database, clock and settings.
        channel: `sms` or `email`.
        rate_limits: rate limits of the senders.
        composers: the compiled steps.
        heartbeat: heartbeat under whose id messages are claimed.
        counts: messages that the eligibility check stops are counted here, by state.
        route: chooses the provider of a message.
    """

    def __init__(
        self,
        runtime: Runtime,
        channel: str,
        rate_limits: RateLimits,
        composers: Composers,
        heartbeat: Heartbeat,
        counts: Counter[str],
        route: Callable[[OutboundMessage], Route],
    ) -> None:
        self._runtime = runtime
        self._channel = channel
        self._rate_limits = rate_limits
        self._composers = composers
        self._heartbeat = heartbeat
        self._counts = counts
        self._route = route
        self._domains = DomainLimits(read_groups(runtime.settings.email_domain_pace), rate_limits)
        self._queues: dict[tuple[int | None, int], StepQueue] = {}
        self._broken: set[tuple[int | None, int]] = set()
        self._dispatcher_id: int | None = None
        self._turn = 0
        self._looks = {True: _Look(), False: _Look()}
        self._places: dict[bool, dict[int, QueuePlace]] = {True: {}, False: {}}
        self._unanswered_claims: dict[int, float | None] = {}
        self._leaving: set[int] = set()
        self.failed: list[Outcome] = []

    @property
    def empty(self) -> bool:
        """Tell whether no messages are claimed."""
        return not any(self._queues.values())

    @property
    def idle(self) -> bool:
        """Tell whether nothing was due at the last looks."""
        return all(look.idle for look in self._looks.values())

    def wants_more(self, *, transactional: bool) -> bool:
        """Tell whether it is time to look for due messages, transactional ones or those of steps."""
        mine = [queue for queue in self._queues.values() if (queue.due.step_id is None) is transactional]
        return self._looks[transactional].is_due(empty=not any(mine)) or any(
            not queue.drained and len(queue.claimed) <= self._low(queue.due) for queue in mine
        )

    def look_again(self) -> None:
        """Look for due messages once more, even if a look is under way, which may miss messages just queued."""
        for look in self._looks.values():
            look.again()

    def look_at_once(self) -> None:
        """Look for transactional messages without waiting for the next look."""
        self._looks[True].at_once = True
        self.look_again()

    async def refill(self, *, transactional: bool) -> None:
        """Claim messages for each queue that runs low. `idle` says afterwards whether nothing was due.

        Args:
            transactional: claim transactional messages; else messages of steps. Both may run at the same time, each
                once.
        """
        look, places = self._looks[transactional], self._places[transactional]
        look.at, look.at_once = time.monotonic(), False
        if look.at - look.head_at >= HEAD_EVERY:
            places.clear()
        got, full, seen_requests = 0, False, look.requests
        async with self._runtime.pool.acquire() as db:
            await self._return_unanswered(db, transactional=transactional)
            find_due = due_transactional if transactional else due_queues
            listed = await find_due(db, [self._channel], self._runtime.clock(), places)
            if not listed and places:  # only what came back behind the last ones can be due
                places.clear()
                listed = await find_due(db, [self._channel], self._runtime.clock())
            if not places:
                look.head_at = look.at
            for due in listed:
                queue = await self._queue(db, due)
                if queue is None:
                    continue
                if len(queue.claimed) > self._low(due):
                    full = True
                else:
                    got += await self._claim(db, queue, places)
        look.idle = not got and not places and seen_requests == look.requests
        if not (got or full):
            places.clear()  # the next look is from the heads
        for key in [key for key, queue in self._queues.items() if not queue and (key[0] is None) is transactional]:
            del self._queues[key]

    async def next_dispatches(self, room: int) -> list[Dispatch]:
        """Return the next messages to send, at most `room`, as far as their senders' rate limits allow.

        Those it returned before, `failed` and what was put off have been recorded when it is called again.
        """
        dispatches: list[Dispatch] = []
        self._leaving.clear()
        self._discard_others()
        if room <= 0:
            return dispatches
        await self._fill(room)
        ready = [queue for queue in self._queues.values() if queue and not self._rate_limits.wait(queue.due.sender_id)]
        while ready and len(dispatches) < room:
            queue = ready[0] if len(ready) == 1 else min(ready, key=lambda queue: (-queue.due.priority, queue.served))
            self._turn += 1
            queue.served = self._turn
            head = self._head(queue)
            if head is None or not self._rate_limits.spend(queue.due.sender_id, queue.due.pace, head.composed.cost):
                ready = [other for other in ready if other is not queue]
                continue
            queue.head = None
            route = self._route(head.composed.outbound)
            dispatches.append(Dispatch(head.message, head.composed, route))
            if not queue:
                ready = [other for other in ready if other is not queue]
        self._leaving.update(dispatch.message.message_id for dispatch in dispatches)
        self._leaving.update(outcome.message_id for outcome in self.failed)
        return dispatches

    def _discard_others(self) -> None:
        """Drop messages claimed before this worker was declared gone."""
        if self._heartbeat.dispatcher_id != self._dispatcher_id:
            self._dispatcher_id = self._heartbeat.dispatcher_id
            for queue in self._queues.values():
                queue.discard(self._dispatcher_id)

    def put_off(self) -> list[Outcome]:
        """Return messages to put back unsent since the last call: claimed too long ago, or too many for a provider."""
        outcomes = [outcome for queue in self._queues.values() for outcome in queue.put_off]
        for queue in self._queues.values():
            queue.put_off = []
        self._leaving.update(outcome.message_id for outcome in outcomes)
        return outcomes

    def wait(self) -> float:
        """Return the seconds until a claimed message may be sent; at most until the next look."""
        waits = [
            max(queue.wait(), self._rate_limits.wait(queue.due.sender_id)) for queue in self._queues.values() if queue
        ]
        return min([LOOK_EVERY, *waits])

    async def hand_back(self) -> int:
        """Put all claimed messages back into the outbox; return how many were still this worker's."""
        claimed = [message for queue in self._queues.values() for message in queue]
        self._queues.clear()
        if not (claimed or self._unanswered_claims):
            return 0
        try:
            async with self._runtime.pool.acquire() as db:
                returned = await hand_back(db, claimed)
                for transactional in (True, False):
                    returned += await self._return_unanswered(db, transactional=transactional)
                return returned
        except TEMPORARY as error:
            self._runtime.outages.note_error(error)
            log.warning("claimed messages wait until this worker counts as gone", messages=len(claimed))
            self._heartbeat.give_up_claims()
            return 0

    async def _queue(self, db: Connection, due: DueQueue) -> StepQueue | None:
        """Return the queue of a step, added if need be; None if the step cannot be compiled."""
        if due.key in self._broken:
            return None
        queue = self._queues.get(due.key)
        if queue is None:
            try:
                composer = await self._composers.get(db, due.step_id, due.channel, due.sender_id)
            except TEMPORARY:
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not stop all other steps
                self._broken.add(due.key)
                await _alert_broken(db, due, error)
                return None
            queue = self._queues[due.key] = StepQueue(due, composer, self._domains, served=self._turn)
        queue.due = due
        return queue

    async def _claim(self, db: Connection, queue: StepQueue, places: dict[int, QueuePlace]) -> int:
        due, limit = queue.due, self._share(queue.due)
        dispatcher_id = await self._heartbeat.enter(db)
        try:
            taken = await claim(
                db,
                due,
                limit=limit,
                now=self._runtime.clock(),
                dispatcher_id=dispatcher_id,
                caps=self._runtime.settings.frequency_cap,
                after=places.get(due.queue_id, HEAD),
            )
        except TEMPORARY:
            self._unanswered_claims[due.queue_id] = None  # it may have been committed before its answer was lost
            self.look_again()
            raise
        if taken.last is not None:
            places[due.queue_id] = taken.last
        got = len(taken.messages) + sum(taken.stopped.values())
        queue.claimed.extend(taken.messages)
        queue.drained = got < limit
        for state, n in taken.stopped.items():
            self._counts["put_off" if state == State.QUEUED else state] += n
        return got

    async def _return_unanswered(self, db: Connection, *, transactional: bool) -> int:
        """Put back what was claimed and not answered; not at the time of a claim of the same kind of messages."""
        returned = 0
        for queue_id, since in [*self._unanswered_claims.items()]:
            dispatcher_id = self._heartbeat.dispatcher_id
            if (queue_id < 0) is not transactional or dispatcher_id is None:
                continue
            known = self._leaving.union(*(queue.message_ids for queue in self._queues.values()))
            returned += await return_unanswered(db, dispatcher_id, queue_id, known)
            if since is None:
                self._unanswered_claims[queue_id] = time.monotonic()
            elif time.monotonic() > since + UNANSWERED_CLAIM_LASTS:
                del self._unanswered_claims[queue_id]
        if returned:
            log.warning("messages were put back whose claim had not been answered", messages=returned)
        return returned

    async def _fill(self, room: int) -> None:
        """Take tokens for each sender with a rate limit that has messages to send and is not waiting."""
        paces = {queue.due.sender_id: queue.due.pace for queue in self._queues.values()}
        waiting = Counter[int]()
        for queue in self._queues.values():
            waiting[queue.due.sender_id] += len(queue)
            for group, waiting_messages in queue.limited.items():
                if waiting_messages:
                    await self._domains.fill(group, min(room, len(waiting_messages)))
        for sender_id, pace in paces.items():
            if pace is not None and waiting[sender_id] and not self._rate_limits.wait(sender_id):
                await self._rate_limits.fill(sender_id, pace, min(room, waiting[sender_id]))

    def _head(self, queue: StepQueue) -> NextMessage | None:
        """Return the next message, composed; None if none can go now. A message that cannot be composed fails alone."""
        if queue.head is not None and queue.is_stale(queue.head.message):
            queue.head = None
        while queue.head is None and (message := queue.draw()) is not None:
            try:
                queue.head = NextMessage(message, queue.composer.compose(message, self._runtime.clock()))
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not stop all other messages
                words, kind = mask_credentials(error_in_words(error)), type(error).__name__
                log.warning("a message cannot be composed", message_id=message.message_id, error=words, kind=kind)
                self.failed.append(
                    Outcome(
                        message.message_id, message.attempt, State.FAILED, Reason.CANNOT_RENDER, reply=words[:200],
                        has_secrets=isinstance(message, ClaimedTransactional) and message.concealed is not None,
                    )
                )  # fmt: skip
        return queue.head

    def _share(self, due: DueQueue) -> int:
        """Return how many messages of a queue to claim at once."""
        if due.pace is None:
            return CLAIM_SIZE
        return max(1, min(CLAIM_SIZE, int(due.pace * CLAIMED_SECONDS / self._rate_limits.sharers)))

    def _low(self, due: DueQueue) -> int:
        return min(REFILL_SIZE, self._share(due) // 2)


async def _alert_broken(db: Connection, due: DueQueue, error: Exception) -> None:
    foreseen = error if isinstance(error, MusterError) else None
    log.error("a step cannot be sent", step_id=due.step_id, error=str(error), exc_info=None if foreseen else error)
    await raise_alert(
        db,
        key=f"step:{due.step_id}",
        severity="error",
        title=f"A step cannot be sent by {due.channel}: {foreseen.message if foreseen else error_in_words(error)}",
        remedy=foreseen.remedy
        if foreseen and foreseen.remedy
        else "Mend its template or sender, then restart the workers.",
    )
