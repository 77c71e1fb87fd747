"""Turn a channel's result into the outcome to record: accepted, failed, unknown, or queued to be tried again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Final

from messaging.channels.channel import Accepted, Refused, Retry, SendResult
from messaging.outbox.claim import ClaimedMessage
from messaging.outbox.outcomes import Outcome
from messaging.reasons import Reason
from messaging.states import State

FIRST_RETRY_PAUSE: Final = 15.0
"""Seconds before the second try; each further pause is twice as long."""
MAX_RETRY_PAUSE: Final = 3600.0
"""Most seconds between two tries."""
FIRST_FULL_MAILBOX_PAUSE: Final = 900.0
"""Seconds before a full mailbox is tried again; each further pause is twice as long."""
MAX_FULL_MAILBOX_PAUSE: Final = 4 * 3600.0
"""Most seconds between tries for a full mailbox, longer than otherwise because a person has to empty it."""
FIRST_UNDELIVERED_PAUSE: Final = 1800.0
"""Seconds before a message that was accepted but not delivered is tried again; each further pause is four times it."""
MAX_TRIES: Final = 20
"""Tries of a message without a deadline; one with a deadline is tried until then."""


def retry_pause(attempt: int, reason: Reason | None = None) -> float:
    """Return the seconds before the next try: exponential, with jitter so that failures do not all return at once."""
    first, longest = (
        (FIRST_FULL_MAILBOX_PAUSE, MAX_FULL_MAILBOX_PAUSE)
        if reason is Reason.MAILBOX_FULL
        else (FIRST_RETRY_PAUSE, MAX_RETRY_PAUSE)
    )
    most = min(longest, first * 2.0 ** min(attempt - 1, 16))
    return most * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


def again_after(retried: int) -> timedelta:
    """Return how long to wait before a message that was accepted but not delivered is tried again.

    Args:
        retried: how often it has been tried again already.
    """
    return timedelta(seconds=FIRST_UNDELIVERED_PAUSE * 4.0**retried * random.uniform(0.75, 1.25))  # noqa: S311  # no secret


def outcome_of(
    message: ClaimedMessage, result: SendResult, *, send_before: datetime | None, slowed_for: float = 0.0
) -> Outcome:
    """Return the outcome to record for a try.

    Args:
        message: the message that was tried.
        result: the channel's result.
        send_before: its deadline; the eligibility check expires it then, after any number of tries.
        slowed_for: seconds for which its sender is slowed down; then the message waits only for that.
    """
    it = (message.message_id, message.attempt)
    if isinstance(result, Accepted):
        return Outcome(*it, State.ACCEPTED, code=result.reply, provider_id=result.provider_id, segments=result.segments)
    if isinstance(result, Refused):
        return Outcome(*it, State.FAILED, result.reason, result.code or None, result.reply)
    if isinstance(result, Retry):
        if send_before is None and message.attempt >= MAX_TRIES:
            return Outcome(*it, State.FAILED, Reason.GAVE_UP, result.code or None, result.reply)
        return Outcome(
            *it,
            State.QUEUED,
            result.reason,
            result.code or None,
            result.reply,
            _delay(message.attempt, result, slowed_for),
        )
    return Outcome(*it, State.AMBIGUOUS, Reason.NO_ANSWER, reply=result.reply)


def _delay(attempt: int, result: Retry, slowed_for: float) -> float:
    if result.elsewhere:
        return 0.0
    return slowed_for * random.uniform(1.0, 1.5) if result.slow else retry_pause(attempt, result.reason)  # noqa: S311


def handed_back(message: ClaimedMessage) -> Outcome:
    """Return the outcome of a message that was claimed but never on the wire: queued again, due at once."""
    # a queued message has no reason; its history says by the event's code why it waits again
    return Outcome(message.message_id, message.attempt, State.QUEUED, code=Reason.HANDED_BACK.value, delay=0.0)
