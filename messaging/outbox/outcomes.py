"""The one statement between two tries on the wire: outcomes of the last messages in, marks of the next ones out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries
from messaging.states import Reason, State

SQL: Final = load_queries(__file__)


@dataclass(slots=True)
class Intent:
    """A message about to go on the wire.

    Attributes:
        confirm: digest of its confirm link's token; None where its text has none.
        unsubscribe: digest of its unsubscribe link's token; None where it has none.
        provider: who will have it; from here on only that provider can say what became of it.
        sent_from: the number it leaves from, where that is not its step's sender.
    """

    message_id: int
    attempt: int
    confirm: bytes | None
    unsubscribe: bytes | None
    provider: str | None = None
    sent_from: str | None = None


@dataclass(slots=True)
class Outcome:
    """What came of a try, as it is written down.

    Attributes:
        state: accepted, failed, ambiguous, or queued to be tried again.
        delay: seconds until then.
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


async def record(
    db: Connection, verdicts: Sequence[Outcome], marks: Sequence[Intent], *, source: str, now: datetime
) -> dict[int, State]:
    """Write down outcomes, and mark the next messages as on the wire.

    Args:
        db: a connection.
        verdicts: what came of the last ones.
        marks: the next ones.
        source: for the record, where a message has not been at any provider.
        now: the time deadlines and retries are judged by.

    Returns:
        The state of each marked message: `sending` ones may now go on the wire, the others were stopped by the gate.
        Those that are no longer this worker's are left out.
    """
    rows = await db.fetch(
        SQL["record"],
        [one.message_id for one in verdicts],
        [one.attempt for one in verdicts],
        [one.state for one in verdicts],
        [one.reason for one in verdicts],
        [_storable(one.code) for one in verdicts],
        [_storable(one.reply) for one in verdicts],
        [one.delay for one in verdicts],
        [one.provider_id for one in verdicts],
        [one.segments for one in verdicts],
        [one.message_id for one in marks],
        [one.attempt for one in marks],
        [one.confirm for one in marks],
        [one.unsubscribe for one in marks],
        source,
        now,
        [one.provider for one in marks],
        [one.sent_from for one in marks],
    )
    return {message_id: State(state) for message_id, state in rows}


def _storable(words: str | None) -> str | None:
    """What a provider said, as PostgreSQL can keep it: relays reply in any encoding, and none may cost a batch."""
    return words.encode("utf-8", "replace").decode().replace("\0", "\ufffd") if words else None
