"""History of a message: each of its events as a sentence, to show why somebody got it or did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from core.control_characters import without_controls
from core.db import Connection, load_queries
from core.errors import NotFound
from core.times_in_words import moment_in_words
from messaging.reasons import SENTENCES, Reason, sentence
from messaging.states import EXCEPTIONAL, STATE_SENTENCES, State

SQL: Final = load_queries(__file__)

_EVENT_SENTENCES: Final[Mapping[str, str]] = {
    "deferred": "It was put off by the server that receives it, and is still tried.",
    "unsubscribed": "They asked for no more of these emails.",
    "noted": "The provider reported an event that does not change its state.",
    "auto_response": "A machine answered it: a holiday notice or the like.",
}
"""Sentences for events that do not change an email's state, by the kind of event or its code."""
_AUTO_RESPONSES: Final = frozenset({"auto_response", "auto_reply"})
"""Codes of a machine's answer; the second is in the ledger of databases from before 30 November 2026."""
_STORED: Final = {State.SENDING: State.QUEUED}
"""States that messages are stored under, where that is another one."""


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """Event in the history of a message.

    Attributes:
        at: when; aware.
        state: the new state; None if it did not change.
        source: who caused or reported it.
        code: a reason of ours, or the provider's own code.
        detail: more, as the event was recorded.
        words: the event as a sentence.
    """

    at: datetime
    state: State | None
    source: str
    code: str | None
    detail: Mapping[str, Any]
    words: str


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """Message and its status.

    Attributes:
        person_id: whom it is for; None for a transactional message to an address alone.
        campaign_id, step, template: its campaign, the position of its step there, and the template; None for a
            transactional message.
        kind: kind of a transactional message; None for others.
        says: its text, if it is transactional and the text is still kept; secrets in it are masked.
        asked_by: who wanted a transactional message sent.
        earlier_ids: the provider's ids of tries before the current one, oldest first.
        words: its status, as a sentence.
    """

    message_id: int
    person_id: int | None
    campaign_id: int | None
    step: int | None
    template: str | None
    channel: str | None
    address: str | None
    sender: str | None
    state: State
    reason: str | None
    attempt: int
    provider_id: str | None
    earlier_ids: list[str]
    words: str
    kind: str | None = None
    says: str | None = None
    asked_by: str | None = None


@dataclass(frozen=True, slots=True)
class MessageLine:
    """Line in a list of messages; `kind` is set for transactional ones, which have no step and may lack a person."""

    message_id: int
    person_id: int | None
    position: int | None
    channel: str | None
    address: str | None
    state: str
    reason: str | None
    attempt: int
    sent_at: datetime | None
    changed_at: datetime
    kind: str | None = None


async def find_history(db: Connection, message_id: int, zone: tzinfo = UTC) -> list[HistoryEvent]:
    """Return the events of a message, oldest first; none if there is no such message.

    Args:
        db: a connection.
        message_id: the message.
        zone: time zone of the times in the sentences.
    """
    events: list[HistoryEvent] = []
    tries = 0
    for row in await db.fetch(SQL["list_events"], message_id):
        tries += row["state"] == State.SENDING
        events.append(_event(**row, tries=tries, zone=zone))
    return events


async def message_status(db: Connection, message_id: int, zone: tzinfo = UTC) -> MessageStatus:
    """Return a message and its status.

    Args:
        db: a connection.
        message_id: the message.
        zone: time zone of the times in the sentence.

    Raises:
        NotFound: there is no such message.
    """
    row = await db.fetchrow(SQL["find_message"], message_id)
    if row is None:
        raise NotFound(f"There is no message {message_id}.")
    state = State(row["state"])
    return MessageStatus(
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
        earlier_ids=row["earlier_ids"],
        words=_state_sentence(state, dict(row), zone),
        kind=row["kind"],
        says=row["content"]["text"] if row["content"] else None,
        asked_by=row["asked_by"],
    )


async def messages_of(db: Connection, person_id: int, *, limit: int = 50) -> list[int]:
    """Return the ids of a person's messages, at most `limit`, the latest first."""
    return [row["message_id"] for row in await db.fetch(SQL["list_of_person"], person_id, limit)]


async def messages_to_nobody(db: Connection, channel: str, address: str, *, limit: int = 50) -> list[int]:
    """Return the ids of transactional messages to an address when nobody was known to have it, the latest first."""
    return [row["message_id"] for row in await db.fetch(SQL["list_to_nobody"], channel, address, limit)]


