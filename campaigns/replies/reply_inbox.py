"""Reply inbox: replies that need staff are listed, shown with their history, read and closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import asyncpg

from campaigns.replies.answers import record_answer, retract_answer
from campaigns.replies.classification import GENERAL
from campaigns.replies.classification.answer_corrections import corrected
from campaigns.replies.opt_outs import lift_opt_out
from campaigns.replies.reading_effect import address_about, apply_to_messages
from campaigns.replies.replies import StoredReply, lock_reply, mark_closed, no_reply
from campaigns.subjects.kinds import KINDS, MEANINGS
from campaigns.subjects.subject import Subject
from core.access import Actor
from core.audit import AuditAction, record
from core.control_characters import without_controls
from core.db import Connection, load_queries
from core.errors import Conflict, InputError

SQL: Final = load_queries(__file__)

READINGS: Final = GENERAL | MEANINGS
"""Readings that staff can choose for a reply; the message's subject decides which are possible."""


@dataclass(frozen=True, slots=True)
class ShownReply:
    """Reply as the reply inbox shows it.

    Attributes:
        reply_id: its id.
        received_at: when it came; aware.
        channel: `sms`, `email`, or `link` for a button on the member's page.
        address: the address it came from.
        text: its text; "" for a button, and for a mail or text in which there are no words.
        reading: its present reading.
        rule: the rule that gave it.
        why_open: why it is open, one of `open_reasons.WHY_OPEN`; "" if it is not.
        message_id: the message it answers.
        person_id: its author, if that is certain.
        external_id: their membership number.
        name: their name.
        unit: their unit.
        subject_kind: the kind of its subject, such as `ballot`.
        subject: its name.
        holders: the membership numbers of everybody who has that address.
        holder_names: their names, in the same order; "" for somebody without a name.
        note: a remark for staff, such as that attachments were not kept.
        answer: the label of its author's answer to a question; None for none.
        present_answer: where it has an answer, the label of what its author has answered now; None for nothing.
    """

    reply_id: int
    received_at: datetime
    channel: str
    address: str
    text: str
    reading: str
    rule: str
    why_open: str
    message_id: int | None
    person_id: int | None
    external_id: str | None
    name: str | None
    unit: str | None
    subject_kind: str | None
    subject: str | None
    holders: tuple[str, ...]
    holder_names: tuple[str, ...] = ()
    note: str | None = None
    answer: str | None = None
    present_answer: str | None = None

    @property
    def answer_since(self) -> str:
        """Return its answer, and what has become of it: "Poor", "Poor, changed to Good since"; "" for no answer."""
        if self.answer is None or self.answer == self.present_answer:
            return self.answer or ""
        return f"{self.answer}, {f'changed to {self.present_answer}' if self.present_answer else 'not counted'} since"

    @property
    def about(self) -> str:
        """Return its subject as sentences for staff name it: "the ballot pay-2026"; "" if it is unknown."""
        return f"the {self.subject_kind} {self.subject}" if self.subject else ""


@dataclass(frozen=True, slots=True)
class PastReading:
    """Reading that a reply has or had.

    Attributes:
        reading: the meaning that was read in it.
        rule: the rule that read it, or `staff`, `provider`, `button`, `digit` …
        rule_version: the version of the rules at that time.
        reader: the member of staff who read it; None for a rule.
        answer_id: the answer it became (a claim about a ballot …), if it did.
        at: when; aware.
    """

    reading: str
    rule: str
    rule_version: str
    reader: str | None
    answer_id: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ReplyThread:
    """Reply with all its readings, and other replies from the same address.

    Attributes:
        reply: the reply; its `why_open` is "" if it is not open.
        state: `open`, `asked` (its author was asked back, and may answer first) or `closed`.
        closed_at: when it was closed; aware.
        closed_by: who closed it; None if nobody had to.
        readings: every reading it has had, oldest first.
        others: up to ten other replies from that address, latest first: time, text, reading.
    """

    reply: ShownReply
    state: str
    closed_at: datetime | None
    closed_by: str | None
    readings: tuple[PastReading, ...]
    others: tuple[tuple[datetime, str, str], ...]


