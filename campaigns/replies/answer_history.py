"""History of what people answered, by every channel: replies, buttons pressed, claims, opt-outs; in order of time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from campaigns.subjects.kinds import KINDS
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

_SOURCES: Final = {
    "sms": "text", "email": "email", "link": "page", "sms_reply": "text", "email_reply": "email", "rep": "a rep",
    "phone_bank": "the phone bank", "import": "a list", "scrutineer": "the scrutineer",
    "unsubscribe": "the unsubscribe link", "preferences": "their page",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """Event in the history: something a person said, or a claim or response that was recorded for them.

    Attributes:
        at: when it happened; aware.
        kind: `reply`; `claim` and `retraction`, also of an answer to a question; `comment` and `comment_retracted`;
            `date_change`; `suppress` or `lift`.
        message_id: the message it answers; None for none.
        source: how it reached us.
        words: the event as a sentence.
    """

    at: datetime
    kind: str
    message_id: int | None
    source: str
    words: str


async def answers_by(
    db: Connection,
    person_ids: Collection[int],
    message_ids: Collection[int],
    addresses: Collection[tuple[str, str]] = (),
) -> list[AnswerEvent]:
    """List everything some people said, and claims about them, oldest first.

    Args:
        db: a connection.
        person_ids: the people; none for somebody known by an address alone.
        message_ids: messages to them; answers to these are included, also from other people.
        addresses: (channel, address) pairs of theirs beyond the addresses in member files.
    """
    known = [(row["channel"], row["address"]) for row in await db.fetch(SQL["list_addresses"], list(person_ids))]
    places = list(dict.fromkeys([*known, *addresses]))
    rows = await db.fetch(
        SQL["list_answers"],
        list(person_ids),
        [place[0] for place in places],
        [place[1] for place in places],
        list(message_ids),
    )
    return [_event_of(row) for row in _once(rows)]


async def answers_to(db: Connection, message_id: int) -> list[AnswerEvent]:
    """List everything that was said in answer to one message, oldest first."""
    return [_event_of(row) for row in _once(await db.fetch(SQL["list_of_message"], message_id))]


def _once(rows: Sequence[asyncpg.Record]) -> Iterator[asyncpg.Record]:
    """Yield events, leaving out the opt-out or opt-in of one address if the same press did so for all addresses."""

    def press(row: asyncpg.Record) -> tuple[object, ...]:
        return row["kind"], row["at"], row["message_id"], row["source"], row["label"], row["note"]

    of_all = {press(row) for row in rows if row["channel"] == "person"}
    for row in rows:
        if row["kind"] not in {"suppress", "lift"} or row["channel"] == "person" or press(row) not in of_all:
            yield row


def _event_of(row: asyncpg.Record) -> AnswerEvent:
    return AnswerEvent(row["at"], row["kind"], row["message_id"], row["source"], _sentence(row))


def _sentence(row: asyncpg.Record) -> str:
    source, note = _SOURCES.get(row["source"], row["source"]), row["note"]
    label = (row["label"] or "").replace("_", " ")
    match row["kind"]:
        case "reply" if row["source"] == "link":
            return f"They pressed a button on their page: {label}." + _open(note)
        case "reply":
            return f"They answered by {source}: “{' '.join(row['text'].split())}”, read as {label}." + _open(note)
        case "claim":
            by = f", written down by {note}" if note else ""
            return f"{_history_line(row)} counted as: {_with_comment(label, row)} (from {_sourced(source)}{by})."
        case "comment" | "comment_retracted" | "date_change":
            return _beside_answers(row, source)
        case "retraction":
            taken_back = _with_comment(label, row)
            again = f" What counts now: {row['counted_label']}." if row["counted_label"] else ""
            return (
                f"{_history_line(row)} no longer counted as: {taken_back} (taken back from {_sourced(source)}).{again}"
            )
        case kind:
            what = "All messages" if note == "all" else f"All {note} messages"
            where = {"person": "by text and email", "sms": "by text"}.get(row["channel"], f"by {row['channel']}")
            did = "were stopped" if kind == "suppress" else "were allowed again"
            return f"{what} to them {where} {did}: {label} (from {_sourced(source)})."


def _with_comment(label: str, row: asyncpg.Record) -> str:
    return f"{label} \u2013 {row['text']}" if row["text"] else label


def _beside_answers(row: asyncpg.Record, source: str) -> str:
    about = f"the {row['subject_kind']} {row['subject_name']}"
    if row["kind"] == "date_change":
        former = ": what they answered about another one does not count" if row["has_former_answer"] else ""
        return f"Their date in {about} is {row['label']} now{former}."
    if row["kind"] == "comment_retracted":
        return f"They took back what they had added about {about}."
    comment = f": “{row['text']}”" if row["text"] else " something"
    return f"About {about} they added{comment} (from {_sourced(source)})."


def _history_line(row: asyncpg.Record) -> str:
    return KINDS[row["subject_kind"]].history_line(row["subject_name"])


def _sourced(source: str) -> str:
    """Name a source in words that fit after “from”: `a text`, `their page`."""
    return {"text": "a text", "email": "an email", "page": "their page"}.get(source, source)


def _open(why: str | None) -> str:
    return f" It waits for a person: {why.replace('_', ' ')}." if why else ""
