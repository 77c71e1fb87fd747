"""Why somebody got a message, or did not: everything that ever happened to it, in words a person can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from messaging.db import Connection, load_queries
from messaging.errors import NotFound
from messaging.outbox.states import SENTENCES, Reason, State, sentence

SQL: Final = load_queries(__file__)

_MOVED: Final[Mapping[State, str]] = {
    State.QUEUED: "It was queued.",
    State.SENDING: "A worker took it for sending.",
    State.AMBIGUOUS: "Whether it left became unknown.",
    State.ACCEPTED: "The provider took it.",
    State.SENT: "The provider sent it on.",
    State.DELIVERED: "It was delivered.",
    State.READ: "It was read.",
    State.UNDELIVERED: "The network could not deliver it.",
    State.BOUNCED: "It bounced.",
    State.COMPLAINED: "It was reported as spam.",
    State.FAILED: "It failed.",
    State.CANCELLED: "It was withdrawn.",
    State.SUPPRESSED: "It was stopped.",
    State.EXPIRED: "It expired.",
    State.SKIPPED: "It was not sent.",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a message.

    Attributes:
        at: when; aware.
        state: where it moved to; None where nothing moved.
        source: who did it or said so.
        code: a reason of ours, or the provider's own words.
        words: the event as a sentence.
    """

    at: datetime
    state: State | None
    source: str
    code: str | None
    detail: Mapping[str, Any]
    words: str


@dataclass(frozen=True, slots=True)
class Account:
    """A message and where it stands.

    Attributes:
        words: where it stands, as a sentence.
        step: its step's position in the campaign.
    """

    message_id: int
    person_id: int
    campaign_id: int
    step: int
    template: str
    channel: str | None
    address: str | None
    sender: str | None
    state: State
    reason: str | None
    attempt: int
    provider_id: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A line in a list of messages."""

    message_id: int
    person_id: int
    position: int
    channel: str | None
    address: str | None
    state: str
    reason: str | None
    attempt: int
    sent_at: datetime | None
    changed_at: datetime


async def history(db: Connection, message_id: int) -> list[Event]:
    """Everything that happened to a message, oldest first; empty where there is no such message."""
    return [_event(**row) for row in await db.fetch(SQL["events"], message_id)]


async def account(db: Connection, message_id: int) -> Account:
    """A message and where it stands.

    Raises:
        NotFound: there is no such message.
    """
    row = await db.fetchrow(SQL["message"], message_id)
    if row is None:
        raise NotFound(f"There is no message {message_id}.")
    state = State(row["state"])
    return Account(
        message_id=row["message_id"],
        person_id=row["person_id"],
        campaign_id=row["campaign_id"],
        step=row["position"],
        template=row["template"],
        channel=row["channel"],
        address=row["address"],
        sender=row["sender"],
        state=state,
        reason=row["reason"],
        attempt=row["attempt"],
        provider_id=row["provider_id"],
        words=_standing(state, dict(row)),
    )


async def messages_of(db: Connection, person_id: int, *, limit: int = 50) -> list[int]:
    """The ids of a person's messages, the latest first."""
    return [row["message_id"] for row in await db.fetch(SQL["of_person"], person_id, limit)]


async def list_messages(
    db: Connection,
    *,
    campaign_id: int | None = None,
    states: Sequence[State] | None = None,
    reason: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Listed]:
    """A page of messages, in the order of their ids.

    Args:
        db: a connection.
        campaign_id: only this campaign's.
        states: only those in one of these states.
        reason: only those with this reason.
        after: the last id of the page before.
        limit: how many.
    """
    wanted = None if states is None else [state.value for state in states]
    return [Listed(**row) for row in await db.fetch(SQL["listed"], campaign_id, wanted, reason, after, limit)]


def _event(at: datetime, state: str | None, source: str, code: str | None, detail: dict[str, Any] | None) -> Event:
    moved = State(state) if state else None
    known = dict(detail or {})
    return Event(at, moved, source, code, known, _words(moved, source, code, known))


def _words(state: State | None, source: str, code: str | None, detail: Mapping[str, Any]) -> str:
    why = _because(code, detail)
    if state is not None:
        if state is State.QUEUED and source != "launch" and why:
            return f"It was queued again. {why}"
        attempt = f" Try {detail['attempt']}, by {detail.get('by', 'a worker')}." if "attempt" in detail else ""
        return f"{_MOVED[state]}{attempt} {why}".rstrip()
    if "said" in detail:
        return f"A receipt said “{detail['said']}”, which changed nothing: it came late, or again. {why}".rstrip()
    if "until" in detail:
        return f"{sentence(code)} Not before {detail['until']}."
    return why or "Something was recorded."


def _because(code: str | None, detail: Mapping[str, Any]) -> str:
    """A reason as its sentence, a provider's code with what the provider said."""
    parts = [SENTENCES[Reason(detail["reason"])]] if detail.get("reason") in set(Reason) else []
    if code in set(Reason):
        parts = [SENTENCES[Reason(code)]]
    elif code and not detail.get("reply"):
        parts.append(f"({code})")
    if detail.get("reply"):
        parts.append(f"The provider said: {detail['reply']}")
    return " ".join(parts)


def _standing(state: State, row: Mapping[str, Any]) -> str:
    """Where a message stands, and for one that waits: what it waits for."""
    why = sentence(row["reason"]) if row["reason"] else ""
    if state is State.QUEUED:
        if row["paused_reason"]:
            return f"It waits, because nothing is sent from {row['sender']}: {row['paused_reason']}"
        if row["step_state"] != "running":
            return f"It waits, because its step is {row['step_state']}."
        return f"It waits for its turn, not before {row['not_before']:%d %B %Y %H:%M} UTC. {why}".rstrip()
    return f"{_MOVED[state]} {why}".rstrip()