async def open_replies(db: Connection, limit: int = 100, why: str | None = None) -> list[ShownReply]:
    """List the open replies, longest waiting first.

    Args:
        db: a connection.
        limit: most replies to return.
        why: only those open for this reason.
    """
    return [_reply(row) for row in await db.fetch(SQL["list_open"], limit, why)]


async def count_asked(db: Connection) -> int:
    """Count the replies whose authors were asked back and have not answered yet; they are not open."""
    counted: int = await db.fetchval(SQL["count_asked"])
    return counted


async def follow_up_asked(db: Connection, now: datetime) -> None:
    """Close replies whose authors answered after they were asked back; open those whose time to answer is over."""
    await db.execute(SQL["follow_up_asked"], now)


async def replies_read_as(db: Connection, reading: str, limit: int = 100) -> list[ShownReply]:
    """List the replies with one reading, latest first; a reply that is not open has "" as its `why_open`.

    Args:
        db: a connection.
        reading: one of `READINGS`.
        limit: most replies to return.
    """
    return [_reply(row) for row in await db.fetch(SQL["list_by_reading"], limit, reading)]


async def reply_thread(db: Connection, reply_id: int) -> ReplyThread:
    """Return a reply with its history.

    Raises:
        NotFound: no such reply.
    """
    row = await db.fetchrow(SQL["find_reply"], reply_id)
    if row is None:
        raise no_reply(reply_id)
    others = await db.fetch(SQL["list_other_replies"], row["channel"], row["address"], reply_id)
    return ReplyThread(
        _reply(row),
        row["state"],
        row["closed_at"],
        row["closed_by"],
        tuple(PastReading(**past) for past in await db.fetch(SQL["list_classifications"], reply_id)),
        tuple((other["received_at"], without_controls(other["text"]), other["reading"]) for other in others),
    )


def _reply(row: asyncpg.Record) -> ShownReply:
    of_holders = {name: tuple(row[name] or ()) for name in ("holders", "holder_names")}
    fields = {name: row[name] for name in ShownReply.__slots__ if name not in of_holders}
    # rows of former versions may hold control characters
    fields |= {name: without_controls(fields[name]) for name in ("text", "address", "note") if fields[name]}
    fields["why_open"] = fields["why_open"] or ""
    return ShownReply(**fields | of_holders)


async def note_reply(db: Connection, reply_id: int, note: str) -> None:
    """Set the note of a reply."""
    await db.execute(SQL["add_note"], reply_id, note)


async def close_reply(db: Connection, reply_id: int, *, actor: Actor, at: datetime) -> bool:
    """Close a reply that has been dealt with.

    Args:
        db: a connection.
        reply_id: the reply.
        actor: the member of staff.
        at: the time.

    Returns:
        Whether it was open.

    Raises:
        NotFound: no such reply.
    """
    async with db.transaction():
        if (await lock_reply(db, reply_id)).state == "closed":
            return False
        await mark_closed(db, reply_id, actor=actor, at=at)
        await record(db, actor, AuditAction.REPLY_CLOSED, f"reply {reply_id}", at=at)
    return True


async def read_by_staff(
    db: Connection, reply_id: int, *, reading: str, actor: Actor, at: datetime, person_id: int | None = None
) -> int | None:
    """Replace a reply's reading, and its effects, by the reading of a member of staff.

    The answer that the rule read is retracted. The new reading is recorded if it is an answer, and applied if it is an
    opt-out.

    Args:
        db: a connection.
        reply_id: the reply.
        reading: one of `READINGS`, or an answer to the message's subject.
        actor: the member of staff.
        at: the time.
        person_id: its author, if the address is shared or unknown.

    Returns:
        The answer it became, if it did.

    Raises:
        NotFound: no such reply.
        InputError: not a reading.
        Conflict: it would be an answer, but its author or its message is unknown, or the subject has no such answer.
    """
    async with db.transaction():
        reply = await lock_reply(db, reply_id)
        subject = reply.subject
        _check_reading(reading, subject)
        answered = None if reading in GENERAL else _answered(reply, person_id or reply.person_id, reading)
        await retract_answer(db, reply, actor=actor)
        answer_id = None
        if answered is not None:
            message_id, whose = answered
            answer_id = await record_answer(
                db, message_id=message_id, person_id=whose, meaning=reading, channel=reply.channel, actor=actor,
                at=reply.received_at, comment=_words_beside(reply, reading),
            )  # fmt: skip
        if reply.channel != "link":  # another reading alone never undoes an opt-out
            await apply_to_messages(
                db, reading, channel=reply.channel, address=reply.address, written_to=reply.written_to, source="staff",
                message_id=reply.message_id, resume=partial(lift_opt_out, source="staff", actor=actor),
            )  # fmt: skip
        kind = subject.kind if subject is not None and answer_id is not None else None
        await db.execute(SQL["correct_reply"], reply_id, reading, person_id, kind, answer_id, at, actor.name)
        detail = {"from": reply.reading, "to": reading, "rule": reply.rule}
        await record(db, actor, AuditAction.REPLY_CORRECTED, f"reply {reply_id}", detail, at=at)
    return answer_id