async def list_messages(
    db: Connection,
    *,
    campaign_id: int | None = None,
    states: Sequence[State] | None = None,
    reason: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[MessageLine]:
    """Return a page of messages, in the order of their ids.

    Args:
        db: a connection.
        campaign_id: only this campaign's.
        states: only those in one of these states.
        reason: only those with this reason.
        after: the last id of the page before.
        limit: most messages.
    """
    wanted = None if states is None else [state.value for state in states]
    arguments = (campaign_id, wanted, reason, after, limit)
    if states and EXCEPTIONAL.issuperset(states):
        rows = await db.fetch(SQL["list_exceptions"], *arguments)
    else:
        stored = None if states is None else [_STORED.get(state, state).value for state in states]
        rows = await db.fetch(SQL["list_messages"], *arguments, stored)
    return [MessageLine(**row) for row in rows]


def _event(
    at: datetime,
    state: str | None,
    source: str,
    code: str | None,
    detail: dict[str, Any] | None,
    *,
    tries: int,
    zone: tzinfo,
) -> HistoryEvent:
    moved = State(state) if state else None
    known = dict(detail or {})
    return HistoryEvent(at, moved, source, code, known, _words(moved, source, code, known, tries, zone))


def _words(
    state: State | None, source: str, code: str | None, detail: Mapping[str, Any], tries: int, zone: tzinfo
) -> str:
    why = _because(code, detail)
    if state is None:
        return _unmoved(code, detail, why, zone)
    if state is State.SENDING and "attempt" in detail:
        return f"Try {tries}: {detail.get('by', 'a worker')} took it for sending."
    if state is State.QUEUED and "retry" in detail:
        until = moment_in_words(datetime.fromisoformat(detail["until"]), zone)
        return f"{SENTENCES[Reason.TRIED_AGAIN]} Not before {until}; retry {detail['retry']} of at most {detail['of']}."
    if state is State.QUEUED and source != "launch" and why:
        until = (
            f" Not before {moment_in_words(datetime.fromisoformat(detail['until']), zone)}."
            if "until" in detail
            else ""
        )
        return f"It was queued again. {why}{until}"
    earlier = " This was said of an earlier try." if detail.get("earlier") else ""
    by = f" Decided by {detail['by']}." if "by" in detail else ""
    return f"{STATE_SENTENCES[state]}{earlier}{by} {why}".rstrip()


def _unmoved(code: str | None, detail: Mapping[str, Any], why: str, zone: tzinfo) -> str:
    """Describe an event that did not change the state: put off, or a receipt that said nothing new."""
    if code in _AUTO_RESPONSES:
        return _EVENT_SENTENCES["auto_response"]
    if detail.get("event") in _EVENT_SENTENCES:
        return f"{_EVENT_SENTENCES[detail['event']]} {why}".rstrip()
    if "said" in detail:
        if detail.get("earlier"):
            return f"Of an earlier try was said “{detail['said']}”, which changes nothing any more. {why}".rstrip()
        return f"A receipt said “{detail['said']}”, which changed nothing: it came late, or again. {why}".rstrip()
    if "until" in detail:
        return f"{sentence(code)} Not before {moment_in_words(datetime.fromisoformat(detail['until']), zone)}."
    return why or "Something was recorded."


def _because(code: str | None, detail: Mapping[str, Any]) -> str:
    """Describe the reason of an event: its sentence, and the provider's code or words if they say more."""
    parts = [SENTENCES[Reason(detail["reason"])]] if detail.get("reason") in set(Reason) else []
    if code in set(Reason):
        parts = [SENTENCES[Reason(code)]]
    elif code and not detail.get("reply") and code != detail.get("status") and code not in set(State):
        parts.append(f"(code {code})" if code.isdigit() else f"({code})")
    if detail.get("reply"):
        parts.append(f"The provider said: {detail['reply']}")
    if detail.get("words"):
        parts.append(f"The provider said: {detail['words']}")
    return without_controls(" ".join(parts))


def _state_sentence(state: State, row: Mapping[str, Any], zone: tzinfo) -> str:
    """Describe the status of a message; of a queued one, also what it waits for."""
    why = sentence(row["reason"]) if row["reason"] else ""
    if state is State.QUEUED:
        if row["paused_reason"]:
            return f"It waits, because nothing is sent from {row['sender']}: {row['paused_reason']}"
        if row["step_state"] not in {None, "running"}:
            return f"It waits, because its step is {row['step_state']}."
        waits = moment_in_words(row["not_before"], zone)
        if row["date_at"] is not None:
            waits += f", by their date, which is {moment_in_words(row['date_at'], zone)}"
        return f"It waits until {waits}. {why}".rstrip() if row["later"] else f"It waits for its turn. {why}".rstrip()
    return f"{STATE_SENTENCES[state]} {why}".rstrip()
