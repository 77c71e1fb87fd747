"""Record the outcomes of the last messages and the intents to send the next ones, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries
from messaging.reasons import Reason
from messaging.states import State

SQL: Final = load_queries(__file__)


@dataclass(slots=True)
class Intent:
    """Intent to send a message, recorded before it goes on the wire.

    Attributes:
        confirm: digest of a text's confirm link's token; None if it has none, and for an email.
        unsubscribe: digest of a text's unsubscribe link's token; None if it has none, and for an email.
        provider: the provider that gets it; from now on only this provider can report on it.
        sent_from: the number it leaves from, if that is not its step's sender.
    """

    message_id: int
    attempt: int
    confirm: bytes | None
    unsubscribe: bytes | None
    provider: str | None = None
    sent_from: str | None = None


@dataclass(slots=True)
class Outcome:
    """Outcome of a try, as it is recorded.

    Attributes:
        state: accepted, failed, ambiguous, or queued to be tried again.
        delay: seconds until the next try.
        has_secrets: whether its contents have secrets; they are wiped once it has been accepted or has failed.
    """

    message_id: int
    attempt: int
    state: State
    reason: Reason | None = None
    code: str | None = None
    reply: str | None = None
    delay: float | None = None
    provider_id: str | None = None
    segments: int | None = None
    has_secrets: bool = False


async def record_outcomes(
    db: Connection, outcomes: Sequence[Outcome], intents: Sequence[Intent], *, source: str, now: datetime
) -> dict[int, State]:
    """Record outcomes, and record the next messages as on the wire.

    Args:
        db: a connection.
        outcomes: outcomes of the last messages.
        intents: intents to send the next messages.
        source: source of the event, for a message that has not been at any provider.
        now: the time by which deadlines are checked and retries are set.

    Returns:
        The state of each message in `intents`: `sending` ones may now go on the wire, the others were stopped by the
        last eligibility check. Messages that are no longer this worker's are left out.
    """
    granted: dict[int, State] = {}
    if all(_is_ordinary(outcome) for outcome in outcomes):
        rows = await db.fetch(
            SQL["record_acceptances"],
            [outcome.message_id for outcome in outcomes],
            [outcome.attempt for outcome in outcomes],
            [_storable(outcome.code) for outcome in outcomes],
            [outcome.provider_id for outcome in outcomes],
            [outcome.segments for outcome in outcomes],
            *_columns(intents),
            now,
            source,
        )
        granted = {message_id: State.SENDING for message_id, wired in rows if wired}
        landed = {message_id for message_id, wired in rows if not wired}
        outcomes = [outcome for outcome in outcomes if outcome.message_id not in landed]
        intents = [intent for intent in intents if intent.message_id not in granted]
        if not outcomes and not intents:
            return granted
    ids, attempts, confirms, unsubscribes, providers, numbers = _columns(intents)
    rows = await db.fetch(
        SQL["record_outcomes"],
        [outcome.message_id for outcome in outcomes],
        [outcome.attempt for outcome in outcomes],
        [outcome.state for outcome in outcomes],
        [outcome.reason for outcome in outcomes],
        [_storable(outcome.code) for outcome in outcomes],
        [_storable(outcome.reply) for outcome in outcomes],
        [outcome.delay for outcome in outcomes],
        [outcome.provider_id for outcome in outcomes],
        [outcome.segments for outcome in outcomes],
        ids,
        attempts,
        confirms,
        unsubscribes,
        source,
        now,
        providers,
        numbers,
    )
    return granted | {message_id: State(state) for message_id, state in rows}


def _is_ordinary(outcome: Outcome) -> bool:
    """Tell whether a first try was accepted, with nothing more to be said about it."""
    return outcome.state is State.ACCEPTED and outcome.attempt == 1 and outcome.reply is None and outcome.reason is None


def _columns(
    intents: Sequence[Intent],
) -> tuple[list[int], list[int], list[bytes | None], list[bytes | None], list[str | None], list[str | None]]:
    return (
        [intent.message_id for intent in intents],
        [intent.attempt for intent in intents],
        [intent.confirm for intent in intents],
        [intent.unsubscribe for intent in intents],
        [intent.provider for intent in intents],
        [intent.sent_from for intent in intents],
    )


def _storable(words: str | None) -> str | None:
    """Replace characters that PostgreSQL cannot store: relays reply in any encoding, and one must not fail a batch."""
    return words.encode("utf-8", "replace").decode().replace("\0", "\ufffd") if words else None