async def undo_misread_opt_out(db: Connection, reply_id: int, *, actor: Actor, at: datetime) -> str:
    """Undo the opt-out that a rule read in a reply. Messages withdrawn because of it stay withdrawn.

    The reply is then open as `unclear`, for staff to read.

    Args:
        db: a connection without a transaction.
        reply_id: the reply.
        actor: the member of staff.
        at: the time.

    Returns:
        The address that gets messages again.

    Raises:
        NotFound: no such reply.
        Conflict: no rule read an opt-out in it, or the address was opted out otherwise.
    """
    async with db.transaction():
        reply = await lock_reply(db, reply_id)
        if reply.reading != "opt_out" or reply.channel == "link" or reply.rule in {"staff", "provider", "button"}:
            raise Conflict(
                f"Reply {reply_id} was not read as an opt-out by a rule, so there is nothing to undo.",
                remedy=f"To read it as a START, which lifts an opt-out: muster replies read {reply_id} opt_in",
            )
        address = address_about(reply.channel, reply.address, reply.written_to)
        source = f"{reply.channel}_reply"
        if not await db.fetchval(SQL["has_caused_opt_out"], reply.channel, address, source, reply.message_id):
            raise Conflict(
                "This reply is not the only cause of the opt-out: they have opted out in another way, too.",
                remedy="See it with: muster suppression show ADDRESS",
            )
        await lift_opt_out(db, reply.channel, address, "staff", actor)
        await db.execute(SQL["reopen_reply"], reply_id)
        await record(db, actor, AuditAction.REPLY_OPT_OUT_UNDONE, f"reply {reply_id}", {"rule": reply.rule}, at=at)
    return address


def _words_beside(reply: StoredReply, reading: str) -> str:
    """Return the words of a reply beside the answer that staff read in it: none of "4", all if it has no answer."""
    text, subject = reply.text, reply.subject
    if subject is None or not subject.reads_answers:
        return text
    menu = dict.fromkeys("0123456789", reading)  # staff say what the digit means
    read = subject.reads(corrected(text) or text, menu)
    return read.comment if read is not None and read.answer == reading else text


def _check_reading(reading: str, subject: Subject | None) -> None:
    """Refuse a reading that no reply can have.

    Raises:
        InputError: there is no such reading; the error names the readings there are.
    """
    if reading not in READINGS and (subject is None or reading not in subject.meanings):
        possible = READINGS if subject is None else GENERAL | subject.meanings
        raise InputError(f"“{reading}” is not a reading.", remedy=f"There are {', '.join(sorted(possible))}.")


def _answered(reply: StoredReply, whose: int | None, reading: str) -> tuple[int, int]:
    """Return the message that a reply answers, and the reply's author.

    Raises:
        Conflict: either is unknown; the remedy says how to record the answer anyway.
    """
    if reply.subject is None or reply.message_id is None:
        raise Conflict(
            "This reply answers no message of a campaign, so what it is about is not known.",
            remedy=" ".join(
                kind.unknown_remedy(reply.reply_id) for kind in KINDS.values() if reading in kind.common_meanings
            ),
        )
    if whose is None:
        raise Conflict("It is not known who wrote this reply.", remedy="Name the person with --person.")
    return reply.message_id, whose
