"""Queue of messages that one worker has claimed, of a step or of a sender's transactional ones, for one channel."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from core.domain_groups import DomainGroup
from messaging.outbox.claim import ClaimedMessage, DueQueue
from messaging.outbox.compose import AnyComposer, ComposedMessage
from messaging.outbox.domain_limits import DomainLimits
from messaging.outbox.outcomes import Outcome
from messaging.outbox.retries import handed_back
from messaging.reasons import Reason
from messaging.states import State

CLAIMED_SECONDS: Final = 10.0
"""Seconds of sending that all workers together may hold claimed. Short, because quiet hours are checked at claim
time."""
MAX_CLAIM_AGE: Final = 60.0
"""Seconds after which a claimed message is put back, to be checked and claimed again: a sender that had to slow down
for long must not go on into people's quiet hours."""


@dataclass(slots=True)
class NextMessage:
    """Next message of a queue, composed once, even if it waits for its sender's rate limit."""

    message: ClaimedMessage
    composed: ComposedMessage


@dataclass(slots=True)
class StepQueue:
    """Claimed messages of one step, or of a sender's transactional ones, for one channel.

    Attributes:
        due: the queue in the outbox.
        composer: composes its messages.
        domains: rate limits of mail providers.
        claimed: messages in the order they were due.
        limited: messages that wait for their mail provider's limit, by its group.
        head: the next message.
        put_off: messages to put back into the outbox: claimed too long ago, or more than are worth holding for a
            provider.
        served: number of its last turn; orders queues of one priority.
        drained: the last claim found fewer messages than its limit.
    """

    due: DueQueue
    composer: AnyComposer
    domains: DomainLimits
    claimed: deque[ClaimedMessage] = field(default_factory=deque)
    limited: dict[DomainGroup, deque[ClaimedMessage]] = field(default_factory=dict)
    head: NextMessage | None = None
    put_off: list[Outcome] = field(default_factory=list)
    served: int = 0
    drained: bool = False

    def __iter__(self) -> Iterator[ClaimedMessage]:
        if self.head is not None:
            yield self.head.message
        for waiting_messages in self.limited.values():
            yield from waiting_messages
        yield from self.claimed

    def __len__(self) -> int:
        return len(self.claimed) + sum(map(len, self.limited.values())) + (self.head is not None)

    @property
    def message_ids(self) -> set[int]:
        """Ids of its messages, with those to be put back."""
        return {message.message_id for message in self} | {outcome.message_id for outcome in self.put_off}

    def discard(self, dispatcher_id: int | None) -> None:
        """Drop messages that were claimed under another id: they are no longer this worker's."""
        self.claimed = deque(message for message in self.claimed if message.dispatcher_id == dispatcher_id)
        for group, waiting_messages in self.limited.items():
            self.limited[group] = deque(
                message for message in waiting_messages if message.dispatcher_id == dispatcher_id
            )
        if self.head is not None and self.head.message.dispatcher_id != dispatcher_id:
            self.head = None

    def draw(self) -> ClaimedMessage | None:
        """Take the next message that its mail provider's limit allows now; None if there is none."""
        for group, waiting_messages in self.limited.items():
            while waiting_messages and self.is_stale(waiting_messages[0]):
                waiting_messages.popleft()
            if waiting_messages and self.domains.spend(group):
                return waiting_messages.popleft()
        while self.claimed:
            message = self.claimed.popleft()
            if self.is_stale(message):
                continue
            provider = self.domains.group(message.address)
            if provider is None or (not self.limited.get(provider) and self.domains.spend(provider)):
                return message
            self._hold(message, provider)
        return None

    def is_stale(self, message: ClaimedMessage) -> bool:
        """Tell whether a message was claimed too long ago and must be put back."""
        if time.monotonic() - message.claimed_at <= MAX_CLAIM_AGE:
            return False
        self.put_off.append(handed_back(message))
        return True

    def wait(self) -> float:
        """Return the seconds until a message may be drawn."""
        if self.head is not None or self.claimed:
            return 0.0
        return min(
            (self.domains.wait(group) for group, waiting_messages in self.limited.items() if waiting_messages),
            default=0.0,
        )

    def _hold(self, message: ClaimedMessage, group: DomainGroup) -> None:
        waiting_messages = self.limited.setdefault(group, deque())
        if len(waiting_messages) < self.domains.most_waiting(group, CLAIMED_SECONDS):
            waiting_messages.append(message)
            return
        delay = self.domains.slot(group, CLAIMED_SECONDS)
        self.put_off.append(Outcome(message.message_id, message.attempt, State.QUEUED, Reason.DOMAIN_PACE, delay=delay))
